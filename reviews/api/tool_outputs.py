"""The API of the model's calls: what they are, and what a person says to them."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api.fields import StrictSerializer, Text, YesNo
from jobs.api.serializers import JobDetail
from jobs.api.viewset import ApiViewSet
from jobs.kit.rights import require
from jobs.models import Job, ToolCall
from jobs.models.job_type import as_text
from jobs.services.submit import InvalidInput
from jobs.services.supply import LONGEST_ANSWER
from reviews.models import ToolDecision
from reviews.services.answer_call import RIGHT, Said, answer_calls

V = ToolDecision.Verdict
MOST = 100  # outputs at once
WHICH = "Give one of output, approve and refuse."


class CallView(serializers.ModelSerializer[ToolCall]):
    """A call that a job waits for; `call_sha256` is handed back with what is said."""

    call_sha256 = serializers.CharField(source="call_hash")
    asked_at = serializers.DateTimeField(source="attempt.ended_at")

    class Meta:
        model = ToolCall
        fields = ("call_id", "kind", "name", "arguments", "call_sha256", "asked_at")


class Output(StrictSerializer):
    """`output` answers a function call, `approve` allows a request; or `refuse` it.

    With a refusal goes a `reason`.
    """

    call_id = Text(max_length=200)
    call_sha256 = Text(max_length=64)
    output = serializers.JSONField(required=False)
    approve = YesNo(required=False)
    refuse = YesNo(required=False)
    reason = Text(required=False, allow_blank=True, max_length=LONGEST_ANSWER)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        said = [name for name in ("output", "approve", "refuse") if name in attrs]
        if len(said) != 1 or attrs.get("refuse") is False:
            raise serializers.ValidationError({"output": [WHICH]})
        return attrs


class Outputs(StrictSerializer):
    """What is said, all or nothing; once no call is open, the job goes on."""

    outputs = serializers.ListField(child=Output(), min_length=1, max_length=MOST)

    def said(self) -> list[Said]:
        return [_said(given) for given in self.validated_data["outputs"]]


def _said(given: dict[str, Any]) -> Said:
    verdict, text = V.REFUSE, given.get("reason", "")
    if "output" in given:
        verdict, text = V.ANSWER, as_text(given["output"])
    elif given.get("approve"):
        verdict = V.ALLOW
    return Said(given["call_id"], verdict, given["call_sha256"], text)


class ToolOutputsViewSet(ApiViewSet[Job]):
    """What a model asks of people."""

    queryset = Job.objects.none()
    serializer_class = JobDetail
    lookup_field = "public_id"
    lookup_value_converter = "uuid"
    about: Mapping[str, str] = {"job": "id"}
    pagination_class = None
    filterset_class = None

    def get_queryset(self) -> QuerySet[Job]:
        jobs = Job.objects.visible_to(self.request.user)
        return jobs.select_related("version__job_type", "requester")

    @extend_schema(responses=CallView(many=True))
    @action(detail=True, url_path="tool-outputs")
    def tool_outputs(self, request: Request, public_id: str) -> Response:
        """The calls that wait for an answer."""
        job = self.get_object()
        require(request.user, RIGHT)
        calls = ToolCall.objects.filter(attempt__job=job).open()
        found = calls.select_related("attempt").order_by("pk")
        return Response(CallView(found, many=True).data)

    @extend_schema(request=Outputs, responses=JobDetail)
    @tool_outputs.mapping.post
    def supply(self, request: Request, public_id: str) -> Response:
        """Answer, allow or refuse calls, each as it was seen."""
        job, given = self.get_object(), Outputs(data=request.data)
        given.is_valid(raise_exception=True)
        try:
            answer_calls(job, given.said(), by=self.person, via="api")
        except InvalidInput as invalid:
            raise ValidationError(invalid.errors) from invalid
        context = self.get_serializer_context()
        return Response(JobDetail(self.get_object(), context=context).data)

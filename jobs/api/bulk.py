"""Submitting up to a thousand jobs at once."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from jobs.api.fields import StrictSerializer
from jobs.api.serializers import Submission, as_sent
from jobs.api.viewset import ApiViewSet
from jobs.models import Job
from jobs.services.submit import InvalidInput
from jobs.services.submit_many import MOST, Wanted, submit_many


class Row(Submission):
    """One of many; these run in no thread, where jobs wait for each other."""

    thread = None  # type: ignore[assignment]
    on_active = None  # type: ignore[assignment]


class Submissions(StrictSerializer):
    """Each as it would be submitted alone; `thread` is not taken."""

    jobs = serializers.ListField(child=Row(), min_length=1, max_length=MOST)


class Submitted(serializers.ModelSerializer[Job]):
    """Where to find a job that was submitted; without content, of which it has none."""

    id = serializers.UUIDField(source="public_id")
    link = serializers.SerializerMethodField()

    class Meta:
        model = Job
        fields = ("id", "status", "link")

    def get_link(self, job: Job) -> str:
        request = self.context.get("request")
        return reverse("api:job-detail", args=[job.public_id], request=request)


class SubmittedMany(serializers.Serializer[Any]):
    """In the order in which they were given."""

    jobs = Submitted(many=True)


class BulkViewSet(ApiViewSet[Job]):
    """Jobs by the thousand."""

    queryset = Job.objects.none()
    pagination_class = None
    filterset_class = None

    @extend_schema(request=Submissions, responses={201: SubmittedMany})
    @action(detail=False, methods=["post"])
    def bulk(self, request: Request) -> Response:
        """Submit up to 1,000 jobs, all or nothing; errors are told by row, from 0."""
        said: Any = Submissions(data=request.data)
        said.is_valid(raise_exception=True)
        wanted = [as_wanted(row) for row in said.validated_data["jobs"]]
        try:
            jobs = submit_many(by=self.person, wanted=wanted)
        except InvalidInput as invalid:
            given = said.initial_data["jobs"]
            raise ValidationError(_by_row(given, invalid)) from invalid
        context = self.get_serializer_context()
        return Response(SubmittedMany({"jobs": jobs}, context=context).data, 201)


def as_wanted(row: dict[str, Any]) -> Wanted:
    """What a valid submission asks for."""
    rest = {name: value for name, value in row.items() if name not in ("type", "input")}
    return Wanted(row["type"], row["input"], **rest)


def _by_row(given: list[Any], invalid: InvalidInput) -> dict[str, list[str]]:
    """Errors under the names the sender used."""
    found: dict[str, list[str]] = {}
    for name, said in invalid.errors.items():
        row, _, name = name.partition(".")
        for sent, messages in as_sent(given[int(row)], {name: said}).items():
            found[f"jobs.{row}.{sent}"] = messages
    return found

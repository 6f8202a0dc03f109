"""The API of deliveries, and of what reviews do with jobs: one service call each."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api.filters import since, until
from jobs.api.serializers import JobDetail, Note
from jobs.api.viewset import ApiViewSet
from jobs.kit.paging import NewestFirst
from jobs.kit.rights import require
from jobs.models import Job
from reviews.api import serializers as shapes
from reviews.delivery.failures import FailureClass
from reviews.models import Delivery
from reviews.services.approve_delivery import approve_delivery, what_is_seen_anew
from reviews.services.decide import RIGHT
from reviews.services.recall import recall_job
from reviews.services.reopen import reopen_review
from reviews.services.resend import resend_delivery
from reviews.services.withdraw import confirm_delivery, withdraw_delivery


class DeliveryFilter(filters.FilterSet):
    """What a list of deliveries can be narrowed to."""

    status = filters.MultipleChoiceFilter(choices=Delivery.Status.choices)
    destination = filters.CharFilter(field_name="destination__name")
    job = filters.UUIDFilter(field_name="job__public_id")
    failure_class = filters.MultipleChoiceFilter(
        choices=[(each, each) for each in FailureClass]
    )
    created_after = since("created_at")
    created_before = until("created_at")
    finished_after = since("finished_at")
    finished_before = until("finished_at")

    class Meta:
        model = Delivery
        fields: tuple[str, ...] = ()


class DeliveryViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet[Delivery]
):
    """Deliveries one may see: of one's own jobs, or with the rights to, all."""

    queryset = Delivery.objects.none()
    serializer_class = shapes.DeliveryDetail
    pagination_class = NewestFirst
    filterset_class = DeliveryFilter
    lookup_field = "uuid"
    lookup_url_kwarg = "id"
    lookup_value_converter = "uuid"
    about: Mapping[str, str] = {"job": "job"}

    def get_queryset(self) -> QuerySet[Delivery]:
        rows = Delivery.objects.visible_to(self.request.user).defer("request")
        return rows.select_related("job", "destination", "result")

    def get_serializer_class(self) -> Any:
        return shapes.DeliveryBrief if self.action == "list" else shapes.DeliveryDetail

    @extend_schema(request=Note, responses=shapes.DeliveryDetail)
    @action(detail=True, methods=["post"])
    def resend(self, request: Request, id: str) -> Response:
        """Send what failed or is uncertain once more, as it was approved."""
        delivery, note = self._whole(), _note(request)
        resend_delivery(delivery, by=self.person, note=note)
        return self._shown()

    @extend_schema(request=shapes.Reason, responses=shapes.DeliveryDetail)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, id: str) -> Response:
        """Give it up; a reason is required."""
        delivery, said = self._whole(), _said(shapes.Reason, request)
        withdraw_delivery(delivery, by=self.person, reason=said["reason"])
        return self._shown()

    @extend_schema(request=Note, responses=shapes.DeliveryDetail)
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, id: str) -> Response:
        """Note that what was uncertain has arrived."""
        delivery, note = self._whole(), _note(request)
        confirm_delivery(delivery, by=self.person, note=note)
        return self._shown()

    @extend_schema(responses=shapes.AnewView)
    @action(detail=True)
    def anew(self, request: Request, id: str) -> Response:
        """What would be sent in its place, and who has approved that."""
        delivery = self._whole()
        require(self.person, RIGHT)
        shown = what_is_seen_anew(delivery)
        context = {"delivery": delivery, "person": self.person}
        return Response(shapes.AnewView(shown, context=context).data)

    @extend_schema(request=shapes.Approval, responses={201: shapes.DeliveryDetail})
    @anew.mapping.post
    def approve_anew(self, request: Request, id: str) -> Response:
        """Approve just that; the last approval answers with the new delivery."""
        delivery, said = self._whole(), _said(shapes.Approval, request)
        decision = approve_delivery(delivery, by=self.person, via="api", **said)
        planned = decision.deliveries.first() or delivery
        found = self.get_queryset().get(pk=planned.pk)
        return Response(shapes.DeliveryDetail(found).data, 201)

    def _whole(self) -> Delivery:
        """With all that the gate looks at."""
        found = self.get_object()
        rows = Delivery.objects.select_related(
            "decision", "destination", "destination_version", "job", "result"
        )
        return rows.get(pk=found.pk)

    def _shown(self) -> Response:
        return Response(shapes.DeliveryDetail(self.get_object()).data)


class JobReviewViewSet(ApiViewSet[Job]):
    """What people do with the review of a job."""

    queryset = Job.objects.none()
    serializer_class = JobDetail
    lookup_field = "public_id"
    lookup_value_converter = "uuid"
    about: Mapping[str, str] = {"job": "id"}

    def get_queryset(self) -> QuerySet[Job]:
        jobs = Job.objects.visible_to(self.request.user)
        return jobs.select_related("version__job_type", "requester")

    @extend_schema(request=Note, responses=JobDetail)
    @action(detail=True, methods=["post"])
    def recall(self, request: Request, public_id: str) -> Response:
        """Take its approval back, while nothing has left."""
        job, note = self.get_object(), _note(request)
        recall_job(job, by=self.person, note=note)
        return self._shown()

    @extend_schema(request=Note, responses=JobDetail)
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, public_id: str) -> Response:
        """Ask for a decision once more, after nobody came in time."""
        job, note = self.get_object(), _note(request)
        reopen_review(job, by=self.person, note=note)
        return self._shown()

    def _shown(self) -> Response:
        context = self.get_serializer_context()
        return Response(JobDetail(self.get_object(), context=context).data)


def _note(request: Request) -> str:
    return str(_said(Note, request).get("note", ""))


def _said(shape: Any, request: Request) -> dict[str, Any]:
    said = shape(data=request.data)
    said.is_valid(raise_exception=True)
    return dict(said.validated_data)

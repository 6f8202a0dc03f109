"""The API of jobs: translate, call one service, translate back."""

from collections.abc import Mapping
from typing import Any

from django.db.models import OuterRef, QuerySet
from django.utils.decorators import method_decorator
from django.views.decorators.http import conditional_page
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api import parts
from jobs.api import serializers as shapes
from jobs.api.fields import Nothing
from jobs.api.filters import JobFilter
from jobs.api.viewset import ApiViewSet
from jobs.kit.paging import NewestFirst
from jobs.kit.problems import Gone
from jobs.kit.rights import require
from jobs.models import EvidenceTrace, Job, JobTypeVersion
from jobs.services.cancel import cancel_job
from jobs.services.check import check_job
from jobs.services.costs import with_costs
from jobs.services.retry import retry_job
from jobs.services.submit import InvalidInput, submit_job


class JobViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet[Job]):
    """Jobs one may see: all with the right to, else one's own."""

    queryset = Job.objects.none()
    serializer_class = shapes.JobDetail
    pagination_class = NewestFirst
    filterset_class = JobFilter
    lookup_field = "public_id"
    lookup_value_converter = "uuid"
    about: Mapping[str, str] = {"job": "id"}

    def get_queryset(self) -> QuerySet[Job]:
        jobs = Job.objects.visible_to(self.request.user)
        return jobs.select_related("version__job_type", "requester", "thread")

    def get_serializer_class(self) -> Any:
        return shapes.JobBrief if self.action == "list" else shapes.JobDetail

    @extend_schema(request=shapes.Submission, responses={201: shapes.JobDetail})
    def create(self, request: Request) -> Response:
        """Submit a job: validated and stored; the provider is not waited for."""
        said = shapes.Submission(data=request.data)
        said.is_valid(raise_exception=True)
        wanted = dict(said.validated_data)
        try:
            job = submit_job(
                by=self.person,
                type_name=wanted.pop("type"),
                given=wanted.pop("input"),
                **wanted,
            )
        except InvalidInput as invalid:
            raise ValidationError(
                shapes.as_sent(request.data, invalid.errors)
            ) from invalid
        return self._shown(job, 201)

    @extend_schema(responses={200: shapes.JobDetail, 304: None})
    @method_decorator(conditional_page)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """All about it. ETag: of what is said, some of which has no revision."""
        return super().retrieve(request, *args, **kwargs)

    @extend_schema(responses=parts.ResultView)
    @action(detail=True)
    def result(self, request: Request, public_id: str) -> Response:
        """The approved version; before approval the newest, to those who may see it."""
        job = self._with_content()
        rows = job.results.select_related("job", "author", "parent")
        results = rows.prefetch_related("citations")
        approved = results.filter(content_hash=job.approved_hash).last()
        if approved is None:
            require(self.person, "jobs.view_unapproved")
        found = approved or results.last()
        if found is None:
            raise NotFound(f"This job is {job.status} and has no result yet.")
        context = self.get_serializer_context()
        return Response(parts.ResultView(found, context=context).data)

    @extend_schema(responses=parts.EvidenceView(many=True))
    @action(detail=True, pagination_class=None, filterset_class=None)
    def evidence(self, request: Request, public_id: str) -> Response:
        """What the answer was based on, step by step.

        Those of answers that were not approved need the right to see such ones.
        """
        job = self._with_content()
        traces = EvidenceTrace.objects.filter(attempt__job=job)
        if not self.person.has_perm("jobs.view_unapproved"):
            approved = job.results.filter(content_hash=job.approved_hash).last()
            if approved is None:
                require(self.person, "jobs.view_unapproved")
            else:
                traces = traces.filter(attempt=approved.origin.attempt_id)
        found = traces.select_related("attempt").order_by("attempt__number", "position")
        return Response(parts.EvidenceView(found, many=True).data)

    @extend_schema(responses=parts.AttemptView(many=True))
    @action(detail=True, pagination_class=None, filterset_class=None)
    def attempts(self, request: Request, public_id: str) -> Response:
        """Every run at the provider."""
        rows = self.get_object().attempts.select_related("follows", "job__version")
        found = with_costs(rows.order_by("number"))
        context = self.get_serializer_context()
        return Response(parts.AttemptView(found, many=True, context=context).data)

    @extend_schema(responses=parts.EventView(many=True))
    @action(detail=True, pagination_class=None, filterset_class=None)
    def events(self, request: Request, public_id: str) -> Response:
        """Its history, from the first line on."""
        found = self.get_object().events.select_related("beside").order_by("seq")
        return Response(parts.EventView(found, many=True).data)

    @extend_schema(request=shapes.Note, responses=shapes.JobDetail)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, public_id: str) -> Response:
        """Cancel it, here and at the provider."""
        job = cancel_job(self.get_object(), by=self.person, note=self._note())
        return self._shown(job)

    @extend_schema(request=shapes.Retry, responses=shapes.JobDetail)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, public_id: str) -> Response:
        """Set a failed, cancelled or expired job going again."""
        said = shapes.Retry(data=request.data)
        said.is_valid(raise_exception=True)
        try:
            job = retry_job(self.get_object(), by=self.person, **said.call_arguments())
        except InvalidInput as invalid:
            raise ValidationError(invalid.errors) from invalid
        return self._shown(job)

    @extend_schema(request=None, responses=shapes.JobDetail)
    @action(detail=True, methods=["post"])
    def check(self, request: Request, public_id: str) -> Response:
        """Look at once, whatever was planned."""
        Nothing(data=request.data).is_valid(raise_exception=True)
        job = self.get_object()
        check_job(job, by=self.person)
        return self._shown(job)

    def _with_content(self) -> Job:
        job = self.get_object()
        if job.erased_at:
            raise Gone(f"The content of this job was deleted {job.erased_at:%d %b %Y}.")
        return job

    def _note(self) -> str:
        said = shapes.Note(data=self.request.data)
        said.is_valid(raise_exception=True)
        return str(said.validated_data.get("note", ""))

    def _shown(self, job: Job, status: int = 200) -> Response:
        job = self.get_queryset().get(pk=job.pk)
        shown = shapes.JobDetail(job, context=self.get_serializer_context())
        return Response(shown.data, status)


class JobTypeViewSet(
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    ApiViewSet[JobTypeVersion],
):
    """The kinds of job that can be submitted."""

    serializer_class = shapes.JobTypeView
    lookup_field = "job_type__name"
    lookup_url_kwarg = "name"
    pagination_class = None
    filterset_class = None

    def get_queryset(self) -> QuerySet[JobTypeVersion]:
        same_type = JobTypeVersion.objects.filter(job_type=OuterRef("job_type"))
        newest = same_type.order_by("-number").values("pk")[:1]
        offered = JobTypeVersion.objects.filter(job_type__is_active=True, pk=newest)
        return offered.select_related("job_type").order_by("job_type__name")

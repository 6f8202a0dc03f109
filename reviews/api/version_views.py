"""The API of what comes before a decision: versions, edits, requested changes."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.kit.problems import Gone
from jobs.kit.rights import require
from jobs.models import Result
from jobs.services.submit import InvalidInput
from reviews.api import version_shapes as shapes
from reviews.api.one_review import OneReviewViewSet
from reviews.api.review_shapes import ReviewDetail
from reviews.models import ChangeRequest
from reviews.services.edit import edit_result
from reviews.services.request_changes import judge_change, last_request

AGAINST = OpenApiParameter(
    "against", int, description="Another version; else the one before it."
)


class VersionViewSet(OneReviewViewSet):
    """The versions of a result, and what makes another one."""

    pagination_class = None
    filterset_class = None
    parameters = {"version": frozenset({AGAINST.name})}

    @extend_schema(request=shapes.Edit, responses={201: ReviewDetail})
    @action(detail=True, methods=["post"])
    def edits(self, request: Request, id: int) -> Response:
        """Edit the result: a new version, valid against the schema, to be decided on.

        Citations whose passage does not stand any more are detached.
        """
        review, said = self.get_object(), shapes.Edit(data=request.data)
        said.is_valid(raise_exception=True)
        given: dict[str, Any] = dict(said.validated_data)
        content = given.pop("text") if "text" in given else given.pop("content")
        seen = given.pop("seen")
        try:
            edit_result(
                review, by=self.person, content=content, base_seen=seen, **given
            )
        except InvalidInput as invalid:
            raise ValidationError(said.as_sent(invalid.errors)) from invalid
        return self.shown(201)

    @extend_schema(request=shapes.Judged, responses=ReviewDetail)
    @action(detail=True, methods=["post"], url_path="changes/<int:position>")
    def changes(self, request: Request, id: int, position: int) -> Response:
        """Mark a change that was requested before this round as done, or not."""
        review, said = self.get_object(), self.said(shapes.Judged, request)
        rows = ChangeRequest.objects.filter(decision=last_request(review))
        change = get_object_or_404(
            rows.select_related("decision__review"), position=position
        )
        judge_change(change, by=self.person, done=said["done"])
        return self.shown()

    @extend_schema(responses=shapes.VersionBrief(many=True))
    @action(detail=True)
    def versions(self, request: Request, id: int) -> Response:
        """What the model and people made of it, oldest first."""
        rows = self._versions().order_by("number")
        return Response(shapes.VersionBrief(rows, many=True).data)

    @extend_schema(parameters=[AGAINST], responses=shapes.VersionView)
    @action(detail=True, url_path="versions/<int:number>")
    def version(self, request: Request, id: int, number: int) -> Response:
        """One of them, and what changed from another, or from the one before it."""
        rows = self._versions()
        found = get_object_or_404(rows.prefetch_related("citations"), number=number)
        before = self._before(rows, found)
        context = {**self.get_serializer_context(), "before": before}
        return Response(shapes.VersionView(found, context=context).data)

    def _versions(self) -> QuerySet[Result]:
        job = self.get_object().job
        if job.erased_at:
            raise Gone(f"The content of this job was deleted {job.erased_at:%d %b %Y}.")
        require(self.person, "jobs.view_unapproved")
        return job.results.select_related("job", "author", "parent")

    def _before(self, rows: QuerySet[Result], found: Result) -> Result | None:
        asked = self.request.query_params.get("against")
        if asked is None:
            return rows.filter(number__lt=found.number).order_by("number").last()
        is_number = asked.isdecimal() and len(asked) < 10
        if not is_number or not (one := rows.filter(number=asked).first()):
            raise ValidationError({"against": ["There is no such version."]})
        return one

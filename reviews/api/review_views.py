"""The API of the approval queue: one service call each, and only by people."""

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api.fields import Nothing
from jobs.api.filters import since, until
from jobs.kit.looks import FLAGS
from jobs.kit.paging import NewestFirst
from reviews.api import review_shapes as shapes
from reviews.api.one_review import OneReviewViewSet
from reviews.models import Decision, Review
from reviews.services.checks import WhyNeeded, do_check
from reviews.services.claim import claim_review, release_review
from reviews.services.decide import CommentNeeded, approve, reject
from reviews.services.queue import PARTS, part_of
from reviews.services.request_changes import FeedbackNeeded, request_changes
from reviews.services.verdicts import set_verdict

VERDICTS: dict[str, Callable[..., Decision]] = {
    "approve": approve,
    "reject": reject,
    "request_changes": request_changes,
}


class FirstDue(NewestFirst):
    """The queue's own order."""

    ordering = ("due_at", "id")


class ReviewFilter(filters.FilterSet):
    """What the queue can be narrowed to; without `state`, what is open."""

    state = filters.ChoiceFilter(
        choices=[("open", "open"), ("closed", "closed"), ("all", "all")],
        method="in_state",
    )
    part = filters.ChoiceFilter(
        choices=[(name, name) for name in PARTS], method="in_part"
    )
    type = filters.CharFilter(field_name="job__version__job_type__name")
    requester = filters.CharFilter(field_name="job__requester__username")
    job = filters.UUIDFilter(field_name="job__public_id")
    opened_after = since("opened_at")
    opened_before = until("opened_at")
    due_after = since("due_at")
    due_before = until("due_at")
    flag = filters.ChoiceFilter(
        choices=[(name, name) for name in FLAGS], method="with_flag"
    )

    class Meta:
        model = Review
        fields: tuple[str, ...] = ()

    def filter_queryset(self, queryset: Any) -> Any:
        rows = super().filter_queryset(queryset)
        return rows if self.form.cleaned_data.get("state") else rows.open()

    def in_state(self, rows: Any, name: str, value: str) -> Any:
        return (
            rows if value == "all" else rows.filter(closed_at__isnull=value == "open")
        )

    def in_part(self, rows: Any, name: str, value: str) -> Any:
        person, now = self.request.user, timezone.now()
        return part_of(rows, value, person=person, now=now)

    def with_flag(self, rows: Any, name: str, value: str) -> Any:
        return rows.with_flag(value)


class ReviewViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OneReviewViewSet):
    """Reviews one may see: with the rights to, of all jobs, else of one's own."""

    pagination_class = FirstDue
    filterset_class = ReviewFilter

    def get_queryset(self) -> QuerySet[Review]:
        rows = super().get_queryset()
        if self.action == "list":
            brief = rows.select_related(None).prefetch_related(None)
            brief = brief.select_related(
                "job__version__job_type", "job__requester", "result", "claimed_by"
            )
            return brief.defer("result__body", "result__html", "job__input")
        return rows

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Only the list is narrowed: a review that is closed is still there."""
        return super().filter_queryset(queryset) if self.action == "list" else queryset

    def get_serializer_class(self) -> Any:
        return shapes.ReviewBrief if self.action == "list" else shapes.ReviewDetail

    @extend_schema(request=shapes.Claim, responses=shapes.ReviewDetail)
    @action(detail=True, methods=["post"])
    def claim(self, request: Request, id: int) -> Response:
        """Take it in hand for five minutes; again, to keep it there."""
        review, said = self.get_object(), self.said(shapes.Claim, request)
        claim_review(review, by=self.person, take_over=said["take_over"])
        return self.shown()

    @extend_schema(request=None, responses=shapes.ReviewDetail)
    @action(detail=True, methods=["post"])
    def release(self, request: Request, id: int) -> Response:
        """Let others have it."""
        self.said(Nothing, request)
        release_review(self.get_object(), by=self.person)
        return self.shown()

    @extend_schema(request=shapes.Verdict, responses={201: shapes.ReviewDetail})
    @action(detail=True, methods=["post"])
    def decisions(self, request: Request, id: int) -> Response:
        """Approve or reject exactly what was seen, or ask the model for changes."""
        review, said = self.get_object(), self.said(shapes.Verdict, request)
        decide = VERDICTS[said.pop("verdict")]
        try:
            decide(review, by=self.person, via="api", **said)
        except FeedbackNeeded as need:
            raise ValidationError({"changes": [str(need)]}) from need
        except CommentNeeded as need:
            raise ValidationError({"comment": [str(need)]}) from need
        return self.shown(201)

    @extend_schema(request=shapes.CheckDone, responses=shapes.ReviewDetail)
    @action(detail=True, methods=["post"])
    def checks(self, request: Request, id: int) -> Response:
        """Say whether something to be confirmed is so."""
        review, said = self.get_object(), self.said(shapes.CheckDone, request)
        check = get_object_or_404(review.checks, name=said.pop("name"))
        try:
            do_check(check, by=self.person, **said)
        except WhyNeeded as need:
            raise ValidationError({"why": [str(need)]}) from need
        return self.shown()

    @extend_schema(request=shapes.CitationFound, responses=shapes.ReviewDetail)
    @action(detail=True, methods=["post"])
    def verdicts(self, request: Request, id: int) -> Response:
        """Say what was found when a citation was looked up."""
        review, said = self.get_object(), self.said(shapes.CitationFound, request)
        citations = review.result.citations.all()
        citation = get_object_or_404(citations, position=said["citation"])
        verdict, seen = said["verdict"], said["seen"]
        set_verdict(review, citation, verdict, by=self.person, seen=seen)
        return self.shown()

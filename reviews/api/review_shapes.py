"""How reviews look from outside: what waits, what it is decided on, by whom."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from jobs.api.fields import StrictSerializer, Text, Whole, YesNo
from jobs.api.parts import ResultView
from jobs.api.serializers import JSON_OBJECT
from jobs.kit.credentials import without_credentials
from reviews.models import ChangeRequest, Check, CitationVerdict, Decision, Review
from reviews.services.approvals import tally_of
from reviews.services.checks import LONGEST_WHY
from reviews.services.decide import LONGEST_COMMENT, why_not_again
from reviews.services.ready import what_is_missing
from reviews.services.request_changes import (
    LONGEST_CHANGE,
    MOST_CHANGES,
    last_request,
)
from reviews.services.requests import Request
from reviews.services.seen import what_is_seen
from reviews.services.who_may import (
    may_read,
    why_not_approve,
    why_not_decide,
    why_not_read,
)

ASK = "request_changes"
RESULT_OR_NULL = {
    "oneOf": [{"$ref": "#/components/schemas/ResultView"}, {"type": "null"}]
}
CLAIM = {
    "type": ["object", "null"],
    "properties": {
        "by": {"type": "string"},
        "until": {"type": "string", "format": "date-time"},
    },
}


class ReviewBrief(serializers.ModelSerializer[Review]):
    """A review in the queue."""

    job = serializers.UUIDField(source="job.public_id")
    title = serializers.CharField(source="job.title")
    type = serializers.CharField(source="job.version.job_type.name")
    requester = serializers.CharField(source="job.requester.username")
    flags = serializers.ListField(
        source="result.flags", child=serializers.CharField(), read_only=True
    )
    result_version = serializers.IntegerField(source="result.number")
    claim = serializers.SerializerMethodField()

    class Meta:
        model = Review
        fields: tuple[str, ...] = (
            "id",
            "job",
            "title",
            "type",
            "requester",
            "round",
            "result_version",
            "flags",
            "opened_at",
            "due_at",
            "closed_at",
            "claim",
        )

    @extend_schema_field(CLAIM)
    def get_claim(self, review: Review) -> dict[str, Any] | None:
        holder = review.holder(timezone.now())
        if holder is None:
            return None
        return {"by": holder.username, "until": review.claimed_until}


class CheckView(serializers.ModelSerializer[Check]):
    """`passed` is null while it is open."""

    by = serializers.CharField(source="done_by.username", default=None, allow_null=True)
    at = serializers.DateTimeField(source="done_at", allow_null=True)

    class Meta:
        model = Check
        fields = ("name", "kind", "question", "passed", "why", "by", "at")


class VerdictView(serializers.ModelSerializer[CitationVerdict]):
    """`citation` is the position of the citation in the result."""

    citation = serializers.IntegerField(source="citation.position")
    by = serializers.CharField(source="by.username")

    class Meta:
        model = CitationVerdict
        fields = ("citation", "verdict", "by", "at")


class DecisionView(serializers.ModelSerializer[Decision]):
    """A decision on the result, or with a `delivery` on that alone."""

    by = serializers.CharField(source="by.username")
    content_sha256 = serializers.CharField(source="content_hash")
    delivery = serializers.UUIDField(
        source="delivery.uuid", default=None, allow_null=True
    )

    class Meta:
        model = Decision
        fields = (
            "verdict",
            "by",
            "at",
            "via",
            "comment",
            "content_sha256",
            "seen",
            "delivery",
        )


class ChangeView(serializers.ModelSerializer[ChangeRequest]):
    """What was asked of the model before this round; `done` is null until judged."""

    by = serializers.CharField(
        source="judged_by.username", default=None, allow_null=True
    )
    at = serializers.DateTimeField(source="judged_at", allow_null=True)

    class Meta:
        model = ChangeRequest
        fields = ("position", "text", "done", "by", "at")


class RequestView(serializers.Serializer[Request]):
    """What an approval would send; headers that may be credentials are hidden."""

    destination = serializers.CharField(source="destination.name")
    kind = serializers.CharField()
    request = serializers.SerializerMethodField()

    @extend_schema_field(JSON_OBJECT)
    def get_request(self, draft: Request) -> dict[str, Any]:
        headers = without_credentials(draft.shown.get("headers", {}))
        return draft.shown | ({"headers": headers} if headers else {})


class ApprovalsView(serializers.Serializer[Any]):
    """How many it takes, and whose count."""

    needed = serializers.IntegerField()
    by = serializers.ListField(child=serializers.CharField())


class ReviewDetail(ReviewBrief):
    """All that a decision is made on.

    Hand `seen` back with whatever you do: it is refused when anything has changed
    since. `missing` and `why_not` say what stands in the way of your approval.
    """

    seen = serializers.SerializerMethodField()
    result = serializers.SerializerMethodField()
    requests = serializers.SerializerMethodField()
    checks = CheckView(many=True)
    verdicts = VerdictView(many=True)
    approvals = serializers.SerializerMethodField()
    missing = serializers.SerializerMethodField()
    why_not = serializers.SerializerMethodField()
    decisions = DecisionView(many=True)
    changes = serializers.SerializerMethodField()

    class Meta(ReviewBrief.Meta):
        fields = (
            *ReviewBrief.Meta.fields,
            "seen",
            "result",
            "requests",
            "checks",
            "verdicts",
            "approvals",
            "missing",
            "why_not",
            "decisions",
            "changes",
        )

    def to_representation(self, instance: Review) -> dict[str, Any]:
        instance.result.job = instance.job
        self._person = self.context["request"].user
        self._seen, self._readable = (
            what_is_seen(instance),
            may_read(instance, self._person),
        )
        return super().to_representation(instance)

    def get_seen(self, review: Review) -> str | None:
        return self._seen.digest if self._readable and not review.closed_at else None

    @extend_schema_field(RESULT_OR_NULL)
    def get_result(self, review: Review) -> dict[str, Any] | None:
        if not self._readable:
            return None
        return ResultView(review.result, context=self.context).data

    @extend_schema_field(RequestView(many=True))
    def get_requests(self, review: Review) -> Any:
        shown: Any = (
            self._seen.requests if self._readable and not review.closed_at else []
        )
        return RequestView(shown, many=True).data

    @extend_schema_field(ApprovalsView)
    def get_approvals(self, review: Review) -> dict[str, Any]:
        tally = tally_of(review, self._seen)
        by = [decision.by.username for decision in tally.given]
        return {"needed": tally.needed, "by": by}

    @extend_schema_field(ChangeView(many=True))
    def get_changes(self, review: Review) -> Any:
        asked = last_request(review) if self._readable else None
        rows = asked.change_requests.select_related("judged_by") if asked else []
        return ChangeView(rows, many=True).data  # type: ignore[arg-type]

    def get_missing(self, review: Review) -> list[str]:
        return [] if review.closed_at else what_is_missing(review)

    def get_why_not(self, review: Review) -> str:
        if review.closed_at:
            return "It is closed."
        return (
            why_not_read(review, self._person)
            or why_not_decide(review, self._person)
            or why_not_again(review, self._person, self._seen)
            or why_not_approve(review, self._person)
        )


class Claim(StrictSerializer):
    """`take_over`: out of somebody else's hands; it is kept in the history."""

    take_over = YesNo(required=False, default=False)


class Verdict(StrictSerializer):
    """`verdict` is on exactly what was `seen`.

    A rejection says why, in `comment`; with request_changes the `changes` go back to
    the model, each a line of its own.
    """

    verdict = serializers.ChoiceField(choices=["approve", "reject", ASK])
    seen = Text(max_length=64)
    comment = Text(required=False, allow_blank=True, max_length=LONGEST_COMMENT)
    changes = serializers.ListField(
        source="feedback",
        required=False,
        max_length=MOST_CHANGES,
        child=Text(max_length=LONGEST_CHANGE),
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        asks = attrs["verdict"] == ASK
        attrs |= {"feedback": attrs.get("feedback", [])} if asks else {}
        if asks and "comment" in attrs:
            raise serializers.ValidationError({"comment": ["Say it in changes."]})
        if not asks and "feedback" in attrs:
            wrong = f"These go with the verdict {ASK} alone."
            raise serializers.ValidationError({"changes": [wrong]})
        return attrs


class CheckDone(StrictSerializer):
    """Whether the check of this name is passed; a failure says why."""

    name = Text(max_length=100)
    passed = YesNo()
    why = Text(required=False, allow_blank=True, max_length=LONGEST_WHY)
    seen = Text(max_length=64)


class CitationFound(StrictSerializer):
    """What was found of the citation at this position."""

    citation = Whole(min_value=1, max_value=2_147_483_647)
    verdict = serializers.ChoiceField(choices=CitationVerdict.Verdict.choices)
    seen = Text(max_length=64)

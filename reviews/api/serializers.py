"""How deliveries look from outside: where they are, never what is in them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from jobs.api.fields import StrictSerializer, Text
from jobs.api.shapes import NEXT_ACTION
from reviews.api.review_shapes import ApprovalsView, RequestView
from reviews.delivery.failures import advice_on
from reviews.explain import explain_delivery
from reviews.models import Delivery, DeliveryAttempt
from reviews.services.approve_delivery import (
    tally_anew,
    why_not_approve_again,
    why_not_approve_anew,
)
from reviews.services.decide import LONGEST_COMMENT
from reviews.services.seen import Seen


class DeliveryBrief(serializers.ModelSerializer[Delivery]):
    """A delivery in a list."""

    id = serializers.UUIDField(source="uuid")
    job = serializers.UUIDField(source="job.public_id")
    destination = serializers.CharField(source="destination.name")
    kind = serializers.CharField(source="destination.kind")
    result_version = serializers.IntegerField(source="result.number")
    request_sha256 = serializers.CharField(source="request_hash")
    next_try_at = serializers.DateTimeField(source="wake_at", allow_null=True)

    class Meta:
        model = Delivery
        fields: tuple[str, ...] = (
            "id",
            "job",
            "destination",
            "kind",
            "status",
            "failure_class",
            "tries",
            "result_version",
            "webhook_id",
            "request_sha256",
            "created_at",
            "next_try_at",
            "finished_at",
        )


class TryView(serializers.ModelSerializer[DeliveryAttempt]):
    """One try; what the receiver said in full is not for everybody."""

    class Meta:
        model = DeliveryAttempt
        fields = (
            "number",
            "started_at",
            "ended_at",
            "http_status",
            "milliseconds",
            "outcome",
        )


class DeliveryDetail(DeliveryBrief):
    """With every try, why it is where it is, and who owes what next."""

    attempts = TryView(many=True)
    advice = serializers.SerializerMethodField()
    explanation = serializers.SerializerMethodField()
    next_action = serializers.SerializerMethodField()

    class Meta(DeliveryBrief.Meta):
        fields = (
            *DeliveryBrief.Meta.fields,
            "attempts",
            "advice",
            "explanation",
            "next_action",
        )

    def to_representation(self, instance: Delivery) -> dict[str, Any]:
        self._explained = explain_delivery(instance)
        return super().to_representation(instance)

    def get_advice(self, delivery: Delivery) -> str:
        return advice_on(delivery.failure_class)

    def get_explanation(self, delivery: Delivery) -> str:
        sentence = self._explained.sentence
        return sentence[:1].upper() + sentence[1:]

    @extend_schema_field(NEXT_ACTION)
    def get_next_action(self, delivery: Delivery) -> dict[str, str] | None:
        said = self._explained
        return {"what": said.what, "who": said.who} if said.what else None


class AnewView(serializers.Serializer[Seen]):
    """What a delivery would send in its place, by a decision of its own.

    Hand `seen` back with the approval; `why_not` says what stands in its way.
    """

    seen = serializers.CharField(source="digest")
    requests = RequestView(many=True)
    approvals = serializers.SerializerMethodField()
    why_not = serializers.SerializerMethodField()

    @extend_schema_field(ApprovalsView)
    def get_approvals(self, shown: Seen) -> dict[str, Any]:
        tally = tally_anew(self.context["delivery"], shown)
        by = [decision.by.username for decision in tally.given]
        return {"needed": tally.needed, "by": by}

    def get_why_not(self, shown: Seen) -> str:
        delivery, person = self.context["delivery"], self.context["person"]
        tally = tally_anew(delivery, shown)
        return why_not_approve_anew(delivery, person) or why_not_approve_again(
            tally, person
        )


class Approval(StrictSerializer):
    """Of exactly what was `seen`."""

    seen = Text(max_length=64)
    comment = Text(required=False, allow_blank=True, max_length=LONGEST_COMMENT)


class Reason(StrictSerializer):
    """Why, in words; kept in the history."""

    reason = Text(max_length=2_000)

"""How deliveries look from outside: where they are, never what is in them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from jobs.api.serializers import JSON_OBJECT, StrictSerializer, Text
from reviews.delivery.failures import advice_on
from reviews.explain import explain_delivery
from reviews.models import Delivery, DeliveryAttempt

OBJECT_OR_NULL = {**JSON_OBJECT, "type": ["object", "null"]}


class DeliveryBrief(serializers.ModelSerializer[Delivery]):
    """A delivery in a list."""

    id = serializers.UUIDField(source="uuid")
    job = serializers.UUIDField(source="job.public_id")
    destination = serializers.CharField(source="destination.name")
    kind = serializers.CharField(source="destination.kind")
    result_version = serializers.IntegerField(source="result.number")
    request_sha256 = serializers.CharField(source="request_hash")
    next_try_at = serializers.DateTimeField(source="wake_at")

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

    @extend_schema_field(OBJECT_OR_NULL)
    def get_next_action(self, delivery: Delivery) -> dict[str, str] | None:
        said = self._explained
        return {"what": said.what, "who": said.who} if said.what else None


class Reason(StrictSerializer):
    """Why, in words; kept in the history."""

    reason = Text(max_length=2_000)

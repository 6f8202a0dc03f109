"""How the parts of a job look from outside: its results, evidence, runs and history."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from jobs.api.fields import Dollars
from jobs.models import Attempt, Citation, EvidenceTrace, JobEvent, Result


class CitationView(serializers.ModelSerializer[Citation]):
    """A source; `is_detached` when its passage does not stand in an edited text."""

    class Meta:
        model = Citation
        fields = (
            "position",
            "start",
            "end",
            "quote",
            "title",
            "url",
            "file",
            "is_detached",
        )


class ResultView(serializers.ModelSerializer[Result]):
    """One version of the answer; `approved` tells whether it is the approved one.

    `author`: who edited it, from the version `edited_from`; null: the model said it.
    Detached citations quote what was edited out, which nobody approved: they are left
    out without the right to see that.
    """

    version = serializers.IntegerField(source="number")
    content = serializers.JSONField()
    content_sha256 = serializers.CharField(source="content_hash")
    approved = serializers.SerializerMethodField()
    author = serializers.CharField(
        source="author.username", default=None, allow_null=True
    )
    edited_from = serializers.IntegerField(
        source="parent.number", default=None, allow_null=True
    )
    citations = serializers.SerializerMethodField()

    class Meta:
        model = Result
        fields: tuple[str, ...] = (
            "version",
            "approved",
            "author",
            "edited_from",
            "content",
            "content_sha256",
            "flags",
            "citations",
            "created_at",
        )

    def get_approved(self, result: Result) -> bool:
        return result.job.approved_hash == result.content_hash

    @extend_schema_field(CitationView(many=True))
    def get_citations(self, result: Result) -> Any:
        may_see = self.context["request"].user.has_perm("jobs.view_unapproved")
        rows = [row for row in result.citations.all() if may_see or not row.is_detached]
        return CitationView(rows, many=True).data


class EvidenceView(serializers.ModelSerializer[EvidenceTrace]):
    attempt = serializers.IntegerField(source="attempt.number")

    class Meta:
        model = EvidenceTrace
        fields = ("attempt", "position", "kind", "label", "text", "sources")


class AttemptView(serializers.ModelSerializer[Attempt]):
    """`input`: where it was not the job's; `follows`: whose response it continues.

    What the model was told as it went on can quote an answer that nobody approved: it
    is null without the right to see those.

    `cost`: of its tokens, in dollars, where its model has a price.
    """

    input = serializers.SerializerMethodField()
    follows = serializers.IntegerField(
        source="follows.number", default=None, allow_null=True
    )
    cost = Dollars()

    class Meta:
        model = Attempt
        fields = (
            "uuid",
            "number",
            "tries",
            "reason",
            "input",
            "follows",
            "response_id",
            "provider_status",
            "created_at",
            "accepted_at",
            "ended_at",
            "settled_at",
            "deleted_at",
            "failure_class",
            "failure_code",
            "failure_message",
            "follow_up",
            "input_tokens",
            "output_tokens",
            "total_tokens",
            "cost",
        )

    @extend_schema_field({})
    def get_input(self, attempt: Attempt) -> Any:
        corrected = isinstance(attempt.input, dict)  # by somebody who asked for the job
        may_see = self.context["request"].user.has_perm("jobs.view_unapproved")
        return attempt.input if corrected or may_see else None


class EventView(serializers.ModelSerializer[JobEvent]):
    class Meta:
        model = JobEvent
        fields = (
            "seq",
            "kind",
            "was",
            "became",
            "actor",
            "note",
            "data",
            "at",
            "digest",
        )

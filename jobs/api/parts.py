"""How the parts of a job look from outside: its results, evidence, runs and history."""

from rest_framework import serializers

from jobs.models import Attempt, Citation, EvidenceTrace, JobEvent, Result


class CitationView(serializers.ModelSerializer[Citation]):
    class Meta:
        model = Citation
        fields = ("position", "start", "end", "quote", "title", "url", "file")


class ResultView(serializers.ModelSerializer[Result]):
    """One version of the answer; `approved` tells whether it is the approved one."""

    version = serializers.IntegerField(source="number")
    content = serializers.JSONField()
    content_sha256 = serializers.CharField(source="content_hash")
    approved = serializers.SerializerMethodField()
    citations = CitationView(many=True)

    class Meta:
        model = Result
        fields = (
            "version",
            "approved",
            "content",
            "content_sha256",
            "flags",
            "citations",
            "created_at",
        )

    def get_approved(self, result: Result) -> bool:
        return result.job.approved_hash == result.content_hash


class EvidenceView(serializers.ModelSerializer[EvidenceTrace]):
    attempt = serializers.IntegerField(source="attempt.number")

    class Meta:
        model = EvidenceTrace
        fields = ("attempt", "position", "kind", "label", "text", "sources")


class AttemptView(serializers.ModelSerializer[Attempt]):
    """`input`: where it was not the job's; `follows`: whose response it continues."""

    input = serializers.JSONField()
    follows = serializers.IntegerField(
        source="follows.number", default=None, allow_null=True
    )

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
        )


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

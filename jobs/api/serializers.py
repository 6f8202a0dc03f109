"""How jobs look from outside."""

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from jobs.api.fields import Dollars, Metadata, StrictSerializer, Text, Whole
from jobs.api.shapes import (
    ATTEMPT,
    FAILURE,
    NEXT_ACTION,
    PROGRESS,
    THREAD,
    WAITING,
)
from jobs.explain import explain
from jobs.models import Attempt, Job, JobTypeVersion
from jobs.services.costs import total_cost, with_costs
from jobs.services.joining import OnActive
from jobs.services.progress import progress_of
from jobs.services.submit import LONGEST_DEADLINE, TITLE
from jobs.services.threads import KEY

FREEFORM = "freeform"
PARTS = ["result", "evidence", "attempts", "events"]
PARTS += ["cancel", "retry", "check", "tool-outputs"]
JSON_OBJECT = {"type": "object", "additionalProperties": True}


class Submission(StrictSerializer):
    """`type` and `input`, or `prompt` alone, which runs under the type freeform."""

    type = Text(required=False, max_length=50)
    input = serializers.JSONField(required=False)
    prompt = Text(required=False, trim_whitespace=False)
    title = Text(required=False, max_length=TITLE, allow_blank=True)
    metadata = Metadata(required=False)
    attempt_seconds = Whole(required=False, min_value=1, max_value=LONGEST_DEADLINE)
    deadline_seconds = Whole(required=False, min_value=1, max_value=LONGEST_DEADLINE)
    callback_url = Text(
        required=False, trim_whitespace=False, help_text="Told of its status, signed."
    )
    thread = Text(
        required=False,
        trim_whitespace=False,
        max_length=KEY,
        help_text="The key of the thread that it runs in, made if need be.",
    )
    on_active = serializers.ChoiceField(
        required=False,
        choices=[each.value for each in OnActive],
        help_text="What is done while another job has the turn there: wait for it "
        "(default), refuse this one with 409, or cancel that one.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "on_active" in attrs and "thread" not in attrs:
            raise serializers.ValidationError(
                {"on_active": ["Name a thread as well: without one nothing waits."]}
            )
        if "prompt" in attrs and {"type", "input"} & set(attrs):
            raise serializers.ValidationError(
                {"prompt": ["Give either a prompt, or a type and its input."]}
            )
        if "prompt" in attrs:
            return attrs | {"type": FREEFORM, "input": {"prompt": attrs.pop("prompt")}}
        missing = [name for name in ("type", "input") if name not in attrs]
        if missing:
            raise serializers.ValidationError(
                {name: ["This field is required."] for name in missing}
            )
        return attrs


def as_sent(given: Any, errors: dict[str, list[str]]) -> dict[str, list[str]]:
    """Errors under the names the sender used: of a prompt, there is but one."""
    if "prompt" not in given:
        return errors
    names = {"type": "prompt", "input": "prompt", "input.prompt": "prompt"}
    return {names.get(name, name): said for name, said in errors.items()}


class JobBrief(serializers.ModelSerializer[Job]):
    """A job in a list."""

    id = serializers.UUIDField(source="public_id")
    type = serializers.CharField(source="version.job_type.name")
    type_version = serializers.IntegerField(source="version.number")
    requester = serializers.CharField(source="requester.username")
    thread = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField()

    class Meta:
        model = Job
        fields: tuple[str, ...] = (
            "id",
            "status",
            "type",
            "type_version",
            "title",
            "requester",
            "thread",
            "created_at",
            "started_at",
            "finished_at",
            "revision",
            "links",
        )

    @extend_schema_field(THREAD)
    def get_thread(self, job: Job) -> dict[str, str] | None:
        thread = job.thread
        return {"id": str(thread.public_id), "key": thread.key} if thread else None

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
    def get_links(self, job: Job) -> dict[str, str]:
        request = self.context.get("request")
        own = reverse("api:job-detail", args=[job.public_id], request=request)
        return {"self": own} | {part: f"{own}{part}/" for part in PARTS}


class JobDetail(JobBrief):
    """All of a job but its parts, which have addresses of their own."""

    progress = serializers.SerializerMethodField()
    attempt = serializers.SerializerMethodField()
    cost = serializers.SerializerMethodField()
    failure = serializers.SerializerMethodField()
    next_action = serializers.SerializerMethodField()
    waiting = serializers.SerializerMethodField()
    explanation = serializers.SerializerMethodField()

    class Meta(JobBrief.Meta):
        fields = (
            *JobBrief.Meta.fields,
            "input",
            "metadata",
            "deadline_at",
            "deadline_seconds",
            "attempt_seconds",
            "callback_url",
            "legal_hold",
            "erased_at",
            "progress",
            "attempt",
            "cost",
            "failure",
            "next_action",
            "waiting",
            "explanation",
        )

    def to_representation(self, instance: Job) -> dict[str, Any]:
        self._explained = explain(instance)
        rows = instance.attempts.select_related("job__version").order_by("number")
        self._attempts = with_costs(rows)
        return super().to_representation(instance)

    @extend_schema_field(PROGRESS)
    def get_progress(self, job: Job) -> dict[str, Any]:
        return asdict(progress_of(job))

    @extend_schema_field(ATTEMPT)
    def get_attempt(self, job: Job) -> dict[str, Any] | None:
        attempts = self._attempts
        if not attempts:
            return None
        last = attempts[-1]
        revisions = sum(a.reason == Attempt.Reason.CHANGES for a in attempts)
        retries = sum(a.reason in Attempt.RETRIES for a in attempts)
        return {
            "number": last.number,
            "reason": last.reason,
            "retries": retries,
            "revisions": revisions,
        }

    @extend_schema_field(Dollars())
    def get_cost(self, job: Job) -> str | None:
        """Of the tokens of all attempts, in dollars, where their model has a price."""
        total = total_cost(self._attempts)
        return None if total is None else Dollars().to_representation(total)

    @extend_schema_field(FAILURE)
    def get_failure(self, job: Job) -> dict[str, str] | None:
        if not job.failure_class:
            return None
        return {
            "class": job.failure_class,
            "code": job.failure_code,
            "message": job.failure_message,
        }

    @extend_schema_field(NEXT_ACTION)
    def get_next_action(self, job: Job) -> dict[str, str] | None:
        said = self._explained
        return {"what": said.what, "who": said.who} if said.what else None

    @extend_schema_field(WAITING)
    def get_waiting(self, job: Job) -> dict[str, Any] | None:
        said = self._explained
        if not said.waiting_for:
            return None
        return {
            "for": said.waiting_for,
            "since": said.since,
            "by": said.by,
            "next_check_at": job.wake_at,
        }

    def get_explanation(self, job: Job) -> str:
        return self._explained.sentence


@extend_schema_field({**JSON_OBJECT, "type": ["object", "null"]})
class JSONObjectOrNull(serializers.JSONField):
    """Left to itself, the schema would say "anything, or null, but not both"."""


class JobTypeView(serializers.ModelSerializer[JobTypeVersion]):
    """What can be submitted, and with which input: the newest version of a type."""

    name = serializers.CharField(source="job_type.name")
    title = serializers.CharField(source="job_type.title")
    description = serializers.CharField(source="job_type.description")
    version = serializers.IntegerField(source="number")
    output_schema = JSONObjectOrNull()

    class Meta:
        model = JobTypeVersion
        fields = (
            "name",
            "title",
            "description",
            "version",
            "input_schema",
            "output_schema",
        )


class Note(StrictSerializer):
    """Why, in words; kept in the history."""

    note = Text(required=False, allow_blank=True, max_length=2_000)


class Retry(Note):
    """The same input again, or a corrected `input`, or on from the last response.

    `continue_with` is what the model is told as it goes on.
    """

    input = serializers.JSONField(required=False)
    continue_with = Text(required=False, trim_whitespace=False, max_length=100_000)

    def call_arguments(self) -> dict[str, Any]:
        """As the service wants them."""
        wanted = dict(self.validated_data)
        if "input" in wanted:
            wanted["given"] = wanted.pop("input")
        return wanted

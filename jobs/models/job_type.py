"""What kinds of job there are, and the versions a job can run under."""

import json
from string import Template
from typing import Any

from django.core.validators import MinValueValidator
from django.db import models

from jobs.kit.versions import Version

AT_LEAST_ONE = [MinValueValidator(1)]


class JobType(models.Model):
    """A kind of job; what it does stands in its versions."""

    name = models.SlugField(unique=True, help_text="What integrators submit under.")
    title = models.CharField(max_length=120)
    description = models.CharField(max_length=300, blank=True)
    is_active = models.BooleanField(default=True, help_text="New jobs are accepted.")
    keep_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Days after its end until a job's content is deleted; empty: never.",
    )
    deletes_at_provider = models.BooleanField(
        default=False, help_text="The provider's copy is deleted with the content."
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.title

    @property
    def current(self) -> "JobTypeVersion | None":
        """The version that new jobs run under: the newest."""
        return self.versions.order_by("-number").first()


class OnLost(models.TextChoices):
    """What follows when we died before noting a response id."""

    RETRY = "retry", "try again"
    ASK = "ask", "ask a person"


class CompletionWindow(models.TextChoices):
    """How soon the provider should be done: later is cheaper, and no promise."""

    SOONEST = "soonest", "as soon as it can"
    TWO_HOURS = "2h", "within 2 hours"
    EIGHT_HOURS = "8h", "within 8 hours"


class InThread(models.TextChoices):
    """What an answer in a thread means for the job that comes after it."""

    GOES_ON = "goes_on", "the next job follows at once"
    WAITS = "waits", "the next job waits for the decision"
    FORGETS = "forgets", "it waits, and what is not approved is taken out"


class JobTypeVersion(Version):
    """Model, instructions, template, schemas and limits; never changes."""

    OF = "job_type"

    job_type = models.ForeignKey(JobType, models.PROTECT, related_name="versions")
    model = models.CharField(max_length=100)
    instructions = models.TextField(blank=True)
    prompt_template = models.TextField(
        help_text="The prompt, with $name for each property of the input."
    )
    input_schema = models.JSONField(default=dict)
    output_schema = models.JSONField(null=True, blank=True)
    tools = models.JSONField(default=list, blank=True)
    options = models.JSONField(
        default=dict, blank=True, help_text="Further fields of the create call."
    )
    completion_window = models.CharField(
        max_length=10, choices=CompletionWindow, default=CompletionWindow.SOONEST
    )
    moderation = models.JSONField(
        null=True,
        blank=True,
        help_text="The provider's moderation of input and output; empty: none.",
    )
    max_tool_calls = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=AT_LEAST_ONE,
        help_text="Built-in tool calls of one attempt, in all; empty: no limit.",
    )
    sends_safety_identifier = models.BooleanField(
        default=False,
        help_text="Tells the provider requesters apart, by a hash that names nobody.",
    )
    max_output_tokens = models.PositiveIntegerField(
        default=8_000, validators=AT_LEAST_ONE
    )
    max_tries = models.PositiveSmallIntegerField(default=5, validators=AT_LEAST_ONE)
    on_lost = models.CharField(max_length=10, choices=OnLost, default=OnLost.RETRY)
    attempt_seconds = models.PositiveIntegerField(
        default=3_600,
        validators=AT_LEAST_ONE,
        help_text="How long one attempt may take.",
    )
    deadline_seconds = models.PositiveIntegerField(
        default=86_400,
        validators=AT_LEAST_ONE,
        help_text="How long a job may take until it is completed.",
    )
    in_thread = models.CharField(
        max_length=10,
        choices=InThread,
        default=InThread.GOES_ON,
        help_text="What follows an answer in a thread; with the last of these no later "
        "job builds on what was not approved.",
    )
    thread_max_messages = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(2)],
        help_text="Messages of a thread after which a new conversation begins.",
    )
    thread_max_age_seconds = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=AT_LEAST_ONE,
        help_text="Age of a conversation after which a new one begins in the thread.",
    )
    waives_review = models.BooleanField(
        default=False,
        help_text="Unflagged results rest at completed; only without a destination.",
    )

    class Meta(Version.Meta):
        ordering = ["job_type_id", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["job_type", "number"], name="one_version_per_number"
            )
        ]

    def __str__(self) -> str:
        return f"{self.job_type.name} v{self.number}"

    def render_prompt(self, given: dict[str, Any]) -> str:
        """The prompt for this input: text as it is, other values as indented JSON."""
        return Template(self.prompt_template).safe_substitute(
            {name: as_text(value) for name, value in given.items()}
        )


def as_text(value: Any) -> str:
    """A value as the model is shown it."""
    if isinstance(value, str):
        return value
    return json.dumps(value, indent=2, ensure_ascii=False)

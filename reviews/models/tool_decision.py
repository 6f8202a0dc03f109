"""ToolDecision: what a person said to a call of the model; only ever added."""

from django.conf import settings
from django.db import models

from jobs.models import ToolCall


class ToolDecision(models.Model):
    """On exactly this call: the hash of its name and arguments.

    The answer itself stands on the call, since it may be erased.
    """

    class Verdict(models.TextChoices):
        ANSWER = "answer", "answered"
        ALLOW = "allow", "allowed"
        REFUSE = "refuse", "refused"

    tool_call = models.OneToOneField(ToolCall, models.PROTECT, related_name="decision")
    verdict = models.CharField(max_length=10, choices=Verdict)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="tool_decisions"
    )
    at = models.DateTimeField()
    via = models.CharField(
        max_length=20, choices=[("admin", "the review page"), ("api", "the API")]
    )
    call_hash = models.CharField(
        max_length=64, help_text="SHA-256 of name and arguments: what was decided on."
    )
    answer_hash = models.CharField(max_length=64, help_text="SHA-256 of the answer.")

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.tool_call}: {self.get_verdict_display()} by {self.by}"

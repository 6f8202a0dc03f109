"""Result: one version of a job's answer, never changed."""

import json
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from jobs.kit.canonical import canonical_json, sha256_hex
from jobs.models.attempt import Attempt
from jobs.models.job import Job


class Result(models.Model):
    """What the model said, or what a reviewer made of it.

    `body` is the content as canonical JSON: a string for text, else the structured
    answer. It is kept as text because a JSON column rewrites numbers, and the hash,
    the signature and the delivery are over these very characters.
    """

    job = models.ForeignKey(Job, models.PROTECT, related_name="results")
    number = models.PositiveIntegerField()
    attempt = models.ForeignKey(
        Attempt, models.PROTECT, null=True, blank=True, related_name="results"
    )
    parent = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="edits"
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True
    )
    body = models.TextField()
    content_hash = models.CharField(max_length=64)
    flags = models.JSONField(default=list, blank=True)
    html = models.TextField(blank=True, help_text="Rendered once, safe to show.")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["job_id", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["job", "number"], name="one_result_per_number"
            ),
            models.CheckConstraint(
                name="result_from_an_attempt_or_an_edit",
                condition=Q(attempt__isnull=False, parent=None, author=None)
                | Q(attempt=None, parent__isnull=False, author__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"version {self.number}"

    @property
    def origin(self) -> "Result":
        """What the model said: itself, or what it was edited from in the end."""
        return self if self.parent is None else self.parent.origin

    @property
    def content(self) -> Any:
        """The answer: a string, or the structured value."""
        return json.loads(self.body)

    def set_content(self, content: Any) -> None:
        """Fill body and hash, before the first save."""
        self.body = canonical_json(content)
        self.content_hash = sha256_hex(self.body)

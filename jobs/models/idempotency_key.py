"""IdempotencyKey: a request that was answered, and is not to be obeyed twice."""

from django.conf import settings
from django.db import models


class IdempotencyKey(models.Model):
    """The first answer to a POST, written in the same transaction as its work.

    `body` may have content of `job` or of `thread` in it, and goes when that is erased
    or deleted; the row stays until its day is over, so that the request still is not
    obeyed twice.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+"
    )
    route = models.CharField(max_length=200)
    key = models.CharField(max_length=255)
    request_hash = models.CharField(max_length=64)
    status_code = models.PositiveSmallIntegerField(default=0)
    body = models.TextField(blank=True)
    job = models.ForeignKey(
        "jobs.Job", models.CASCADE, null=True, blank=True, related_name="+"
    )
    thread = models.ForeignKey(
        "jobs.Thread", models.CASCADE, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="idempotency_key_age")]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "route", "key"], name="one_answer_per_key"
            )
        ]

    def __str__(self) -> str:
        return f"{self.key} at {self.route}"

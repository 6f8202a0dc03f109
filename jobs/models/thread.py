"""Thread: a conversation at the provider that several jobs share."""

from django.conf import settings
from django.db import models


class Thread(models.Model):
    """Known by a key of ours, unique per owner; one active job at a time."""

    key = models.CharField(max_length=200)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT)
    conversation_id = models.CharField(
        max_length=200, unique=True, null=True, blank=True
    )
    active_job = models.OneToOneField(
        "jobs.Job", models.PROTECT, null=True, blank=True, related_name="+"
    )
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "key"], name="one_thread_per_owner_and_key"
            )
        ]

    def __str__(self) -> str:
        return self.key

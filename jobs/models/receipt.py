"""WebhookReceipt: one verified event that the provider sent us."""

from django.db import models


class WebhookReceipt(models.Model):
    """Kept to answer each event once; its only effect on a job is to wake it."""

    webhook_id = models.CharField(max_length=200, unique=True)
    type = models.CharField(max_length=100)
    response_id = models.CharField(max_length=200, blank=True)
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-received_at"]
        indexes = [models.Index(fields=["response_id", "type"], name="receipt_of")]

    def __str__(self) -> str:
        return f"{self.type} ({self.webhook_id})"

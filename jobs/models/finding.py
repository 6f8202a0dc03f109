"""Finding: something the doctor found that should not be."""

from typing import Self

from django.db import models
from django.db.models import Q


class FindingQuerySet(models.QuerySet["Finding"]):
    """What is asked of findings, with business names."""

    def open(self) -> Self:
        return self.filter(gone_at=None)


class Finding(models.Model):
    """One broken rule at one thing; kept when it is gone, with when that was."""

    rule = models.CharField(max_length=60)
    subject = models.CharField(
        max_length=120, help_text="Which row: its kind and its id."
    )
    sentence = models.CharField(
        max_length=500, help_text="What is wrong, and what to do about it."
    )
    can_repair = models.BooleanField(default=False)
    found_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True, blank=True)

    objects = FindingQuerySet.as_manager()

    class Meta:
        ordering = ["-found_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "subject"],
                condition=Q(gone_at=None),
                name="one_open_finding_per_rule_and_subject",
            )
        ]

    def __str__(self) -> str:
        return f"{self.subject}: {self.sentence}"

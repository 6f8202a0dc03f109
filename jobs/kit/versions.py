"""Rows that never change: a correction is the next number."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models


class Version(models.Model):
    """A numbered version of the row that the field named by `OF` points to."""

    OF: ClassVar[str]

    number = models.PositiveIntegerField(editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Take the next number; a version that is stored already refuses."""
        if self.pk:
            raise ValidationError("A version never changes: make a new one.")
        whole = getattr(self, self.OF)
        last = whole.versions.aggregate(top=models.Max("number"))["top"]
        self.number = (last or 0) + 1
        super().save(*args, **kwargs)

"""ReviewPolicy: who must agree, on what, by when."""

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from jobs.models import JobTypeVersion
from reviews.policy.terms import MOST_HOURS, MOST_UNDO_SECONDS, Terms

NO_LONGER = MaxValueValidator(MOST_HOURS)


class ReviewPolicy(models.Model):
    """Belongs to a type version; copied to a Review when that opens."""

    version = models.OneToOneField(
        JobTypeVersion, models.PROTECT, related_name="review_policy"
    )
    hours = models.PositiveIntegerField(
        default=24,
        validators=[MinValueValidator(1), NO_LONGER],
        help_text="Hours until an undecided review is abandoned.",
    )
    remind_hours = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[NO_LONGER],
        help_text="Hours before it is due at which its reviewers are reminded.",
    )
    group = models.ForeignKey(
        Group, models.PROTECT, null=True, blank=True, help_text="Who may decide."
    )
    four_eyes = models.BooleanField(
        default=False, help_text="The requester may not decide on the own job."
    )
    approvals = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1)],
        help_text="How many people must approve.",
    )
    edit_needs_second = models.BooleanField(
        default=False, help_text="Whoever edited a result may not approve it."
    )
    checks_citations = models.BooleanField(
        default=False, help_text="Each citation gets a verdict before approval."
    )
    checks = models.JSONField(
        default=list,
        blank=True,
        help_text="What is confirmed before approval: names, with a question or rule.",
    )
    allows_bulk = models.BooleanField(
        default=False, help_text="Unflagged results may be approved several at once."
    )
    max_rounds = models.PositiveSmallIntegerField(
        default=3, help_text="How often changes may be requested."
    )
    undo_seconds = models.PositiveIntegerField(
        default=10,
        validators=[MaxValueValidator(MOST_UNDO_SECONDS)],
        help_text="How long an approval can be taken back before it leaves.",
    )
    escalate_hours = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[NO_LONGER],
        help_text="Hours before it is due at which others are told as well; empty: "
        "when it is abandoned.",
    )
    escalate_to = models.ForeignKey(
        Group,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Who is told then.",
    )

    class Meta:
        verbose_name_plural = "review policies"

    def __str__(self) -> str:
        return f"policy of {self.version}"

    @property
    def terms(self) -> Terms:
        """What it says, for a review that opens now."""
        return Terms(
            hours=self.hours,
            remind_hours=self.remind_hours,
            group=self.group.name if self.group else "",
            four_eyes=self.four_eyes,
            approvals=self.approvals,
            edit_needs_second=self.edit_needs_second,
            checks_citations=self.checks_citations,
            checks=self.checks,
            allows_bulk=self.allows_bulk,
            max_rounds=self.max_rounds,
            undo_seconds=self.undo_seconds,
            escalate_hours=self.escalate_hours,
            escalate_to=self.escalate_to.name if self.escalate_to else "",
        )

    def clean(self) -> None:
        """Reminder and escalation come before the end, and somebody is told."""
        wrong = {
            name: f"Must be less than the {self.hours} hours until it is abandoned."
            for name in ("remind_hours", "escalate_hours")
            if self.hours and (getattr(self, name) or 0) >= self.hours
        }
        if self.escalate_hours and not self.escalate_to:
            wrong["escalate_to"] = "Say which group is told."
        if wrong:
            raise ValidationError(wrong)

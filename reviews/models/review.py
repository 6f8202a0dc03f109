"""Review: the request for a person's decision on a completed job."""

from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.db.models import F, Q

from jobs.models import Citation, Job, Result
from reviews.policy.terms import Terms

VIEW = ("reviews.view_review", "reviews.decide_review")  # either one opens the queue


class ReviewQuerySet(models.QuerySet["Review"]):
    """What is asked of reviews, with business names."""

    def open(self) -> Self:
        return self.filter(closed_at=None)

    def overdue(self, now: datetime) -> Self:
        return self.open().filter(due_at__lte=now)

    def queue(self) -> Self:
        """What waits for a decision, oldest due first."""
        return self.open().order_by("due_at", "pk")

    def visible_to(self, person: AbstractBaseUser | AnonymousUser) -> Self:
        """Those of the jobs that this person may see, for who may see reviews."""
        may = getattr(person, "has_perm", lambda _: False)
        if not any(may(right) for right in VIEW):
            return self.none()
        if may("jobs.view_all_jobs"):
            return self
        return self.filter(job__requester_id=person.pk)

    def claimed_by(self, person: Any, now: datetime) -> Self:
        return self.open().filter(claimed_by=person, claimed_until__gt=now)

    def unclaimed(self, now: datetime) -> Self:
        """In nobody's hands, or no longer."""
        return self.open().exclude(claimed_until__gt=now)

    def at_hand(self, person: Any, now: datetime) -> Self:
        """The queue without what others have in hand, or this person has decided on."""
        mine = self.filter(
            decisions__by=person.pk,
            decisions__content_hash=F("result__content_hash"),
        )
        free = self.unclaimed(now) | self.claimed_by(person, now)
        return free.queue().exclude(pk__in=mine.values("pk"))

    def after(self, review: "Review") -> Self:
        """What comes after this one in the queue, the next one first."""
        later = Q(due_at__gt=review.due_at) | Q(due_at=review.due_at, pk__gt=review.pk)
        return self.filter(later).order_by("due_at", "pk")

    def before(self, review: "Review") -> Self:
        """What comes before it, the one just before first."""
        due = review.due_at
        earlier = Q(due_at__lt=due) | Q(due_at=due, pk__lt=review.pk)
        return self.filter(earlier).order_by("-due_at", "-pk")

    def flagged(self) -> Self:
        return self.open().exclude(result__flags=[])

    def with_flag(self, flag: str) -> Self:
        """Those whose result has this flag: SQLite cannot look into a list."""
        return self.filter(result__flags__icontains=f'"{flag}"')

    def approved_by_some(self) -> Self:
        """Somebody approved the result; services/approvals.py says if that counts."""
        alike = self.filter(
            decisions__verdict="approve",
            decisions__delivery=None,
            decisions__content_hash=F("result__content_hash"),
        )
        return self.open().filter(pk__in=alike.values("pk"))


class Review(models.Model):
    """Open until it is decided, recalled or given up. `policy`: a copy, as it was.

    `revision` counts what makes an open page stale: each edit, verdict, check and
    decision that ends it. A claim does not: whoever has it decides on the same.
    """

    job = models.ForeignKey(Job, models.PROTECT, related_name="reviews")
    result = models.ForeignKey(Result, models.PROTECT, related_name="reviews")
    round = models.PositiveSmallIntegerField(default=1)
    revision = models.PositiveIntegerField(default=1)
    policy = models.JSONField(default=dict)
    opened_at = models.DateTimeField()
    due_at = models.DateTimeField()
    remind_at = models.DateTimeField(
        null=True, blank=True, help_text="When reviewers are reminded of it."
    )
    escalate_at = models.DateTimeField(
        null=True, blank=True, help_text="When others are told of it."
    )
    told_at = models.DateTimeField(
        null=True, blank=True, help_text="When its reviewers were told that it waits."
    )
    closed_at = models.DateTimeField(null=True, blank=True)
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True
    )
    claimed_until = models.DateTimeField(null=True, blank=True)

    objects = ReviewQuerySet.as_manager()

    class Meta:
        ordering = ["due_at", "pk"]
        permissions = [
            ("claim_review", "Can claim reviews"),
            ("decide_review", "Can approve and reject"),
        ]
        indexes = [
            models.Index(
                fields=["due_at", "id"],
                name="review_queue",
                condition=Q(closed_at__isnull=True),
            ),
            models.Index(
                fields=["remind_at"],
                name="review_reminders",
                condition=Q(closed_at__isnull=True, remind_at__isnull=False),
            ),
            models.Index(
                fields=["escalate_at"],
                name="review_escalations",
                condition=Q(escalate_at__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["job"],
                condition=Q(closed_at=None),
                name="one_open_review_per_job",
            )
        ]

    def __str__(self) -> str:
        return f"review of {self.job}"

    @property
    def terms(self) -> Terms:
        return Terms(**self.policy)

    def holder(self, now: datetime) -> Any:
        """Who has it in hand at this moment; None when nobody has."""
        lives = self.claimed_until is not None and self.claimed_until > now
        return self.claimed_by if lives and self.closed_at is None else None


class Check(models.Model):
    """One thing to be confirmed before approving, by a person or by a rule."""

    review = models.ForeignKey(Review, models.PROTECT, related_name="checks")
    kind = models.CharField(
        max_length=10,
        choices=[("person", "by a person"), ("rule", "by a rule"), ("flag", "a flag")],
    )
    name = models.CharField(max_length=100)
    question = models.CharField(max_length=300)
    passed = models.BooleanField(null=True, help_text="Empty while it is open.")
    why = models.TextField(blank=True)
    done_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True
    )
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["review_id", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["review", "name"], name="one_check_per_name"
            )
        ]

    def __str__(self) -> str:
        return self.question


class Verdict(models.TextChoices):
    """What a reviewer found when checking a citation."""

    SUPPORTS = "supports", "supports it"
    DOES_NOT_SUPPORT = "does_not_support", "does not support it"
    CANNOT_TELL = "cannot_tell", "cannot tell"


class CitationVerdict(models.Model):
    """One reviewer's finding on one citation."""

    Verdict = Verdict

    review = models.ForeignKey(Review, models.PROTECT, related_name="verdicts")
    citation = models.ForeignKey(Citation, models.PROTECT, related_name="verdicts")
    verdict = models.CharField(max_length=20, choices=Verdict)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT)
    at = models.DateTimeField()

    class Meta:
        ordering = ["review_id", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["review", "citation", "by"],
                name="one_verdict_per_citation_and_person",
            )
        ]

    def __str__(self) -> str:
        return f"{self.citation}: {self.get_verdict_display()}"

"""The lifecycle, driven at random: every use case, by whoever holds an older copy.

Sweeps are played by claims whose errands stay in hand for as long as it takes: one
that nobody answers is one whose sweep died.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, cycle
from typing import ClassVar

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from time_machine import Traveller

from jobs.lifecycle import MoveRefused
from jobs.models import Attempt, Job, Pause
from jobs.provider.base import Phase, ProviderFault
from jobs.services.cancel import cancel_job
from jobs.services.check import check_job
from jobs.services.claim import (
    LEASE,
    claim_jobs,
    claim_suspect,
    claim_unsettled,
)
from jobs.services.errands import Errand
from jobs.services.observe import apply
from jobs.services.pauses import claim_probes, note_probe
from jobs.services.retry import retry_job
from jobs.services.submit import InvalidInput
from reviews.delivery.answer import Answer
from reviews.delivery.failures import FailureClass
from reviews.models import Destination, DestinationVersion, Review
from reviews.services.decide import approve, reject
from reviews.services.seen import what_is_seen
from reviews.services.sending import Parcel, claim_deliveries, record
from tests.house import submit
from tests.interleavings import promises
from tests.interleavings.promises import Picture, changed
from tests.interleavings.replies import ANY, REPLIES

# wake() goes by the database's own clock, which stands still for nobody: ours is far
# ahead of it, so that whatever is woken is due.
DAWN = datetime(2100, 1, 1, tzinfo=UTC)
TICK = timedelta(milliseconds=1)
MOST_JOBS = 3
LEASED = {"lease_until", "lost_leases"}  # what a late answer gives back
REFUSALS = (MoveRefused, PermissionDenied, InvalidInput)  # StalePage is a MoveRefused

JOB_TYPES = st.sampled_from(["note", "memo", "strict"])
OPERATORS = st.sampled_from(["olivia", "oscar", "olivia", "oscar", "shop", "ann"])
REVIEWERS = st.sampled_from(["ann", "bob", "ann", "bob", "olivia"])
TIMES = st.just("wake_at") | st.sampled_from(
    ["deadline_at", 1, 16, 61, 3_700, 90_000, 270_000]
)
ACTS = st.lists(st.sampled_from(["wake", "claim", "cancel", "wait"]), max_size=3)
ANEW = st.booleans()  # whether the row is read again before it is acted upon
RETRIES = st.sampled_from(
    [
        {},
        {"given": {"text": "Say it better."}},
        {"given": {"text": "Say it well."}},
        {"given": {}},
        {"continue_with": "Go on."},
        {"given": {"text": "Both."}, "continue_with": "Both."},
    ]
)


@dataclass(frozen=True)
class Page:
    """A review as it was shown."""

    review: Review
    seen: str
    content_hash: str


class Interleavings(RuleBasedStateMachine):
    """Every example is rolled back at its end; `people` and types stand before it."""

    where: ClassVar[dict[str, str]] = {}  # with what each job is submitted

    copies = Bundle("copies")
    pages = Bundle("pages")
    held = Bundle("held")
    answered = Bundle("answered")
    parcels = Bundle("parcels")

    def __init__(self, people: dict[str, User], clock: Traveller) -> None:
        super().__init__()
        self.people, self.clock = people, clock
        self.clock.move_to(DAWN)
        self.example = transaction.atomic()
        self.example.__enter__()
        self.before = Picture.take()
        self.owed: dict[int, list[int]] = {}
        self.in_hand: list[Errand] = []
        self.ran_with: dict[int, object] = {}

    def teardown(self) -> None:
        try:
            self.nothing_sleeps_for_ever()
        finally:
            transaction.set_rollback(True)
            self.example.__exit__(None, None, None)

    # ---- people, with the rows that they read some time ago --------------------------
    @initialize(target=copies, of=JOB_TYPES, replies=st.lists(ANY, max_size=3))
    def begin(self, of: str, replies: list[str]) -> Job:
        """With a job that has come some way."""
        job = submit(self.people["shop"], of=of, **self.where)
        for reply in replies:
            self.promises_hold()
            self.sleep_until(self.before.jobs[job.pk]["wake_at"])
            self.settle(self.answered_all(self.claimed(), [reply]))
        return job

    @precondition(lambda self: len(self.before.jobs) < MOST_JOBS)
    @rule(target=copies, of=JOB_TYPES)
    def submit(self, of: str) -> Job:
        return submit(self.people["shop"], of=of, **self.where)

    @rule(target=copies, copy=copies)
    def read(self, copy: Job) -> Job:
        return Job.objects.get(pk=copy.pk)

    @rule(copy=copies, by=OPERATORS, anew=ANEW)
    def cancel(self, copy: Job, by: str, anew: bool) -> None:
        with self.refusable():
            copy = self.read(copy) if anew else copy
            cancel_job(copy, by=self.people[by], note="Not needed.")
            self.was_moved(copy, "cancelled", by)

    @precondition(lambda self: self.any_is("failed", "cancelled", "expired"))
    @rule(copy=copies, by=OPERATORS, how=RETRIES, anew=ANEW)
    def retry(self, copy: Job, by: str, how: dict, anew: bool) -> None:
        with self.refusable():
            copy = self.read(copy) if anew else copy
            retry_job(copy, by=self.people[by], **how)
            self.was_moved(copy, "queued", by)

    @precondition(lambda self: self.any_is("awaiting_review"))
    @rule(target=pages, copy=copies)
    def open_page(self, copy: Job) -> Page:
        review = Review.objects.filter(job=copy.pk).last()
        if review is None:
            return multiple()
        shown = what_is_seen(review)
        return Page(review, shown.digest, shown.content_hash)

    @precondition(lambda self: self.any_is("awaiting_review"))
    @rule(target=pages, copy=copies, by=REVIEWERS, stale=st.booleans())
    def look_and_approve(self, copy: Job, by: str, stale: bool) -> Page:
        page = self.open_page(copy)
        if stale:
            self.change_destination(moves=True)
        if isinstance(page, Page):
            self.decide(page, by, approves=True)
        return page

    @rule(page=pages, by=REVIEWERS, approves=st.booleans())
    def decide(self, page: Page, by: str, approves: bool) -> None:
        with self.refusable(), self.judged_as_seen(page):
            who, job = self.people[by], page.review.job
            if approves:
                approve(page.review, by=who, seen=page.seen)
                job = self.was_moved(job, "approved", by)
                assert job.approved_hash == page.content_hash
            else:
                reject(page.review, by=who, seen=page.seen, comment="No.")
                self.was_moved(job, "rejected", by)

    @precondition(lambda self: self.any_is("awaiting_review", "approved"))
    @rule(moves=st.booleans())
    def change_destination(self, moves: bool) -> None:
        desk = Destination.objects.get(name="desk")
        if moves:
            DestinationVersion(destination=desk, address=desk.current.address).save()
        else:
            Destination.objects.update(is_active=not desk.is_active)

    # ---- the provider's events, and time ---------------------------------------------
    @rule(copy=copies, by=st.none() | OPERATORS)
    def wake(self, copy: Job, by: str | None) -> None:
        """A webhook, or a person who checks now."""
        with self.refusable():
            if by:
                check_job(copy, by=self.people[by])
            elif not Job.objects.filter(pk=copy.pk).wake():
                return
            self.owed[copy.pk] = Picture.take().runs(copy.pk)

    @rule(copy=copies, until=TIMES)
    def time_passes(self, copy: Job, until: str | int) -> None:
        """So many seconds, or until that time of this job."""
        if isinstance(until, int):
            self.clock.shift(until)
        else:
            self.sleep_until(self.before.jobs[copy.pk][until])

    # ---- sweeps ----------------------------------------------------------------------
    def is_anything_due(self) -> bool:
        attempts = chain.from_iterable(self.before.attempts.values())
        rows = chain(self.before.jobs.values(), attempts)
        return any(row["wake_at"] and row["wake_at"] <= timezone.now() for row in rows)

    @precondition(is_anything_due)
    @rule(target=held)
    def claim(self) -> Errand:
        return multiple(*self.claimed())

    @precondition(is_anything_due)
    @rule(target=answered, replies=st.lists(ANY, min_size=1, max_size=3), acts=ACTS)
    def turn(self, replies: list[str], acts: list[str]) -> Errand:
        """Claim, ask and apply, all in one batch, while others are not idle either."""
        errands = self.claimed()
        for act, errand in zip(acts, cycle(errands), strict=False):
            match act:
                case "wake":
                    self.wake(errand.job, by=None)
                case "claim":
                    errands += self.claimed()
                case "cancel":
                    self.cancel(errand.job, "olivia", anew=True)
                case "wait":
                    self.clock.shift(LEASE)
        return multiple(*self.settle(self.answered_all(errands, replies)))

    @rule(errand=consumes(held))
    def lose(self, errand: Errand) -> None:
        """Whoever held it died, and it is noticed."""
        self.sleep_until(errand.lease)

    @rule(target=answered, errand=consumes(held), reply=ANY, waits=st.booleans())
    def answer(self, errand: Errand, reply: str, waits: bool) -> Errand:
        """It is back, and applied now or later."""
        back = self.answered_all([errand], [reply])
        return multiple(*(back if waits else self.settle(back)))

    @rule(errands=st.lists(answered, min_size=1, max_size=4))
    def apply(self, errands: list[Errand]) -> None:
        self.settle(errands)

    @precondition(lambda self: any(not row["ended_at"] for row in self.before.pauses))
    @rule(mended=st.booleans())
    def probe(self, mended: bool) -> None:
        fault = None if mended else ProviderFault("Sorry.", phase=Phase.PROBE)
        for pause in claim_probes():
            note_probe(pause, fault)

    # ---- the outbox ------------------------------------------------------------------
    @precondition(lambda self: self.any_is("approved"))
    @rule(target=parcels)
    def claim_parcels(self) -> Parcel:
        return multiple(*claim_deliveries(10))

    @rule(parcel=consumes(parcels), failure=st.sampled_from([None, *FailureClass]))
    def record(self, parcel: Parcel, failure: FailureClass | None) -> None:
        record(parcel, Answer("So it said.", failure), 1)

    # ---- promises --------------------------------------------------------------------
    @invariant()
    def promises_hold(self) -> None:
        now = Picture.take()
        promises.keep(self.before, now)
        promises.wakes_are_kept(now, self.owed, timezone.now())
        self.attempts_tell_their_input(now)
        self.before = now
        self.clock.shift(TICK)

    def attempts_tell_their_input(self, now: Picture) -> None:
        for pk, job in now.jobs.items():
            for row in now.attempts[pk]:
                said = job["input"] if row["input"] is None else row["input"]
                assert said == self.ran_with.setdefault(row["id"], said)

    def nothing_sleeps_for_ever(self) -> None:
        """When their time has come and nothing holds them back, all are looked at."""
        Pause.objects.active().update(ended_at=timezone.now())
        waiting = [at for j in self.before.jobs.values() if (at := j["wake_at"])]
        self.clock.move_to(max([timezone.now() + LEASE, *waiting]))
        claim_jobs(100)
        while claim_suspect():
            pass
        assert not Job.objects.due(timezone.now()).exists(), "it would sleep for ever"

    # ---- parts -----------------------------------------------------------------------
    @contextmanager
    def refusable(self) -> Iterator[None]:
        """Whatever is refused changes nothing at all."""
        before = Picture.take()
        try:
            yield
        except REFUSALS:
            assert Picture.take() == before, "refused, and done in part"

    @contextmanager
    def judged_as_seen(self, page: Page) -> Iterator[None]:
        """If it is decided, then on what the page had shown."""
        review = Review.objects.get(pk=page.review.pk)
        shown, waits = what_is_seen(review).digest, review.closed_at is None
        yield
        assert waits
        assert shown == page.seen, "decided on something else"

    def was_moved(self, job: Job, status: str, by: str) -> Job:
        """It is so now, and its history says by whom."""
        job = Job.objects.get(pk=job.pk)
        event = job.events.filter(kind="status").last()
        assert (job.status, event.became, event.actor) == (status, status, by)
        return job

    def any_is(self, *statuses: str) -> bool:
        return any(job["status"] in statuses for job in self.before.jobs.values())

    def sleep_until(self, at: datetime | None) -> None:
        if at and at > timezone.now():
            self.clock.move_to(at)

    def claimed(self) -> list[Errand]:
        """What a sweep takes in hand, and not out of another's."""
        live = [e.attempt.pk for e in self.in_hand if e.lease > timezone.now()]
        theirs = Job.objects.filter(attempts__in=live, attempts__ended_at=None)
        before = list(theirs.values())
        errands = claim_suspect() or claim_jobs(10)
        assert list(theirs.values()) == before, "taken out of another's hand"
        self.in_hand += errands
        for errand in errands:
            self.owed.pop(errand.job.pk, None)
        return errands + claim_unsettled(10)

    def answered_all(self, errands: list[Errand], replies: list[str]) -> list[Errand]:
        for errand, reply in zip(errands, cycle(replies), strict=False):
            errand.reply = REPLIES[reply](errand)
        return errands

    def settle(self, errands: list[Errand]) -> list[Errand]:
        """Apply them; jobs of which all runs had ended are not moved by it."""
        jobs = Job.objects.filter(pk__in={errand.job.pk for errand in errands})
        asked = [errand.attempt.pk for errand in errands]
        runs = Attempt.objects.filter(pk__in=asked, ended_at=None)
        late = jobs.exclude(pk__in=list(runs.values_list("job", flat=True)))
        before = {row["id"]: row for row in late.values()}
        assert apply(errands) == len(errands), "an answer could not be applied"
        for row in Job.objects.filter(pk__in=before).values():
            assert changed(before[row["id"]], row) <= LEASED, "moved too late"
        self.in_hand = [e for e in self.in_hand if e not in errands]
        return errands

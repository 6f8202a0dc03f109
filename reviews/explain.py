"""How jobs explain themselves once people and deliveries come into it."""

from datetime import datetime

from django.utils import timezone

from jobs.explain import Explanation, ended, explains
from jobs.models import Job, Pause, ToolCall
from reviews.delivery.failures import advice_on
from reviews.models import Decision, Delivery, Review
from reviews.services.approvals import tally_of
from reviews.services.approve_delivery import (
    tally_anew,
    what_is_seen_anew,
    why_not_anew,
)
from reviews.services.recall import leaves_at

Status = Job.Status
S = Delivery.Status
WHEN = "%d %b %H:%M UTC"
FOR_PEOPLE = (S.REFUSED, S.FAILED, S.UNCERTAIN)  # in the order in which it matters
NEXT = {  # what a person can do, and who
    S.FAILED: ("resend or withdraw it, or approve it anew", "operators or reviewers"),
    S.REFUSED: ("approve it anew or withdraw it", "reviewers or operators"),
    S.UNCERTAIN: ("confirm, resend or withdraw it", "operators"),
}


@explains(Status.AWAITING_REVIEW)
def _awaiting_review(job: Job) -> Explanation:
    rows = Review.objects.open().filter(job=job)
    review = rows.select_related("result__job__version").first()
    if review is None:
        return Explanation("Waits for a review that is not open: run the doctor.")
    sentence = f"Waits for a reviewer's decision by {review.due_at:%d %b %H:%M} UTC."
    if review.terms.approvals > 1:
        sentence += f" {tally_of(review).sentence}."
    return Explanation(
        sentence, "decide", "reviewers", "a decision", review.opened_at, review.due_at
    )


@explains(Status.APPROVED)
def _approved(job: Job) -> Explanation:
    decided, rows = _decided(job, "Approved"), _deliveries(job)
    if not rows:
        sentence = f"{decided}; its type has no destination, so nothing is sent."
        return Explanation(sentence, since=job.finished_at)
    owed = [d for d in rows if d.status not in (S.DELIVERED, S.WITHDRAWN)]
    if not owed and job.erased_at is not None:
        sentence = f"{decided}; every delivery was withdrawn, so nothing was sent."
        return Explanation(sentence, since=rows[-1].finished_at)
    if not owed:
        sentence = (
            f"{decided}; every delivery was withdrawn, so nothing is sent. Return the "
            "job to review, or approve one of its deliveries anew."
        )
        what = "return it to review, or leave it"
        return Explanation(sentence, what, "reviewers", since=rows[-1].finished_at)
    first = min(owed, key=_urgency)
    said = explain_delivery(first)
    return Explanation(
        f"{decided}; {said.sentence}{_and_others(len(owed) - 1)}",
        said.what,
        said.who,
        said.waiting_for,
        said.since or job.finished_at,
        said.by,
    )


def _and_others(count: int) -> str:
    if not count:
        return ""
    return f" {count} more {'is' if count == 1 else 'are'} not there yet."


def explain_delivery(delivery: Delivery) -> Explanation:
    """Where one delivery is, the class of what went wrong, why, and who goes on."""
    word = delivery.get_status_display()
    sentence = f"the delivery to {delivery.destination} is {word}"
    if delivery.failure_class:
        sentence += f" ({delivery.failure_class.replace('_', ' ')})"
    sentence += "."
    if delivery.status in (S.PENDING, S.SENDING):
        return _under_way(delivery, sentence)
    if why := why_so(delivery):
        sentence += f" {ended(why)}"
    sentence += _approved_in_part(delivery)
    if delivery.status not in FOR_PEOPLE:
        return Explanation(sentence, since=delivery.finished_at)
    if advice := advice_on(delivery.failure_class):
        sentence += f" {advice}"
    (what, who), since = NEXT[S(delivery.status)], delivery.finished_at
    return Explanation(sentence, what, who, "the delivery", since)


def _approved_in_part(delivery: Delivery) -> str:
    """How many have approved it anew, while others are to."""
    if not delivery.decided_anew.exists() or why_not_anew(delivery):
        return ""
    tally = tally_anew(delivery, what_is_seen_anew(delivery))
    return f" Anew it has {tally.sentence}." if tally.given else ""


def _under_way(delivery: Delivery, sentence: str) -> Explanation:
    """It is ours to send, or to hold back for a while."""
    pause = _pause(delivery)
    if pause and delivery.status == S.PENDING:
        sentence += f" Deliveries are paused: {ended(pause.note or pause.actor)}"
        since = pause.began_at
        return Explanation(sentence, "end the pause", "managers", "the pause", since)
    if _can_be_taken_back(delivery, timezone.now()):
        sentence += f" It leaves at {delivery.wake_at:%H:%M:%S} UTC; until then the"
        sentence += " approval can be taken back."
        since, by = delivery.created_at, delivery.wake_at
        what = "deliver, unless it is taken back"
        return Explanation(sentence, what, "system", "the undo window", since, by)
    at, to = delivery.wake_at, delivery.destination
    if delivery.tries and (last := delivery.attempts.order_by("number").last()):
        sentence += f" Try {last.number}: {ended(last.outcome or 'under way')}"
    if to.rests_until and to.rests(timezone.now()):
        sentence += f" {to} rests after {to.failures} failures in a row."
        at = max(to.rests_until, at or to.rests_until)
    sentence += f" Next look at {at:%H:%M:%S} UTC." if at else ""
    since = delivery.created_at
    return Explanation(sentence, "deliver", "system", "the delivery", since, at)


def _can_be_taken_back(delivery: Delivery, now: datetime) -> bool:
    """Until just this one leaves: once another has, no more."""
    waits = delivery.can_still_be_undone(now)
    return waits and delivery.wake_at == leaves_at(delivery.job, now)


def why_so(delivery: Delivery) -> str:
    """What the history says of how it came to its status."""
    told = delivery.job.events.filter(kind="delivery", became=delivery.status)
    mine = told.filter(data__delivery=str(delivery.uuid)).select_related("beside")
    event = mine.order_by("seq").last()
    return event.note if event else ""


@explains(Status.DELIVERED)
def _delivered(job: Job) -> Explanation:
    rows = [d for d in _deliveries(job) if d.status == S.DELIVERED]
    to = ", ".join(str(d.destination) for d in rows)
    at = f"{job.finished_at:{WHEN}}"
    sentence = f"{_decided(job, 'Approved')}; delivered to {to}, {at}."
    return Explanation(sentence, since=job.finished_at)


@explains(Status.REJECTED)
def _rejected(job: Job) -> Explanation:
    decision = _last_decision(job)
    why = f": {ended(decision.comment)}" if decision and decision.comment else "."
    return Explanation(_decided(job, "Rejected") + why, since=job.finished_at)


@explains(Status.ABANDONED)
def _abandoned(job: Job) -> Explanation:
    event = job.events.filter(became=job.status).select_related("beside").last()
    why = ended(event.note) if event and event.note else ""
    sentence = f"Abandoned. {why}".strip()
    if event and event.was == Status.AWAITING_REVIEW:
        what = "reopen the review if it is still wanted"
        return Explanation(sentence, what, "reviewers", since=job.finished_at)
    if event and ToolCall.objects.filter(attempt__job=job, answered_at=None).exists():
        what = "reopen it if it is still wanted, and answer its calls"
        return Explanation(sentence, what, "reviewers", since=job.finished_at)
    return Explanation(sentence, since=job.finished_at)


def _urgency(delivery: Delivery) -> int:
    """What waits for a person comes before what goes on by itself."""
    if delivery.status in FOR_PEOPLE:
        return FOR_PEOPLE.index(S(delivery.status))
    return len(FOR_PEOPLE)


def _pause(delivery: Delivery) -> Pause | None:
    scopes = [Pause.DELIVERIES, delivery.destination.pause_scope]
    return Pause.objects.active().filter(scope__in=scopes).first()


def _decided(job: Job, verdict: str) -> str:
    decision = _last_decision(job)
    if decision is None:
        return verdict
    by = " and ".join([*_others(decision), str(decision.by)])
    return f"{verdict} by {by}, {decision.at:{WHEN}}"


def _others(decision: Decision) -> list[str]:
    """Who approved the same before, where it took several."""
    if decision.verdict != Decision.Verdict.APPROVE:
        return []
    rows = Decision.objects.counting_with(decision).exclude(pk=decision.pk)
    rows = rows.select_related("by").order_by("pk")
    return [str(row.by) for row in rows]


def _last_decision(job: Job) -> Decision | None:
    found = Decision.objects.on_the_result().filter(review__job=job)
    return found.select_related("by", "beside").order_by("at").last()


def _deliveries(job: Job) -> list[Delivery]:
    rows = list(job.deliveries.select_related("destination").order_by("pk"))
    for delivery in rows:
        delivery.job = job
    return rows

"""Every job explains itself: one sentence, the same wherever it is shown.

What follows from reviews is explained in reviews/explain.py, which registers here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max
from django.utils import timezone

from jobs.models import Job, Pause, StartLimit, Thread, ToolCall
from jobs.policy.failures import RULES, FailureClass

LONGEST_SAID = 500  # characters of others' words; the whole stands in the history
Status = Job.Status


@dataclass(frozen=True)
class Explanation:
    """`what` comes next, `who` owes it, waiting `since`, `by` when at the latest."""

    sentence: str
    what: str = ""
    who: str = ""
    waiting_for: str = ""
    since: datetime | None = None
    by: datetime | None = None


Explainer = Callable[[Job], Explanation]
_explainers: dict[str, Explainer] = {}


def explains(*statuses: str) -> Callable[[Explainer], Explainer]:
    """Register the function that explains jobs in these statuses."""

    def register(explainer: Explainer) -> Explainer:
        _explainers.update(dict.fromkeys(statuses, explainer))
        return explainer

    return register


def explain(job: Job) -> Explanation:
    """What happened, what comes next, who owes it, since when and by when."""
    explained = _explainers[job.status](job)
    if job.erased_at is None:
        return explained
    sentence = f"{explained.sentence} Its content was deleted {job.erased_at:%d %b %Y}."
    return Explanation(sentence, since=explained.since)


@explains(Status.QUEUED)
def _queued(job: Job) -> Explanation:
    now = timezone.now()
    pause = Pause.objects.of_starts().first()
    if pause:
        sentence = f"Waits to be started: new starts are paused ({pause.note})."
        return Explanation(
            sentence, "end the pause", "managers", "the pause", pause.began_at
        )
    if waits := _waits_in_thread(job):
        return waits
    last = job.attempts.order_by("-number").first()
    if last and last.ended_at and job.next_reason == "retry":
        sentence = (
            f"Attempt {last.number} failed ({last.failure_class.replace('_', ' ')}): "
            f"{ended(last.failure_message)} The next one starts at "
            f"{job.wake_at:%H:%M:%S} UTC."
        )
        return Explanation(
            sentence, "start again", "system", "the retry", last.ended_at, job.wake_at
        )
    held = (
        job.wake_at
        and job.wake_at <= now
        and StartLimit.objects.holding(job.version.model, now)
    )
    if held:
        sentence = f"Waits its turn: {held.sentence}."
        return Explanation(
            sentence, "start", "system", "the limit", job.created_at, job.deadline_at
        )
    sentence = "Waits to be started at the provider."
    return Explanation(
        sentence, "start", "system", "the start", job.created_at, job.deadline_at
    )


def _waits_in_thread(job: Job) -> Explanation | None:
    """Who has the turn owes what it owes; or the thread itself is not ready."""
    thread = job.thread
    if thread is None or (thread.active_job_id == job.pk and not thread.wake_at):
        return None
    ahead = thread.line.filter(pk__lt=job.pk).exclude(pk=thread.active_job_id or 0)
    front = thread.active_job or ahead.first()
    if front is None or front == job:
        return _waits_for_conversation(job, thread) if thread.wake_at else None
    said = _explainers[front.status](front)
    more = ahead.exclude(pk=front.pk).count()
    sentence = f"Waits its turn in the thread “{thread.key}”: “{front}” is before it."
    if more:
        sentence = (
            f"Waits its turn in the thread “{thread.key}”: {more + 1} jobs are before "
            f"it, first of all “{front}”."
        )
    sentence = f"{sentence} {said.sentence}"
    who = said.who or "system"
    since, by = job.created_at, job.deadline_at
    return Explanation(sentence, said.what or "settle", who, "its turn", since, by)


def _waits_for_conversation(job: Job, thread: Thread) -> Explanation:
    sentence = f"Waits until its thread “{thread.key}” is ready."
    if thread.trouble:
        sentence = f"{sentence} The last try failed: {ended(thread.trouble)}"
    return Explanation(
        sentence, "start", "system", "its thread", job.created_at, job.deadline_at
    )


@explains(Status.RUNNING)
def _running(job: Job) -> Explanation:
    attempt = job.open_attempt
    began = (attempt and attempt.accepted_at) or job.started_at or job.created_at
    sentence = f"Runs at the provider since {began:%d %b %H:%M:%S} UTC."
    return Explanation(
        sentence, "answer", "provider", "the provider", began, job.deadline_at
    )


@explains(Status.REQUIRES_ACTION)
def _requires_action(job: Job) -> Explanation:
    calls = ToolCall.objects.filter(attempt__job=job).open()
    count, since = calls.count(), calls.aggregate(at=Max("attempt__ended_at"))["at"]
    asked = "an answer" if count == 1 else f"{count} answers"
    sentence = f"The model asks for {asked} before it goes on."
    by = max(job.wake_at or job.deadline_at, timezone.now())
    what = "answer its call" if count == 1 else "answer its calls"
    return Explanation(sentence, what, "reviewers", "answers", since, by)


@explains(Status.COMPLETED)
def _completed(job: Job) -> Explanation:
    return Explanation("Completed; its type asks for no review.", since=job.finished_at)


@explains(Status.FAILED)
def _failed(job: Job) -> Explanation:
    known = job.failure_class in set(FailureClass)
    advice = RULES[FailureClass(job.failure_class)].advice if known else ""
    said = ended(job.failure_message or "no reason was given")
    name = job.failure_class.replace("_", " ")
    sentence = f"Failed ({name}): {said} {advice}".strip()
    return Explanation(sentence, "inspect or retry", "operators", since=job.finished_at)


@explains(Status.CANCELLED, Status.EXPIRED, Status.ABANDONED)
def _over(job: Job) -> Explanation:
    event = job.events.filter(became=job.status).last()
    by = f" by {event.actor}" if event and event.actor != "system" else ""
    why = f" {ended(event.note)}" if event and event.note else ""
    sentence = f"{job.get_status_display().capitalize()}{by}.{why}"
    return Explanation(sentence, "retry if wanted", "operators", since=job.finished_at)


def ended(text: str) -> str:
    """Somebody else's words as a sentence that ends, before it is too long."""
    if len(text) > LONGEST_SAID:
        return f"{text[:LONGEST_SAID].rstrip()}…"
    return text if text.endswith((".", "!", "?")) else f"{text}."

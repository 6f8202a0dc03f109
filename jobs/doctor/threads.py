"""Checks of threads: what is lost, owed for too long, or at work out of turn."""

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import F, Q

from jobs.doctor.checks import Found, Scope, finds
from jobs.models import Attempt, Conversation, Thread
from jobs.models.job import BEFORE_COMPLETION
from jobs.services.threads import CLOSED

LATE = timedelta(minutes=5)  # sweeps look twice a second
SLOW = timedelta(days=1)  # by then whatever closes is closed, whoever decides
KEPT = timedelta(days=30)


@finds("lost_conversation")
def lost_conversation(scope: Scope) -> Iterator[Found]:
    """The provider has no list of them: only a person may find it there."""
    since = scope.now - KEPT
    lost = Conversation.objects.lost().filter(lost_at__gte=since, conversation_id=None)
    for conversation in scope.some(lost.select_related("thread")):
        yield Found(
            f"{thread_name(conversation.thread)}, conversation {conversation.number}",
            "Its create was never answered, and it may stand at the provider: look "
            f"there for metadata conversation={conversation.uuid}.",
        )


@finds("thread_step_late")
def thread_step_late(scope: Scope) -> Iterator[Found]:
    late = Thread.objects.due(scope.now - LATE)
    stuck = Thread.objects.filter(wake_at__isnull=False, tries__gte=10)
    for thread in scope.some((late | stuck).distinct()):
        why = f" The last try failed: {thread.trouble}" if thread.trouble else ""
        yield Found(
            thread_name(thread),
            "A step is owed to it and does not come about: see whether a worker runs, "
            f"and what the provider says.{why}",
        )


@finds("thread_closes_slowly")
def thread_closes_slowly(scope: Scope) -> Iterator[Found]:
    closing = Thread.objects.filter(stage__in=["archiving", "deleting"])
    for thread in scope.some(closing.filter(closing_at__lt=scope.now - SLOW)):
        yield Found(
            thread_name(thread),
            f"It {CLOSED[Thread.Stage(thread.stage)]} for more than a day: see which "
            "job in it has not ended, or is on legal hold.",
        )


@finds("turn_of_nobody")
def turn_of_nobody(scope: Scope) -> Iterator[Found]:
    """A job that runs in a thread whose turn it has not."""
    astray = Attempt.objects.filter(
        ended_at=None, conversation__isnull=False, job__status__in=BEFORE_COMPLETION
    ).exclude(Q(conversation__thread__active_job=F("job")))
    for attempt in scope.some(astray.select_related("job__thread")):
        yield Found(
            f"job {attempt.job.public_id}",
            f"It runs in {attempt.conversation}, where it is not its turn: wait for "
            "its end before the next one starts.",
        )


def thread_name(thread: Thread) -> str:
    return f"thread {thread.public_id}"

"""What a thread is owed, one step at a time: each is a call, and its outcome a commit.

Its rows alone say which step comes next, so whoever dies between two of them has only
to look again: a conversation is made, filled ones are copied, items leave, a thread is
archived or deleted.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from jobs.models import Attempt, Conversation, Thread
from jobs.provider.base import ItemPage, Phase, ProviderFault
from jobs.services import copies, taking_out
from jobs.services.answer_once import forget_answers
from jobs.services.closing import (
    begin_expired,
    has_jobs_to_run,
    is_quiet,
    wake_finished,
)
from jobs.services.errands import LEASE
from jobs.services.thread_faults import note_fault, note_our_bug

QUIET_YET = timedelta(seconds=2)  # until a closing thread is looked at again
Stage = Thread.Stage
NOT_THERE = 404
TWIN = "The provider gave the id of another conversation."
NO_END = "Its list of items does not come to an end, or leaves some out."

STEPPED = ["wake_at", "stage", "archived_at", "deleted_at", "taking_out", "metadata"]
log = structlog.get_logger(__name__)


class Step(StrEnum):
    """What the provider is asked."""

    MAKE = "make"
    COPY = "copy"
    LIST = "list"
    TAKE_OUT = "take_out"
    DELETE = "delete"


@dataclass
class ThreadErrand:
    """A claimed thread on its way to the provider; `lease`: its wake_at since then.

    `at`: the item after which is listed, or which is taken out.
    """

    step: Step
    thread: Thread
    conversation: Conversation
    lease: datetime
    at: str = ""
    reply: str | ItemPage | ProviderFault | None = field(default=None, repr=False)

    @property
    def metadata(self) -> dict[str, str]:
        """The only thread back to us, and whose it is for how long."""
        thread, previous = self.thread, self.conversation.previous
        expires = thread.expires_at
        said = {
            "instance": settings.INSTANCE_ID,
            "thread": str(thread.public_id),
            "conversation": str(self.conversation.uuid),
            "owner": thread.owner.get_username(),
            "expires_at": expires.isoformat() if expires else "",
            "previous": (previous and previous.conversation_id) or "",
        }
        return {name: value for name, value in said.items() if value}


def claim_thread_steps(room: int) -> list[ThreadErrand]:
    """Take up to `room` threads that are owed a step, and find out which."""
    now = timezone.now()
    begin_expired(now)
    wake_finished(now)
    due = Thread.objects.due(now)
    if room <= 0 or not due.exists():  # a look takes no lock
        return []
    with transaction.atomic():
        rows = due.select_related("owner", "active_job")
        threads = list(rows.select_for_update(skip_locked=True, of=("self",))[:room])
        found = [_step_or_trouble(thread, now) for thread in threads]
    return [errand for errand in found if errand is not None]


def note_thread_step(errand: ThreadErrand) -> None:
    """Write what came of it, and have the next step looked for at once.

    What cannot be written is asked again once the lease is over.
    """
    try:
        with transaction.atomic():
            _note_step(errand, timezone.now())
    except Exception:
        log.exception("could not note a step", thread=str(errand.thread.public_id))


def _note_step(errand: ThreadErrand, now: datetime) -> None:
    rows = Thread.objects.filter(pk=errand.thread.pk, wake_at=errand.lease)
    thread = rows.select_for_update(of=("self",)).select_related("owner").first()
    if thread is None:
        return _note_late(errand, now)
    conversation = Conversation.objects.get(pk=errand.conversation.pk)
    if fault := _note(errand, thread, conversation, now):
        return note_fault(thread, conversation, fault, now)
    thread.wake_at, thread.tries, thread.trouble = now, 0, ""
    thread.save(update_fields=["wake_at", "tries", "trouble", "taking_out"])


# ---- which step comes next -------------------------------------------------------


def _step_or_trouble(thread: Thread, now: datetime) -> ThreadErrand | None:
    try:
        with transaction.atomic():
            return _next_step(thread, now)
    except Exception:
        log.exception("could not find a step", thread=str(thread.public_id))
        note_our_bug(thread, now)
        return None


def _next_step(thread: Thread, now: datetime) -> ThreadErrand | None:
    errand = _find_step(thread, now)
    if errand:
        thread.wake_at = errand.lease
    thread.save(update_fields=STEPPED)
    return errand


def _find_step(thread: Thread, now: datetime) -> ThreadErrand | None:
    """The call that is next; without one, its `wake_at` and stage were seen to."""
    if has_jobs_to_run(thread):
        thread.wake_at = None  # its last job wakes it
        return _make_ready(thread, now)
    is_over = thread.stage == Stage.OPEN or is_quiet(thread, now)
    keeps = thread.stage != Stage.DELETING or (is_over and thread.keeps_copy)
    # Before all is quiet: a turn may wait for just that.
    if keeps and (errand := _out_of_context(thread, now)):
        return errand
    if not is_over:
        thread.wake_at = now + QUIET_YET
        return None
    thread.wake_at = None
    if thread.stage == Stage.OPEN:
        return _make_ready(thread, now)
    for asked in thread.conversations.unanswered():
        _give_up(asked, now)  # known by its row, and listed
    if keeps and (errand := _copy(thread, now)):
        return errand
    if thread.stage == Stage.ARCHIVING:
        thread.stage, thread.archived_at = Stage.ARCHIVED, now
    elif errand := _delete(thread, now):
        return errand
    else:
        copies.drop_unless_kept(thread)
        forget_answers(thread)
        if not thread.keeps_copy:
            thread.metadata = {}
        thread.stage, thread.deleted_at = Stage.DELETED, now
    return None


def _out_of_context(thread: Thread, now: datetime) -> ThreadErrand | None:
    """Nothing leaves a conversation while a job is at work in it."""
    here = Attempt.objects.filter(conversation__thread=thread)
    if here.filter(ended_at=None).exists() or here.in_the_air(now).exists():
        return None
    conversation = taking_out.begin(thread)
    if conversation is None:
        return None
    if (after := taking_out.next_page(thread)) is not None:
        return ThreadErrand(Step.LIST, thread, conversation, now + LEASE, after)
    if item_id := taking_out.next_item(thread):
        lease = now + LEASE
        return ThreadErrand(Step.TAKE_OUT, thread, conversation, lease, item_id)
    taking_out.finish(thread, now)
    return _out_of_context(thread, now)


def _make_ready(thread: Thread, now: datetime) -> ThreadErrand | None:
    """A conversation for its jobs; a full one is copied before it is succeeded."""
    current = thread.conversation
    if current is not None and current.asked_at and not current.conversation_id:
        _give_up(current, now)
        current = None
    if current is not None and current.full_at:
        if not current.copied_at and not current.deleted_at:
            return _copying(thread, current, now)
        current.ended_at = now
        current.save(update_fields=["ended_at"])
        current = None
    if current is None:
        current = _new_conversation(thread, now)
    if current.conversation_id:
        return None
    current.asked_at = now
    current.save(update_fields=["asked_at"])
    return ThreadErrand(Step.MAKE, thread, current, now + LEASE)


def _give_up(asked: Conversation, now: datetime) -> None:
    """Whoever asked for it died before noting the answer: it may stand there."""
    asked.lost_at = asked.ended_at = now
    asked.save(update_fields=["lost_at", "ended_at"])


def _new_conversation(thread: Thread, now: datetime) -> Conversation:
    earlier = thread.conversations.exclude(conversation_id=None)
    last = thread.conversations.aggregate(top=Max("number"))["top"] or 0
    return Conversation.objects.create(
        thread=thread,
        number=last + 1,
        previous=earlier.order_by("number").last(),
        created_at=now,
    )


def _copy(thread: Thread, now: datetime) -> ThreadErrand | None:
    left = thread.conversations.at_provider().filter(copied_at=None)
    conversation = left.order_by("number").first()
    return _copying(thread, conversation, now) if conversation else None


def _copying(thread: Thread, conversation: Conversation, now: datetime) -> ThreadErrand:
    after = copies.last_copied(conversation)
    return ThreadErrand(Step.COPY, thread, conversation, now + LEASE, after)


def _delete(thread: Thread, now: datetime) -> ThreadErrand | None:
    conversation = thread.conversations.at_provider().order_by("number").first()
    if conversation is None:
        return None
    return ThreadErrand(Step.DELETE, thread, conversation, now + LEASE)


# ---- what came of it -------------------------------------------------------------


def _note(
    errand: ThreadErrand, thread: Thread, conversation: Conversation, now: datetime
) -> ProviderFault | None:
    """What was done is written down; what was not, is given back."""
    reply = errand.reply
    if isinstance(reply, ProviderFault):
        gone = reply.http_status == NOT_THERE
        done = gone and _note_gone(errand, thread, conversation, now)
        return None if done else reply
    match errand.step:
        case Step.MAKE if isinstance(reply, str):
            if Conversation.objects.filter(conversation_id=reply).exists():
                return ProviderFault(TWIN, phase=Phase.START, code="not_a_response")
            conversation.conversation_id, conversation.made_at = reply, now
            conversation.save(update_fields=["conversation_id", "made_at"])
        case Step.COPY if isinstance(reply, ItemPage):
            if not copies.keep_page(conversation, reply, now):
                copies.begin_anew(conversation)
                return ProviderFault(NO_END, phase=Phase.LOOK, code="no_end")
        case Step.LIST if isinstance(reply, ItemPage):
            taking_out.note_page(thread, reply)
        case Step.TAKE_OUT:
            taking_out.note_taken(thread, errand.at)
        case Step.DELETE:
            conversation.deleted_at = now
            conversation.save(update_fields=["deleted_at"])
    return None


def _note_late(errand: ThreadErrand, now: datetime) -> None:
    """Somebody else has the thread in hand; but what was made is not forgotten."""
    if errand.step is Step.MAKE and isinstance(errand.reply, str):
        unknown = Conversation.objects.filter(pk=errand.conversation.pk, made_at=None)
        unknown.update(conversation_id=errand.reply, made_at=now, lost_at=None)


def _note_gone(
    errand: ThreadErrand, thread: Thread, conversation: Conversation, now: datetime
) -> bool:
    """Whether 404 says that there is nothing to do; else it is a fault like any other.

    Of a list that goes on after an item, it may be that item: then it begins anew.
    """
    if errand.step is Step.MAKE:
        return False
    if errand.step is Step.TAKE_OUT:
        taking_out.note_taken(thread, errand.at)
    elif errand.step is Step.COPY and errand.at:
        copies.begin_anew(conversation)
    elif errand.step is Step.LIST and errand.at:
        thread.taking_out = None
    else:
        conversation.deleted_at = conversation.deleted_at or now
        conversation.ended_at = conversation.ended_at or now
        conversation.save(update_fields=["deleted_at", "ended_at"])
        owed = Attempt.objects.filter(conversation=conversation).to_take_out()
        owed.update(taken_out_at=now)
        thread.taking_out = None
    return True

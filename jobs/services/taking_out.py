"""Taking items out of a conversation: list it, find a job's own, delete these.

How far that is stands on the thread, in `taking_out`; each page and each item is one
step. Ids are what the responses put out, and what was asked right before.
"""

from datetime import datetime
from typing import Any

from jobs.models import Attempt, Conversation, RawResponse, Thread
from jobs.models.attempt import AttemptQuerySet
from jobs.provider.base import ItemPage
from jobs.provider.conversations import ids_of_output


def begin(thread: Thread) -> Conversation | None:
    """The conversation that items are to leave, if there is one."""
    rows = owed(thread)
    if not rows.exists():
        thread.taking_out = None
        return None
    if thread.taking_out is None:
        attempt = rows.order_by("pk").select_related("conversation")[0]
        assert attempt.conversation is not None
        together = rows.filter(conversation=attempt.conversation)
        ids = sorted(together.values_list("pk", flat=True))
        thread.taking_out = {"attempts": ids, "after": "", "asked": [], "ids": []}
    first = Attempt.objects.get(pk=thread.taking_out["attempts"][0])
    return first.conversation


def next_page(thread: Thread) -> str | None:
    """The item after which is listed next; None once all was seen."""
    after: str | None = _state(thread)["after"]
    return after


def next_item(thread: Thread) -> str:
    """The item that is taken out next; empty once all are."""
    ids: list[str] = _state(thread)["ids"]
    return ids[0] if ids else ""


def note_page(thread: Thread, page: ItemPage) -> None:
    """Keep the ids that belong to these attempts, in their order."""
    state = _state(thread)
    own = _put_out_by(state["attempts"])
    for item in page.items:
        if item.said_by_us:
            state["asked"].append(item.item_id)
            continue
        if item.item_id in own:
            state["ids"] += [*state["asked"], item.item_id]
        state["asked"] = []
    more = page.more and page.items
    state["after"] = page.items[-1].item_id if more else None


def note_taken(thread: Thread, item_id: str) -> None:
    state = _state(thread)
    state["ids"] = [each for each in state["ids"] if each != item_id]


def finish(thread: Thread, now: datetime) -> None:
    """All of it is out."""
    done = Attempt.objects.filter(pk__in=_state(thread)["attempts"])
    done.update(taken_out_at=now)
    thread.taking_out = None


def owed(thread: Thread) -> AttemptQuerySet:
    """The attempts whose items are to leave conversations that stand."""
    living = {"conversation__deleted_at": None}
    return Attempt.objects.filter(conversation__thread=thread, **living).to_take_out()


def _state(thread: Thread) -> dict[str, Any]:
    assert thread.taking_out is not None
    state: dict[str, Any] = thread.taking_out
    return state


def _put_out_by(attempts: list[int]) -> set[str]:
    bodies = RawResponse.objects.filter(attempt__in=attempts)
    return {
        each
        for body in bodies.values_list("body", flat=True)
        for each in ids_of_output(body)
    }

"""The threads of a run: closed at its end, copied whole, and nobody out of turn."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from django.contrib.auth.models import User

from jobs.models import Attempt, Conversation, Job, Thread, ThreadItem
from jobs.services.closing import archive_thread, delete_thread
from tests.chaos.fates import KEY

Stage = Thread.Stage
ENDS = {Stage.ARCHIVED, Stage.DELETED}


def close_all(*, by: User) -> None:
    """Every other one is archived, the rest deleted at the provider: a copy stays."""
    for number, thread in enumerate(Thread.objects.order_by("pk")):
        if number % 2:
            delete_thread(thread, by=by, archive=True)
        else:
            archive_thread(thread, by=by)


def not_closed() -> Iterator[str]:
    for thread in Thread.objects.exclude(stage__in=ENDS):
        yield f"thread {thread.key} is still {thread.stage} {thread.trouble}".strip()


def wrong_in(conversations: list[dict[str, Any]]) -> Iterator[str]:
    """What does not agree with the provider's ledger, a sentence each."""
    for found in conversations:
        yield from _compare(found)
    for thread in Thread.objects.all():
        yield from _out_of_turn(thread)
    for job in Job.objects.filter(status="rejected").exclude(thread=None):
        asked = f"Chaos job {job.metadata[KEY]}:"
        if ThreadItem.objects.filter(body__contains=asked).exists():
            yield f"{job} was rejected, and stayed in its conversation"


def _compare(found: dict[str, Any]) -> Iterator[str]:
    name = f"conversation {found['id']}"
    row = Conversation.objects.filter(uuid=found["metadata"]["conversation"]).first()
    if row is None:
        yield f"{name} is of no row"
    elif row.conversation_id != found["id"]:
        if not row.lost_at:
            yield f"{name} was made for {row}, which knows of no loss"
    else:
        items = list(row.items.order_by("position").values_list("item_id", flat=True))
        if items != found["items"]:
            yield f"{name} has {len(found['items'])} items, its copy {len(items)}"
        is_gone = found["deleted_at"] is not None
        if is_gone != (row.thread.stage == Stage.DELETED):
            yield f"{name} is {'gone' if is_gone else 'there'}: its {row.thread.stage}"


def _out_of_turn(thread: Thread) -> Iterator[str]:
    """One runs at a time: no attempt begins before the one before it has ended."""
    runs = Attempt.objects.filter(job__thread=thread).order_by("created_at", "pk")
    for before, after in pairwise(runs):
        if before.ended_at is None or after.created_at < before.ended_at:
            yield f"thread {thread.key}: {after} began beside {before}"

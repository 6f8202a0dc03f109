"""Copies of a conversation's items: page by page, counted, each with its job's name.

A copy is content of the jobs it came from, and is erased with theirs.
"""

from datetime import datetime
from typing import Any

from django.db.models import Max, Q

from jobs.models import Attempt, Conversation, RawResponse, Thread, ThreadItem
from jobs.provider.base import Item, ItemPage
from jobs.provider.conversations import ids_of_output


def last_copied(conversation: Conversation) -> str:
    """The item after which the copy goes on; empty at its beginning."""
    last = conversation.items.order_by("position").last()
    return last.item_id if last else ""


def keep_page(conversation: Conversation, page: ItemPage, now: datetime) -> bool:
    """Store it; with the last page the copy is complete, if the count says so.

    False where it cannot be: pages repeat themselves, or something is missing.
    """
    rows = conversation.items
    top = rows.aggregate(top=Max("position"))["top"] or 0
    ids = [item.item_id for item in page.items]
    known = set(rows.filter(item_id__in=ids).values_list("item_id", flat=True))
    new = [item for item in page.items if item.item_id not in known]
    ThreadItem.objects.bulk_create(
        _copy_of(conversation, item, position, now)
        for position, item in enumerate(new, start=top + 1)
    )
    if page.more and new:
        return True
    count = rows.count()
    if page.more or count != top + len(new):
        return False
    _name_jobs(conversation)
    conversation.copied_at, conversation.items_copied = now, count
    conversation.save(update_fields=["copied_at", "items_copied"])
    return True


def begin_anew(conversation: Conversation) -> None:
    """Nothing was deleted at the provider yet: all of it can be had again."""
    conversation.items.all().delete()


def drop_unless_kept(thread: Thread) -> None:
    """Once it stands at the provider no more."""
    if not thread.keeps_copy:
        ThreadItem.objects.filter(conversation__thread=thread).delete()


def _copy_of(
    conversation: Conversation, item: Item, position: int, now: datetime
) -> ThreadItem:
    return ThreadItem(
        conversation=conversation,
        position=position,
        item_id=item.item_id,
        kind=item.kind,
        role=item.role,
        said_by_us=item.said_by_us,
        body=item.body,
        copied_at=now,
    )


def _name_jobs(conversation: Conversation) -> None:
    """Whose each is, by what its responses put out; what was asked stands before it.

    Where a job of it was erased by then, what nobody can be named for may be that
    job's: it is not kept.
    """
    attempts = Attempt.objects.filter(conversation=conversation)
    owner: dict[str, int] = {}
    for raw in RawResponse.objects.filter(attempt__in=attempts).select_related(
        "attempt"
    ):
        owner |= dict.fromkeys(ids_of_output(raw.body), raw.attempt.job_id)
    asked: list[ThreadItem] = []
    named: list[ThreadItem] = []
    for item in conversation.items.order_by("position"):
        if item.said_by_us:
            asked.append(item)
            continue
        if job_id := owner.get(item.item_id):
            for each in (*asked, item):
                each.job_id = job_id
                named.append(each)
        asked = []
    ThreadItem.objects.bulk_update(named, ["job"], batch_size=500)
    if attempts.exclude(job__erased_at=None).exists():
        conversation.items.filter(job=None).update(body="")


def unnamed_beside(jobs: Any) -> Q:
    """Items of nobody in particular, in conversations where one of these jobs ran.

    Not where one ran that is on legal hold: they may be that one's.
    """
    ran = Attempt.objects.exclude(conversation=None).order_by()
    shared = ran.filter(job__in=jobs).values("conversation")
    held = ran.filter(job__legal_hold=True).values("conversation")
    return Q(job=None, conversation__in=shared) & ~Q(conversation__in=held)

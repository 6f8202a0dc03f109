"""Threads for their tests: a sweep that works until all is quiet, and the ledger."""

import time
from collections.abc import Callable
from typing import Any

import httpx2
from django.contrib.auth.models import User

from jobs.courier import Courier
from jobs.models import Conversation, Job, Thread
from jobs.sandbox.serving import Served
from jobs.services.threads import get_or_create_thread
from jobs.sweep import turn
from tests.house import PATIENCE

KEY = "user:42"
KEYED = {"Authorization": "Bearer sk-tests"}


def thread_of(by: User, key: str = KEY, **more: Any) -> Thread:
    thread, _ = get_or_create_thread(by=by, key=key, **more)
    return thread


def work_until(
    courier: Courier, done: Callable[[], Any], patience: float = PATIENCE
) -> None:
    """Turn the sweep until `done` holds."""
    until = time.monotonic() + patience
    while not done():
        assert time.monotonic() < until, "it did not get there"
        Job.objects.filter(status__in=["queued", "running"]).wake()
        turn(courier, 0.02)


def is_idle(thread: Thread) -> bool:
    """Nobody has its turn, and nothing is owed."""
    return Thread.objects.filter(pk=thread.pk, active_job=None, wake_at=None).exists()


def made(courier: Courier, thread: Thread) -> Conversation:
    """Its conversation, as it stands at the provider."""
    work_until(courier, lambda: is_idle(thread))
    conversation = Thread.objects.get(pk=thread.pk).conversation
    assert conversation is not None
    assert conversation.conversation_id
    return conversation


def conversations(provider: Served, thread: Thread) -> list[dict[str, Any]]:
    """What the sandbox has of this thread, oldest first."""
    log = httpx2.get(f"{provider.url}/sandbox/ledger", verify=False).json()
    name = str(thread.public_id)
    found = log["conversations"]
    return [one for one in found if one["metadata"].get("thread") == name]


def add_items(provider: Served, conversation: Conversation, *texts: str) -> None:
    """Put messages into it that no job of ours asked for."""
    url = f"{provider.base_url}/conversations/{conversation.conversation_id}/items"
    said = [{"type": "message", "role": "user", "content": text} for text in texts]
    httpx2.post(url, json={"items": said}, headers=KEYED, verify=False)


def items(provider: Served, conversation: Conversation) -> list[dict[str, Any]]:
    """What stands in it at the provider, oldest first."""
    url = f"{provider.base_url}/conversations/{conversation.conversation_id}/items"
    answer = httpx2.get(
        f"{url}?order=asc&limit=100",
        headers=KEYED,
        verify=False,
    )
    return answer.json()["data"]


def delete_at_provider(provider: Served, conversation: Conversation) -> None:
    """As somebody else would, with the provider's own tools."""
    url = f"{provider.base_url}/conversations/{conversation.conversation_id}"
    httpx2.delete(url, headers=KEYED, verify=False).raise_for_status()

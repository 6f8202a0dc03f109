"""Conversations and what is in them: one run at a time, items added when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import dropwhile
from typing import Any

from .errors import Refused
from .items import Item, new_id
from .store import Run

PREFIXES = {
    "function_call": "fc",
    "function_call_output": "fco",
    "mcp_approval_response": "mcpa",
    "message": "msg",
}
OUTPUT_ROLES = ("assistant",)
ADDED = ("completed", "incomplete")  # the ends of a run that leave items behind
ANSWERS = {
    "function_call": ("function_call_output", "call_id", "call_id"),
    "mcp_approval_request": (
        "mcp_approval_response",
        "id",
        "approval_request_id",
    ),
}


@dataclass
class Conversation:
    """Items in order, and the runs that have not left theirs yet."""

    metadata: dict[str, str]
    created_at: float
    id: str = field(default_factory=lambda: new_id("conv"))
    items: list[Item] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    awaited: list[Run] = field(default_factory=list)
    refused: int = 0
    deleted_at: float | None = None

    def catch_up(self, now: float) -> None:
        """Take the items of the runs that have ended since, in that order.

        One that was cancelled in vain goes on unseen, and leaves its own later.
        """
        over = [run for run in self.awaited if run.is_over(now)]
        for run in sorted(over, key=lambda run: run.finished_at(now) or now):
            self.awaited.remove(run)
            if run.status(now) in ADDED:
                self.add_items(as_items(run.request["input"]))
                self.items += run.outcome.items

    def add_run(self, run: Run) -> None:
        self.runs.append(run)
        self.awaited.append(run)

    def add_items(self, given: list[Item]) -> list[Item]:
        """As they will be shown, each with an id of its own."""
        added = [as_stored(item) for item in given]
        self.items += added
        return added

    def check_free(self, now: float) -> None:
        """Refuse a second run while one is at work."""
        self.catch_up(now)
        if any(run.finished_at(now) is None for run in self.awaited):
            self.refused += 1
            raise Refused(
                "Another process is currently operating on this conversation. Please "
                "retry in a few seconds.",
                param="conversation",
                code="conversation_locked",
            )

    def find(self, item_id: str) -> Item:
        found = next((item for item in self.items if item["id"] == item_id), None)
        if found is None:
            raise Refused(f"Item with id '{item_id}' not found.", status=404)
        return found

    def remove(self, item_id: str) -> None:
        self.items.remove(self.find(item_id))
        self.removed.append(item_id)

    def page(self, after: str, limit: int, order: str) -> tuple[list[Item], bool]:
        """Some items after one of them, and whether there are more."""
        found = self.items if order == "asc" else self.items[::-1]
        if after:
            self.find(after)
            found = list(dropwhile(lambda item: item["id"] != after, found))[1:]
        return found[:limit], len(found) > limit

    def open_items(self) -> list[Item]:
        """What a run follows: all items but calls that were answered already."""
        answered = {
            (kind, item.get(name))
            for kind, (answer, _, name) in ANSWERS.items()
            for item in self.items
            if item["type"] == answer
        }
        return [
            item
            for item in self.items
            if item["type"] not in ANSWERS
            or (item["type"], item.get(ANSWERS[item["type"]][1])) not in answered
        ]

    def last_asked(self) -> list[Item]:
        """The newest messages that somebody else than the model wrote."""
        asked: list[Item] = []
        for item in reversed(self.items):
            is_said = item["type"] == "message" and item["role"] not in OUTPUT_ROLES
            if is_said:
                asked.insert(0, item)
            elif asked:
                break
        return asked

    def shown(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "conversation",
            "created_at": int(self.created_at),
            "metadata": self.metadata,
        }

    def logged(self) -> dict[str, Any]:
        """For the ledger."""
        return {
            "id": self.id,
            "metadata": self.metadata,
            "created_at": self.created_at,
            "deleted_at": self.deleted_at,
            "responses": [run.id for run in self.runs],
            "refused": self.refused,
            "items": [item["id"] for item in self.items],
            "removed": self.removed,
        }


class Conversations:
    """Every conversation that was ever created here."""

    def __init__(self) -> None:
        self.known: dict[str, Conversation] = {}

    def add(self, conversation: Conversation) -> Conversation:
        self.known[conversation.id] = conversation
        return conversation

    def find(self, conversation_id: str) -> Conversation:
        """The one of this id, unless it was deleted."""
        found = self.known.get(conversation_id)
        if found is None or found.deleted_at is not None:
            message = f"Conversation with id '{conversation_id}' not found."
            raise Refused(message, status=404)
        return found

    def ledger(self, now: float) -> Iterator[dict[str, Any]]:
        for conversation in self.known.values():
            conversation.catch_up(now)
            yield conversation.logged()


def as_items(given: str | list[Item]) -> list[Item]:
    """The input of a run, as items."""
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


def as_stored(item: Item) -> Item:
    kind = item.get("type", "message")
    stored = {"id": new_id(PREFIXES.get(kind, "item")), "type": kind, **item}
    if kind == "message" and isinstance(item["content"], str):
        part = "output_text" if item["role"] in OUTPUT_ROLES else "input_text"
        stored["content"] = [{"type": part, "text": item["content"]}]
    return {"status": "completed", **stored}

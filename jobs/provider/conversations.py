"""Bodies of the provider about conversations, read: an id, a page of items.

Everything in them is somebody else's word, as in `reading.py`.
"""

import json
from typing import Any

import orjson

from jobs.provider.base import Item, ItemPage
from jobs.provider.reading import ID, NotAResponse, parse, storable

KIND, ROLE = 60, 20  # characters; ThreadItem.kind and role
# What we said, not the model: it stands before the answer that it brought about.
SAID = {"function_call_output", "mcp_approval_response"}
ROLES = {"user", "developer", "system"}


def read_conversation(body: bytes) -> str:
    """The id of the conversation that this body is of; else NotAResponse."""
    return _id(_object(body))


def read_items(body: bytes) -> ItemPage:
    """A page of items, each with its id; else NotAResponse."""
    said = _object(body)
    rows = said.get("data")
    if not isinstance(rows, list):
        raise NotAResponse("the body has no list of items")
    return ItemPage(tuple(_item(row) for row in rows), said.get("has_more") is True)


def ids_of_output(raw: str) -> list[str]:
    """The ids of what a response put out, as they stand in its conversation."""
    try:
        said = parse(raw.encode())
    except NotAResponse:
        return []
    output = said.get("output") if isinstance(said, dict) else None
    rows = output if isinstance(output, list) else []
    ids = [row.get("id") for row in rows if isinstance(row, dict)]
    return [each for each in ids if isinstance(each, str) and 0 < len(each) <= ID]


def text_of_item(body: str) -> str:
    """What an item says, for people; empty where it says nothing in words."""
    try:
        said = parse(body.encode())
    except NotAResponse:
        return ""
    if not isinstance(said, dict):
        return ""
    content = said.get("content") or said.get("summary") or said.get("output") or ""
    parts = content if isinstance(content, list) else [content]
    texts = [_text_of(part) for part in parts]
    return "\n\n".join(filter(None, texts)) or _text_of(said.get("arguments"))


def _text_of(part: Any) -> str:
    if isinstance(part, dict):
        part = part.get("text") or part.get("refusal")
    return storable(part) if isinstance(part, str) else ""


def _object(body: bytes) -> dict[str, Any]:
    said = parse(body)
    if not isinstance(said, dict):
        raise NotAResponse("the body is no object")
    return said


def _id(said: Any) -> str:
    found = said.get("id") if isinstance(said, dict) else None
    if not (isinstance(found, str) and 0 < len(storable(found)) <= ID):
        raise NotAResponse("the body has no id")
    return storable(found)


def _item(said: Any) -> Item:
    found = _id(said)
    kind, role = said.get("type"), said.get("role")
    kind = kind if isinstance(kind, str) else ""
    role = role if isinstance(role, str) else ""
    return Item(
        item_id=found,
        kind=storable(kind)[:KIND],
        role=storable(role)[:ROLE],
        said_by_us=kind in SAID or (kind == "message" and role in ROLES),
        body=storable(_json(said)),
    )


def _json(said: dict[str, Any]) -> str:
    try:
        return orjson.dumps(said).decode()
    except (TypeError, ValueError):  # half a surrogate pair, or a huge number
        return json.dumps(said)

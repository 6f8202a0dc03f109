"""The output items of a response, shaped as the API shapes them."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Collection, Iterable
from typing import Any

Item = dict[str, Any]


def new_id(prefix: str) -> str:
    """An id as the API makes them."""
    return f"{prefix}_{secrets.token_hex(24)}"


def reasoning(*thoughts: str) -> Item:
    """What the model says it thought."""
    return {
        "id": new_id("rs"),
        "type": "reasoning",
        "status": "completed",
        "summary": [{"type": "summary_text", "text": text} for text in thoughts],
        "encrypted_content": b64encode("\n".join(thoughts).encode()).decode(),
    }


def search(queries: list[str], found: dict[str, str]) -> Item:
    """A web search, and what it read at each address that it came upon."""
    action = {
        "type": "search",
        "query": queries[0],
        "queries": queries,
        "sources": [{"type": "url", "url": url} for url in found],
    }
    results = [{"url": url, "text": text} for url, text in found.items()]
    return web_search_call(action) | {"results": results}


def open_page(url: str) -> Item:
    """The model reading one page."""
    return web_search_call({"type": "open_page", "url": url})


def web_search_call(action: dict[str, Any]) -> Item:
    return {
        "id": new_id("ws"),
        "type": "web_search_call",
        "status": "completed",
        "action": action,
    }


def message(text: str, annotations: Iterable[dict[str, Any]] = ()) -> Item:
    """The answer."""
    part = {
        "type": "output_text",
        "text": text,
        "annotations": list(annotations),
        "logprobs": [],
    }
    return assistant(part)


def refusal(text: str) -> Item:
    """The model declining to answer."""
    return assistant({"type": "refusal", "refusal": text})


def assistant(part: dict[str, Any]) -> Item:
    return {
        "id": new_id("msg"),
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "phase": "final_answer",
        "content": [part],
    }


def function_call(name: str, arguments: str) -> Item:
    """A function of the caller's that the model wants called."""
    return {
        "id": new_id("fc"),
        "type": "function_call",
        "status": "completed",
        "call_id": new_id("call"),
        "name": name,
        "arguments": arguments,
    }


def mcp_approval_request(server_label: str, name: str, arguments: str) -> Item:
    """A tool of a server that the model may not use unasked."""
    return {
        "id": new_id("mcpr"),
        "type": "mcp_approval_request",
        "server_label": server_label,
        "name": name,
        "arguments": arguments,
    }


def mcp_call(request: Item) -> Item:
    """What became of a request that was approved."""
    asked = {name: request[name] for name in ("server_label", "name", "arguments")}
    return {
        **asked,
        "id": new_id("mcp"),
        "type": "mcp_call",
        "status": "completed",
        "approval_request_id": request["id"],
        "output": "Done.",
        "error": None,
    }


def unheard_of() -> Item:
    """An item of a type that no client knows."""
    return {
        "id": new_id("holo"),
        "type": "hologram_call",
        "status": "shimmering",
        "beams": [{"angle": 30, "content": None}],
    }


def shown(item: Item, include: Collection[str]) -> Item:
    """The item without what has to be asked for and was not."""
    if item["type"] == "reasoning" and "reasoning.encrypted_content" not in include:
        return {key: item[key] for key in item if key != "encrypted_content"}
    if "action" not in item:
        return item
    action = item["action"]
    if "web_search_call.action.sources" not in include:
        action = {key: action[key] for key in action if key != "sources"}
    hidden = () if "web_search_call.results" in include else ("results",)
    return {key: item[key] for key in item if key not in hidden} | {"action": action}


def text_of(items: list[Item]) -> str:
    """Everything that the items say, to count it."""
    said = []
    for item in items:
        said += [part["text"] for part in item.get("summary", ())]
        for part in item.get("content", ()):
            said.append(part.get("text") or part.get("refusal", ""))
    return "\n".join(said)

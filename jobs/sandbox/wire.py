"""A run as the API shows it."""

from __future__ import annotations

from collections.abc import Collection
from math import ceil
from typing import Any

from .fields import MODELS_SHOWN
from .items import shown, text_of
from .store import Run

# What the API says of a field that the request left out.
DEFAULTS: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}

CATEGORIES = ("illicit", "harassment", "hate", "self-harm", "sexual", "violence")


def show_response(run: Run, now: float, include: Collection[str]) -> dict[str, Any]:
    """The response object at this moment."""
    request, status = run.request, run.status(now)
    ended = status == run.outcome.status
    return {
        "id": run.id,
        "object": "response",
        "created_at": int(run.created_at),
        "status": status,
        "background": run.background,
        "completed_at": int(run.ends_at) if status == "completed" else None,
        "error": run.outcome.error if ended else None,
        "incomplete_details": run.outcome.incomplete_details if ended else None,
        "model": request["model"],
        "output": [shown(item, include) for item in run.output(now)],
        **{name: default_to(request, name) for name in DEFAULTS},
        "conversation": conversation_of(request),
        "reasoning": {"effort": None, "summary": None}
        | (request.get("reasoning") or {}),
        "moderation": moderation_of(run) if ended else None,
        "service_tier": "default" if ended else request.get("service_tier") or "auto",
        "store": request.get("store") is not False,
        "text": {"format": {"type": "text"}, "verbosity": "medium"}
        | (request.get("text") or {}),
        "usage": usage_of(run) if status in ("completed", "incomplete") else None,
    }


def default_to(request: dict[str, Any], name: str) -> Any:
    value = request.get(name)
    return DEFAULTS[name] if value is None else value


def conversation_of(request: dict[str, Any]) -> dict[str, Any] | None:
    given = request.get("conversation")
    return {"id": given} if isinstance(given, str) else given


def moderation_of(run: Run) -> dict[str, Any] | None:
    """What moderation made of both sides, where it was asked or dislikes something."""
    flagged, asked = run.outcome.flagged, run.request.get("moderation") or {}
    if not asked and not flagged:
        return None
    model = asked.get("model", "omni-moderation-latest")
    return {side: moderated(model, side == flagged) for side in ("input", "output")}


def moderated(model: str, flagged: bool) -> dict[str, Any]:
    first = CATEGORIES[0]
    return {
        "type": "moderation_result",
        "model": model,
        "flagged": flagged,
        "categories": {one: flagged and one == first for one in CATEGORIES},
        "category_scores": {
            one: 0.97 if flagged and one == first else 0.01 for one in CATEGORIES
        },
        "category_applied_input_types": {one: ["text"] for one in CATEGORIES},
    }


def usage_of(run: Run) -> dict[str, Any]:
    """Tokens, at about four characters each."""
    instructions = run.request.get("instructions") or ""
    asked = tokens(run.text) + tokens(instructions)
    thoughts = [item for item in run.outcome.items if item["type"] == "reasoning"]
    said = tokens(text_of(run.outcome.items))
    return {
        "input_tokens": asked,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": said,
        "output_tokens_details": {"reasoning_tokens": tokens(text_of(thoughts))},
        "total_tokens": asked + said,
    }


def tokens(text: str) -> int:
    return ceil(len(text) / 4)


def show_models() -> dict[str, Any]:
    """The models one may ask for, some of them."""
    kind = {"object": "model", "created": 1_760_000_000, "owned_by": "sandbox"}
    return {"object": "list", "data": [{"id": name} | kind for name in MODELS_SHOWN]}

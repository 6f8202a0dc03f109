"""How a run ends: what comes of the items that were written for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .errors import Refused
from .items import Item, reasoning, refusal


@dataclass(frozen=True)
class Outcome:
    """What a response will have become when its time is over."""

    status: str
    items: list[Item]
    error: dict[str, Any] | None = None
    incomplete_details: dict[str, Any] | None = None


def complete(items: list[Item], earlier_runs: int) -> Outcome:
    """It goes well."""
    return Outcome("completed", items)


def fail_first(items: list[Item], earlier_runs: int) -> Outcome:
    """The first run of a job fails after its first step, the next ones go well."""
    if earlier_runs:
        return complete(items, earlier_runs)
    error = {
        "code": "server_error",
        "message": "The server had an error while processing your request. Sorry!",
    }
    return Outcome("failed", items[:1], error=error)


def cut_short(items: list[Item], earlier_runs: int) -> Outcome:
    """The tokens run out in the middle of a sentence."""
    *steps, last = items
    part = last["content"][0]
    kept = cutting_place(part["text"], part["annotations"])
    part["text"] = part["text"][:kept]
    part["annotations"] = [a for a in part["annotations"] if a["end_index"] <= kept]
    last["status"] = "incomplete"
    details = {"reason": "max_output_tokens"}
    return Outcome("incomplete", [*steps, last], incomplete_details=details)


def cutting_place(text: str, annotations: list[dict[str, Any]]) -> int:
    """The end of a word at about two thirds, with more of its sentence to come."""
    spans = [range(one["start_index"], one["end_index"]) for one in annotations]
    for at in range(len(text) * 2 // 3, 1, -1):
        between_words = text[at - 1].isalpha() and text[at : at + 1] == " "
        # "one. (Source)" is the end of a sentence, "one (" is not.
        if between_words and text[at + 1] != "(" and not any(at in s for s in spans):
            return at
    return len(text) // 2


def decline(items: list[Item], earlier_runs: int) -> Outcome:
    """The model refuses to answer, which the API calls completed."""
    thought = reasoning("**Considering the request**\n\nThis should not be answered.")
    return Outcome(
        "completed", [thought, refusal("I'm sorry, I can't help with that.")]
    )


def refuse_prompt(items: list[Item], earlier_runs: int) -> Outcome:
    """The API does not even take the request."""
    raise Refused(
        "Invalid prompt: your prompt was flagged as potentially violating our usage "
        "policy. Please try again with a different prompt.",
        code="invalid_prompt",
    )

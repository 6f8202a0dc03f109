"""How a run ends, given what was written for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import Refused
from .items import Item, reasoning, refusal, unheard_of

MESSAGES = {
    "server_error": "The server had an error while processing your request. Sorry!",
    "rate_limit_exceeded": "Rate limit reached for requests.",
}


@dataclass(frozen=True)
class Outcome:
    """What a response will have become when its time is over."""

    status: str
    items: list[Item]
    error: dict[str, Any] | None = None
    incomplete_details: dict[str, Any] | None = None
    flagged: str = ""  # by moderation: "input" or "output"
    seconds: float | None = None  # that it takes; None: as its input chooses


# What was written, the word that the request chose, and the earlier runs of the job.
Ending = Callable[[list[Item], str, int], Outcome]


def complete(items: list[Item], word: str, earlier_runs: int) -> Outcome:
    """It goes well."""
    return Outcome("completed", items)


def fail_first(items: list[Item], word: str, earlier_runs: int) -> Outcome:
    """The first run of a job fails after its first step, the next ones go well."""
    end = complete if earlier_runs else fail
    return end(items, "server_error", earlier_runs)


def fail(items: list[Item], word: str, earlier_runs: int) -> Outcome:
    """It fails after its first step, with this code."""
    said = MESSAGES.get(word, f"The response failed: {word.replace('_', ' ')}.")
    error: dict[str, Any] = {"code": word, "message": said}
    if word == "misalignment_policy_violation":
        error["misalignment"] = {"error_type": "other", "review_target": "rt_1"}
    return Outcome("failed", items[:1], error=error)


def end_oddly(items: list[Item], word: str, earlier_runs: int) -> Outcome:
    """It ends with this word for its status."""
    return Outcome(word, items)


def flag_output(items: list[Item], word: str, earlier_runs: int) -> Outcome:
    """Moderation dislikes the answer, but lets it pass."""
    return Outcome("completed", items, flagged="output")


def block_input(items: list[Item], word: str, earlier_runs: int) -> Outcome:
    """Moderation does not let the request pass."""
    # How the real API tells this is not documented.
    message = "The request was blocked by its moderation policy."
    error = {"code": "content_policy_violation", "message": message}
    return Outcome("failed", [], error=error, flagged="input")


def add_unheard_of(items: list[Item], word: str, earlier_runs: int) -> Outcome:
    """Before the answer comes an item that no client knows."""
    return Outcome("completed", [*items[:-1], unheard_of(), *items[-1:]])


def run_out(items: list[Item], word: str, earlier_runs: int) -> Outcome:
    return cut_short(items, "max_output_tokens", earlier_runs)


def cut_short(items: list[Item], word: str, earlier_runs: int) -> Outcome:
    """It ends in the middle of a sentence, for this reason."""
    *steps, last = items
    part = last["content"][0]
    kept = cutting_place(part["text"], part["annotations"])
    part["text"] = part["text"][:kept]
    part["annotations"] = [a for a in part["annotations"] if a["end_index"] <= kept]
    last["status"] = "incomplete"
    details = {"reason": word}
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


def decline(items: list[Item], word: str, earlier_runs: int) -> Outcome:
    """The model refuses to answer, which the API calls completed."""
    thought = reasoning("**Considering the request**\n\nThis should not be answered.")
    return Outcome(
        "completed", [thought, refusal("I'm sorry, I can't help with that.")]
    )


def refuse_prompt(items: list[Item], word: str, earlier_runs: int) -> Outcome:
    """The API does not even take the request."""
    raise Refused(
        "Invalid prompt: your prompt was flagged as potentially violating our usage "
        "policy. Please try again with a different prompt.",
        code="invalid_prompt",
    )

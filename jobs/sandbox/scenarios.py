"""How a run can go, which way it goes, and how it ends.

A request chooses by a tag anywhere in its input, `[sandbox:NAME]`, and otherwise by
what it asks for: a JSON schema is filled, a web search gives a cited answer, and
anything else a draft.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .cited import write_cited, write_unsupported
from .drafts import write_draft
from .errors import Refused
from .filling import write_structured
from .hostile import write_hostile
from .items import Item, reasoning, refusal
from .prompts import Prompt, tag_in

Writer = Callable[[Prompt], list[Item]]
Ending = Callable[[list[Item], int], "Outcome"]


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


@dataclass(frozen=True)
class Scenario:
    """One way for a run to go: what is written, how it ends, how slowly.

    Without a writer of its own it answers as the request asks.
    """

    says: str
    write: Writer | None = None
    end: Ending = complete
    pace: float = 1


SCENARIOS = {
    "cited": Scenario("Web searches, and claims with their sources", write_cited),
    "structured": Scenario("JSON that obeys the schema", write_structured),
    "draft": Scenario("A plain reply, ready to send", write_draft),
    "unsupported": Scenario("One claim contradicts its source", write_unsupported),
    "hostile": Scenario("200 kB meant to do harm where shown", write_hostile),
    "refusal": Scenario("Completed, but the model declines", end=decline),
    "bad-input": Scenario("The create call is refused: 400", end=refuse_prompt),
    "flaky": Scenario("Fails at a job's first run, then succeeds", end=fail_first),
    "partial": Scenario("Incomplete: cut in mid sentence", end=cut_short),
    "slow": Scenario("Succeeds, but takes sixty times as long", pace=60),
}


def choose_scenario(body: dict[str, Any]) -> str:
    """The name of the scenario for this request."""
    tag = tag_in(body)
    name = default_for(body) if tag is None else tag
    if name not in SCENARIOS:
        known = ", ".join(SCENARIOS)
        message = f"Unknown sandbox scenario '{name}'. Known ones: {known}."
        raise Refused(message, param="input", code="invalid_value")
    return name


def default_for(body: dict[str, Any]) -> str:
    form = (body.get("text") or {}).get("format") or {}
    if form.get("type") in ("json_schema", "json_object"):
        return "structured"
    tools = [tool["type"] for tool in body.get("tools") or ()]
    searches = any(tool.startswith("web_search") for tool in tools)
    return "cited" if searches else "draft"


def play(body: dict[str, Any], prompt: Prompt, name: str, earlier_runs: int) -> Outcome:
    """Write the answer and end as the scenario has it."""
    scenario = SCENARIOS[name]
    write = scenario.write or SCENARIOS[default_for(body)].write or write_draft
    return scenario.end(write(prompt), earlier_runs)

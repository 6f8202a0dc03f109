"""How a run can go, and which way it goes.

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
from .endings import Outcome, complete, cut_short, decline, fail_first, refuse_prompt
from .errors import Refused
from .filling import write_structured
from .hostile import write_hostile
from .items import Item
from .prompts import Prompt, tag_in

Writer = Callable[[Prompt], list[Item]]
Ending = Callable[[list[Item], int], Outcome]


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

"""How a run can go, and which way it goes.

A request chooses by a tag anywhere in its input, `[sandbox:NAME]`, some with a word of
their own, `[sandbox:error=server_error]`, and otherwise by what it asks for: a JSON
schema is filled, a web search gives a cited answer, and anything else a draft.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from .calls import (
    brings_answers,
    write_approval_request,
    write_bad_call,
    write_function_call,
)
from .cited import write_cited, write_unsupported
from .drafts import write_draft
from .endings import (
    Ending,
    Outcome,
    add_unheard_of,
    block_input,
    complete,
    cut_short,
    decline,
    end_oddly,
    fail,
    fail_first,
    flag_output,
    refuse_prompt,
    run_out,
)
from .errors import Refused
from .filling import write_structured
from .hostile import write_hostile
from .items import Item
from .prompts import Prompt, tag_in

Writer = Callable[[Prompt], list[Item]]


@dataclass(frozen=True)
class Scenario:
    """One way for a run to go: what is written, how it ends, how slowly.

    Without a writer of its own it answers as the request asks. Where it takes a word,
    the tag has to say one.
    """

    says: str
    write: Writer | None = None
    end: Ending = complete
    pace: float = 1
    takes: str = ""
    asks: bool = False


SCENARIOS = {
    "cited": Scenario("Web searches, and claims with their sources", write_cited),
    "structured": Scenario("JSON that obeys the schema", write_structured),
    "draft": Scenario("A plain reply, ready to send", write_draft),
    "unsupported": Scenario("One claim contradicts its source", write_unsupported),
    "hostile": Scenario("200 kB meant to do harm where shown", write_hostile),
    "refusal": Scenario("Completed, but the model declines", end=decline),
    "bad-input": Scenario("The create call is refused: 400", end=refuse_prompt),
    "flaky": Scenario("Fails at a job's first run, then succeeds", end=fail_first),
    "error": Scenario("Fails, with a code to choose", end=fail, takes="CODE"),
    "partial": Scenario("Incomplete: cut in mid sentence", end=run_out),
    "incomplete": Scenario(
        "The same, with a reason to choose", end=cut_short, takes="REASON"
    ),
    "status": Scenario("Ends with a status to choose", end=end_oddly, takes="STATUS"),
    "strange-item": Scenario("An item of a type unheard of", end=add_unheard_of),
    "flagged": Scenario("Completed, but flagged by moderation", end=flag_output),
    "blocked": Scenario("Failed: blocked by moderation", end=block_input),
    "function-call": Scenario(
        "Wants a function called", write_function_call, asks=True
    ),
    "bad-arguments": Scenario("The same, with half a JSON", write_bad_call, asks=True),
    "mcp-approval": Scenario(
        "Wants to be let use a tool", write_approval_request, asks=True
    ),
    "slow": Scenario("Succeeds, but takes sixty times as long", pace=60),
}


class Choice(NamedTuple):
    """A scenario, by its name, and the word that came with it."""

    scenario: Scenario
    name: str
    word: str = ""

    @property
    def tag(self) -> str:
        return f"{self.name}={self.word}" if self.word else self.name


def choose_scenario(
    body: dict[str, Any], recordings: Mapping[str, Scenario], follows: str
) -> Choice:
    """The scenario for this request.

    `follows`: that of the run it goes on from, which a recording stays with.
    """
    known = {**SCENARIOS, **recordings}
    tag = tag_in(body)
    if tag is None:
        tag = follows if follows in recordings else default_for(body)
    name, _, word = tag.partition("=")
    if name not in known or bool(word) != bool(known[name].takes):
        names = ", ".join(usage(name, one) for name, one in known.items())
        message = f"Unknown sandbox scenario '{tag}'. Known ones: {names}."
        raise Refused(message, param="input", code="invalid_value")
    if known[name].asks and brings_answers(body):
        name, word = default_for(body), ""
    return Choice(known[name], name, word)


def usage(name: str, scenario: Scenario) -> str:
    return f"{name}={scenario.takes}" if scenario.takes else name


def default_for(body: dict[str, Any]) -> str:
    form = (body.get("text") or {}).get("format") or {}
    if form.get("type") in ("json_schema", "json_object"):
        return "structured"
    tools = [tool["type"] for tool in body.get("tools") or ()]
    searches = any(tool.startswith("web_search") for tool in tools)
    return "cited" if searches else "draft"


def play(
    body: dict[str, Any],
    prompt: Prompt,
    choice: Choice,
    earlier_runs: int,
    done: list[Item],
) -> Outcome:
    """Write the answer, after what is done already, and end as the scenario has it."""
    scenario = choice.scenario
    write = scenario.write or SCENARIOS[default_for(body)].write or write_draft
    return scenario.end([*done, *write(prompt)], choice.word, earlier_runs)

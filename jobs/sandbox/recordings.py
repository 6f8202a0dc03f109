"""Scenarios from files: how the runs of a real job went, played one after the other.

The n-th run of a job goes as the n-th of the file, and all later ones as the last. Ids
are made anew. A text that is null is written as the request asks for it: that is how
JSON of another schema obeys this one.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator

from .endings import Outcome
from .errors import Refused
from .items import Item, new_id
from .scenarios import SCENARIOS, Scenario

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,49}")
TEXT, OBJECT = {"type": "string"}, {"type": "object"}
REFUSED = {
    "type": "object",
    "properties": {
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "code": TEXT,
        "message": TEXT,
    },
    "required": ["status", "code", "message"],
}
RUN = {
    "type": "object",
    "properties": {
        "refused": REFUSED,
        "status": TEXT,
        "seconds": {"type": ["number", "null"], "minimum": 0},
        "flagged": {"enum": ["", "input", "output"]},
        "error": {"type": ["object", "null"]},
        "incomplete_details": {"type": ["object", "null"]},
        "output": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"type": TEXT},
                "required": ["type"],
            },
        },
    },
    "additionalProperties": False,
    "oneOf": [{"required": ["refused"]}, {"required": ["status", "output"]}],
}
FILE = {
    "type": "object",
    "properties": {
        "recording": {"const": 1},
        "says": TEXT,
        "runs": {"type": "array", "minItems": 1, "items": RUN},
    },
    "required": ["recording", "runs"],
}
PREFIXES = {
    "reasoning": "rs",
    "message": "msg",
    "web_search_call": "ws",
    "file_search_call": "fs",
    "code_interpreter_call": "ci",
    "function_call": "fc",
    "mcp_approval_request": "mcpr",
    "mcp_call": "mcp",
}


class NoRecording(ValueError):
    """The file, or its name, cannot be used; says why."""


@dataclass(frozen=True)
class Recording:
    """The runs of one job."""

    runs: list[dict[str, Any]]

    def replay(self, items: list[Item], word: str, earlier_runs: int) -> Outcome:
        """An Ending: of what was written, only the answer's text may be wanted."""
        run = self.runs[min(earlier_runs, len(self.runs) - 1)]
        if refused := run.get("refused"):
            status, code = refused["status"], refused["code"] or None
            raise Refused(refused["message"], status=status, code=code)
        answer = items[-1]["content"][0]["text"]
        return Outcome(
            run["status"],
            [renewed(item, answer) for item in run["output"]],
            error=run.get("error"),
            incomplete_details=run.get("incomplete_details"),
            flagged=run.get("flagged", ""),
            seconds=run.get("seconds"),
        )


def renewed(item: Item, answer: str) -> Item:
    """The item as of a new run."""
    made = {"id": new_id(PREFIXES.get(item["type"], "item")), **item}
    if item["type"] == "function_call":
        made["call_id"] = new_id("call")
    if item["type"] == "message":
        parts = [written(part, answer) for part in item.get("content") or ()]
        made["content"] = parts
    return made


def written(part: dict[str, Any], answer: str) -> dict[str, Any]:
    return part | {"text": answer} if part.get("text", "") is None else part


def read_recording(name: str, text: str) -> Scenario:
    """The scenario in a file of this name; raises NoRecording."""
    if not NAME.fullmatch(name) or name in SCENARIOS:
        raise NoRecording(
            f"A scenario cannot be called '{name}': small letters, digits, - and _, "
            "and none that the sandbox has already."
        )
    try:
        said = json.loads(text)
    except ValueError as wrong:
        raise NoRecording(f"It is not JSON: {wrong}") from wrong
    for error in Draft202012Validator(FILE).iter_errors(said):
        raise NoRecording(f"{error.json_path}: {error.message[:200]}")
    recording = Recording(said["runs"])
    return Scenario(said.get("says", "A recording"), end=recording.replay)

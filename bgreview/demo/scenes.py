"""What is submitted in the demo, and how each is meant to end."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INPUTS = Path(__file__).parent / "inputs"
LEFT_FOR_YOU = "left_for_you"
CANCELLED = "cancelled"


@dataclass(frozen=True)
class Scene:
    """One file of inputs/; `fate`: how it ends, `note`: what there is to see."""

    key: str
    type: str
    title: str
    input: dict[str, Any]
    fate: str
    note: str

    @property
    def number(self) -> str:
        return self.key.partition("-")[0]


def read_scenes() -> list[Scene]:
    """All of them, in their order."""
    paths = sorted(INPUTS.glob("*.json"))
    return [Scene(path.stem, **json.loads(path.read_text())) for path in paths]

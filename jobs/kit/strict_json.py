"""JSON from outside: one meaning, and nothing in it that cannot be stored."""

import json
import re
from collections.abc import Iterator
from sys import float_info
from typing import Any

DEEPEST = 50  # lists and objects in each other; whoever walks them needs a stack
BOTTOM = 200  # deeper than this is refused before anyone walks it
LONGEST_NAME = 80  # characters of a name, where an error tells its place
UNSTORABLE = "NUL, or half of a surrogate pair"
TORN = re.compile("[\0\ud800-\udfff]")  # NUL, half a surrogate pair: nobody stores them


class TooDeep(ValueError):
    """Nested so deeply that whoever walks it would run out of stack."""


def read_json(raw: bytes) -> Any:
    """What these bytes say; raises ValueError unless it is one thing, with a bottom."""
    try:
        found = json.loads(raw.decode(), object_pairs_hook=_each_once)
    except RecursionError as wrong:
        raise TooDeep("The JSON is nested too deeply.") from wrong
    if _is_bottomless(found):
        raise TooDeep("The JSON is nested too deeply.")
    return found


def flaws(value: Any, *path: str | int) -> Iterator[tuple[str, str]]:
    """The places in a JSON value that cannot be stored or passed on, with why."""
    if isinstance(value, str) and TORN.search(value):
        yield (
            place(*path),
            f"It contains characters that cannot be stored ({UNSTORABLE}).",
        )
    elif isinstance(value, int | float) and not abs(value) <= float_info.max:
        yield place(*path), "This number cannot be stored."
    elif isinstance(value, dict | list) and len(path) > DEEPEST:
        yield place(*path), f"It is nested more than {DEEPEST} levels deep."
    elif isinstance(value, dict):
        if any(TORN.search(name) for name in value):
            yield (
                place(*path),
                f"A name has characters that cannot be stored ({UNSTORABLE}).",
            )
        for name, part in value.items():
            yield from flaws(part, *path, name)
    elif isinstance(value, list):
        for position, part in enumerate(value):
            yield from flaws(part, *path, position)


def place(*path: str | int) -> str:
    """Where something stands, in dots; long names are cut, torn ones mended."""
    return ".".join(TORN.sub("\ufffd", str(name)[:LONGEST_NAME]) for name in path)


def _is_bottomless(value: Any) -> bool:
    """Level by level, without a stack: what comes after us may walk it recursively."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(BOTTOM):
        inner = (part.values() if isinstance(part, dict) else part for part in level)
        level = [
            part for parts in inner for part in parts if isinstance(part, dict | list)
        ]
        if not level:
            return False
    return True


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name[:LONGEST_NAME]!r} stands twice in one object.")
        found[name] = value
    return found

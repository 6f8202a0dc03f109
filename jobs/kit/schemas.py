"""What we read from JSON schemas beside validating with them."""

from collections.abc import Iterable, Mapping
from typing import Any


def in_order(names: Iterable[Any], schema: Mapping[str, Any]) -> list[Any]:
    """Properties as their author put them, as far as that can be known.

    PostgreSQL and canonical JSON sort the keys of an object, but an array keeps its
    order: what is required comes first, as listed there.
    """
    found, required = list(names), schema.get("required")
    if not isinstance(required, list):
        return found
    first = [name for name in dict.fromkeys(required) if name in found]
    return first + [name for name in found if name not in first]

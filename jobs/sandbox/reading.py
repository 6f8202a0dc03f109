"""What addresses ask for: the parameters that several routes have."""

from __future__ import annotations

import re

from .strictness import check_range

INCLUDE = re.compile(r"include(?:\[\d*\])?")
MOST_LISTED = 100


def read_limit(given: str) -> int:
    """How many entries a list is to have at the most."""
    limit = int(given) if given.isdecimal() else 0
    check_range("limit", limit, 1, MOST_LISTED)
    return limit

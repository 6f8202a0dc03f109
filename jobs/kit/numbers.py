"""Whole numbers in addresses and forms, where anything at all may be sent."""

MOST_DIGITS = 18  # so many fit into any column that holds keys


def whole_number(text: str) -> int | None:
    """The number; None where this is none, or none that a row could have."""
    return int(text) if text.isdecimal() and len(text) <= MOST_DIGITS else None

"""What is said of an input that does not do."""

from collections.abc import Iterable, Mapping
from itertools import islice

MOST_ERRORS = 50


class InvalidInput(Exception):
    """`errors`: what is wrong, by field ("input.question")."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__("; ".join(f"{k}: {' '.join(v)}" for k, v in errors.items()))
        self.errors = dict(errors)


def by_field(said: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """What was said of each field, once, and not without end."""
    errors: dict[str, list[str]] = {}
    for field, message in islice(said, MOST_ERRORS):
        if message not in errors.setdefault(field, []):
            errors[field].append(message)
    return errors

"""What attempts cost, as far as it is known."""

from collections.abc import Iterable
from datetime import UTC
from decimal import Decimal

from jobs.models import Attempt, Price
from jobs.policy.costs import cost_of


def with_costs(attempts: Iterable[Attempt]) -> list[Attempt]:
    """These attempts (with `job__version` at hand), each with its `cost` in dollars.

    None where its tokens are not known yet, or its model had no price when it began.
    """
    found = list(attempts)
    models = {attempt.job.version.model for attempt in found}
    prices = list(Price.objects.filter(model__in=models).order_by("-since"))
    for attempt in found:
        attempt.cost = _cost(attempt, prices)
    return found


def total_cost(attempts: Iterable[Attempt]) -> Decimal | None:
    """Of those that have one, added up; None when none has."""
    known = [attempt.cost for attempt in attempts if attempt.cost is not None]
    return sum(known, Decimal(0)) if known else None


def _cost(attempt: Attempt, newest_first: list[Price]) -> Decimal | None:
    if attempt.input_tokens is None or attempt.output_tokens is None:
        return None
    version, began = attempt.job.version, attempt.created_at.astimezone(UTC).date()
    for price in newest_first:
        if price.model == version.model and price.since <= began:
            return cost_of(
                attempt.input_tokens,
                attempt.output_tokens,
                input_price=price.input,
                output_price=price.output,
                window=version.completion_window,
            )
    return None

"""What a run costs: its tokens at the price of its model, less what patience saves.

An upper bound for the tokens: cached input is cheaper, and what the provider charges
for its own tools comes on top.
"""

from decimal import Decimal

MILLION = 1_000_000
# Of the provider's guide to background mode: what its completion windows take off.
PATIENCE_SAVES = {"2h": Decimal("0.30"), "8h": Decimal("0.40")}


def cost_of(
    input_tokens: int,
    output_tokens: int,
    *,
    input_price: Decimal,
    output_price: Decimal,
    window: str = "",
) -> Decimal:
    """Dollars; prices are for a million tokens."""
    full = input_tokens * input_price + output_tokens * output_price
    return full / MILLION * (1 - PATIENCE_SAVES.get(window, Decimal(0)))

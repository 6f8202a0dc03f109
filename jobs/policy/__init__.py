"""Pure functions that decide; the clock and the dice are arguments."""

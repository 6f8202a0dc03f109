"""Pure: the terms of a review, and the rules that can check a result."""

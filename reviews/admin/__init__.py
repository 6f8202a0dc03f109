"""The pages of the reviews app, a file per noun; importing them registers them."""

from reviews.admin import delivery, destination, panels, policy, review, tool_call

__all__ = ["delivery", "destination", "panels", "policy", "review", "tool_call"]

"""How often a token may ask, and the headers that say how often it still may."""

import math
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

AGAIN = "bgreview.again"  # in the scope of a request that was counted before


class PerToken(SimpleRateThrottle):
    """Each token by itself, each web process by itself: nobody is asked elsewhere."""

    num_requests: int
    duration: int

    def get_rate(self) -> str | None:
        return settings.API_RATE or None

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        token = request.auth
        return f"rate-{token.pk}" if token else None

    def allow_request(self, request: Request, view: Any) -> bool:
        if getattr(request, "scope", {}).get(AGAIN):
            return True
        return super().allow_request(request, view)

    @property
    def headers(self) -> dict[str, str]:
        """How often in a span, how often still, and in how many seconds anew."""
        history: list[float] | None = getattr(self, "history", None)
        if self.rate is None or history is None:
            return {}
        left = self.num_requests - len(history)
        oldest = history[-1] if history else self.now
        return {
            "RateLimit-Limit": str(self.num_requests),
            "RateLimit-Remaining": str(left),
            "RateLimit-Reset": str(math.ceil(self.duration - (self.now - oldest))),
        }

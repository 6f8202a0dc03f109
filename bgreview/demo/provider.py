"""The sandbox from outside: what it was asked, and what it is to do wrong."""

from dataclasses import dataclass
from typing import Any

import httpx2

PATIENCE = 60  # seconds; a ledger may be long


@dataclass(frozen=True)
class Provider:
    """The sandbox at this address."""

    url: str

    def ledger(self) -> list[dict[str, Any]]:
        """Each response that it made, and what became of it."""
        responses: list[dict[str, Any]] = self._ask("GET", "ledger")["data"]
        return responses

    def played(self) -> int:
        """How many calls and webhooks it has spoilt so far."""
        by_fault = self._ask("GET", "ledger")["faults"].values()
        return sum(times for by_call in by_fault for times in by_call.values())

    def order(self, fault: str, **how: Any) -> None:
        """Have it play this fault."""
        self._ask("POST", "faults", json={"fault": fault, **how})

    def clear(self) -> None:
        """From now on nothing goes wrong."""
        self._ask("DELETE", "faults")

    def _ask(self, method: str, what: str, **said: Any) -> dict[str, Any]:
        answer = httpx2.request(
            method,
            f"{self.url}/sandbox/{what}",
            trust_env=False,
            verify=self.url.startswith("https:"),  # else reading authorities is all
            timeout=PATIENCE,
            **said,
        )
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

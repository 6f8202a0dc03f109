"""The shop's own program: it submits through the REST API, as any integration would."""

from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import httpx2

from bgreview.demo.scenes import Scene

Job = dict[str, Any]  # as the API shows it
NAME = "demo"  # of the metadata that tells which scene a job is


class NotDone(Exception):
    """The API said no; says which call, and its answer."""


class Conflict(NotDone):
    """The job is not where it was thought to be."""


class NoAnswer(NotDone):
    """The web server did not answer; it may next time."""


class Shop:
    """`with Shop(url, token) as shop`: submits, asks, cancels."""

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx2.Client(
            base_url=f"{url}/api/v1/",
            headers={"Authorization": f"Token {token}"},
            timeout=15,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def submit(self, scene: Scene) -> Job:
        said = {
            "type": scene.type,
            "input": scene.input,
            "title": scene.title,
            "metadata": {NAME: scene.key},
        }
        return self._ask("POST", "jobs/", json=said)

    def job(self, public_id: str) -> Job:
        return self._ask("GET", f"jobs/{public_id}/")

    def jobs(self) -> Iterator[Job]:
        """Every job of the shop in brief, newest first, a page at a time."""
        address = "jobs/"
        while address:
            page = self._ask("GET", address)
            yield from page["results"]
            address = page["next"]

    def cancel(self, public_id: str, note: str) -> None:
        with suppress(Conflict):  # it may have ended just now
            self._ask("POST", f"jobs/{public_id}/cancel/", json={"note": note})

    def events(self, public_id: str) -> list[dict[str, Any]]:
        return self._ask("GET", f"jobs/{public_id}/events/")

    def submitted(self) -> dict[str, Job]:
        """The newest job of each scene that was submitted before."""
        found: dict[str, Job] = {}
        for brief in self.jobs():
            job = self.job(brief["id"])
            found.setdefault(job["metadata"].get(NAME, ""), job)
        return found

    def _ask(self, method: str, address: str, **said: Any) -> Any:
        """What the API answers; raises NotDone."""
        try:
            answer = self._http.request(method, address, **said)
        except httpx2.TransportError as error:
            raise NoAnswer(f"{method} {address}: {error!r}") from error
        if answer.is_error:
            conflict = answer.status_code == httpx2.codes.CONFLICT
            kind = Conflict if conflict else NotDone
            raise kind(f"{method} {address}: {answer.status_code} {answer.text}")
        return answer.json()

"""Three programs that speak to the API: curl, and our client in both its kinds.

What they are told and what they hear has one shape, so that a test can be held with
each of them: JSON as the API sends it, and `Refused` where it says no.
"""

import asyncio
import json
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

from bgreview.client import AsyncClient, Client, Problem, submission

JSON = dict[str, Any]


class Refused(Exception):
    """The API said no."""

    def __init__(self, status: int, detail: str, errors: JSON) -> None:
        super().__init__(status, detail, errors)
        self.status, self.detail, self.errors = status, detail, errors


class Voice(Protocol):
    """What an integrator does; `key`: the Idempotency-Key."""

    def submit(self, type: str, input: JSON, *, key: str = "", **more: Any) -> JSON: ...
    def submit_bulk(self, jobs: list[JSON], *, key: str = "") -> list[JSON]: ...
    def get(self, job: str) -> JSON: ...
    def wait(self, job: str) -> JSON: ...
    def jobs(self, **only: Any) -> list[JSON]: ...
    def result(self, job: str) -> JSON: ...
    def evidence(self, job: str) -> list[JSON]: ...
    def events(self, job: str) -> list[JSON]: ...
    def cancel(self, job: str, note: str) -> JSON: ...
    def retry(self, job: str, **more: Any) -> JSON: ...
    def thread(self, key: str, **more: Any) -> JSON: ...
    def get_thread(self, thread: str) -> JSON: ...
    def threads(self, **only: Any) -> list[JSON]: ...
    def thread_stats(self, thread: str) -> JSON: ...
    def archive_thread(self, thread: str) -> JSON: ...
    def delete_thread(self, thread: str, *, archive: bool) -> JSON: ...


@dataclass
class Curl:
    """`curl`, as the README has it."""

    url: str
    token: str

    def submit(self, type: str, input: JSON, *, key: str = "", **more: Any) -> JSON:
        return self._post("jobs/", {"type": type, "input": input, **more}, key)

    def submit_bulk(self, jobs: list[JSON], *, key: str = "") -> list[JSON]:
        return self._post("jobs/bulk/", {"jobs": jobs}, key)["jobs"]

    def get(self, job: str) -> JSON:
        return self._said(f"jobs/{job}/")

    def wait(self, job: str) -> JSON:
        found = self._said(f"jobs/{job}/")
        while found["finished_at"] is None:
            known = f"timeout=20&revision={found['revision']}"
            found = self._said(f"jobs/{job}/wait/?{known}")
        return found

    def jobs(self, **only: Any) -> list[JSON]:
        return self._listed("jobs/", only)

    def result(self, job: str) -> JSON:
        return self._said(f"jobs/{job}/result/")

    def evidence(self, job: str) -> list[JSON]:
        return self._said(f"jobs/{job}/evidence/")

    def events(self, job: str) -> list[JSON]:
        return self._said(f"jobs/{job}/events/")

    def cancel(self, job: str, note: str) -> JSON:
        return self._post(f"jobs/{job}/cancel/", {"note": note})

    def retry(self, job: str, **more: Any) -> JSON:
        return self._post(f"jobs/{job}/retry/", more)

    def thread(self, key: str, **more: Any) -> JSON:
        return self._post("threads/", {"key": key, **more})

    def get_thread(self, thread: str) -> JSON:
        return self._said(f"threads/{thread}/")

    def threads(self, **only: Any) -> list[JSON]:
        return self._listed("threads/", only)

    def thread_stats(self, thread: str) -> JSON:
        return self._said(f"threads/{thread}/stats/")

    def archive_thread(self, thread: str) -> JSON:
        return self._said(f"threads/{thread}/archive/", "-X", "POST")

    def delete_thread(self, thread: str, *, archive: bool) -> JSON:
        path = f"threads/{thread}/?archive={'true' if archive else 'false'}"
        return self._said(path, "-X", "DELETE")

    def _listed(self, path: str, only: JSON) -> list[JSON]:
        found, address = [], f"{path}?{urlencode(only, doseq=True)}"
        while address:
            page = self._said(address)
            found += page["results"]
            address = page["next"]
        return found

    def _post(self, path: str, body: JSON, key: str = "") -> Any:
        header = ["-H", f"Idempotency-Key: {key}"] if key else []
        kind = ["-H", "Content-Type: application/json"]
        return self._said(path, *header, *kind, "-d", json.dumps(body))

    def _said(self, address: str, *how: str) -> Any:
        url = address if "://" in address else f"{self.url}/api/v1/{address}"
        command = ["curl", "-s", "-w", "\n%{http_code}", url]
        token = ["-H", f"Authorization: Token {self.token}"]
        done = subprocess.run(
            [*command, *token, *how], capture_output=True, text=True, check=True
        )
        body, _, status = done.stdout.rpartition("\n")
        said = json.loads(body)
        if int(status) >= 400:
            raise Refused(int(status), said["detail"], said.get("errors", {}))
        return said


class Synchronous:
    """`Client`."""

    def __init__(self, url: str, token: str) -> None:
        self._where = url, token

    def submit(self, type: str, input: JSON, *, key: str = "", **more: Any) -> JSON:
        return self._do(lambda c: c.submit(type, input, key=key or None, **more)).raw

    def submit_bulk(self, jobs: list[JSON], *, key: str = "") -> list[JSON]:
        wanted = [submission(**job) for job in jobs]
        return _raw(self._do(lambda c: c.submit_bulk(wanted, key=key or None)))

    def get(self, job: str) -> JSON:
        return self._do(lambda c: c.get(job)).raw

    def wait(self, job: str) -> JSON:
        return self._do(lambda c: c.wait(job, timeout=30)).raw

    def jobs(self, **only: Any) -> list[JSON]:
        return _raw(self._all(lambda c: c.jobs(**only)))

    def result(self, job: str) -> JSON:
        return self._do(lambda c: c.result(job)).raw

    def evidence(self, job: str) -> list[JSON]:
        return _raw(self._do(lambda c: c.evidence(job)))

    def events(self, job: str) -> list[JSON]:
        return _raw(self._do(lambda c: c.events(job)))

    def cancel(self, job: str, note: str) -> JSON:
        return self._do(lambda c: c.cancel(job, note=note)).raw

    def retry(self, job: str, **more: Any) -> JSON:
        return self._do(lambda c: c.retry(job, **more)).raw

    def thread(self, key: str, **more: Any) -> JSON:
        return self._do(lambda c: c.thread(key, **more)).raw

    def get_thread(self, thread: str) -> JSON:
        return self._do(lambda c: c.get_thread(thread)).raw

    def threads(self, **only: Any) -> list[JSON]:
        return _raw(self._all(lambda c: c.threads(**only)))

    def thread_stats(self, thread: str) -> JSON:
        return self._do(lambda c: c.thread_stats(thread)).raw

    def archive_thread(self, thread: str) -> JSON:
        return self._do(lambda c: c.archive_thread(thread)).raw

    def delete_thread(self, thread: str, *, archive: bool) -> JSON:
        return self._do(lambda c: c.delete_thread(thread, archive=archive)).raw

    def _do(self, call: Callable[[Any], Any]) -> Any:
        with Client(*self._where) as client:
            try:
                return call(client)
            except Problem as no:
                raise Refused(no.status, no.detail, no.errors) from no

    def _all(self, call: Callable[[Any], Any]) -> list[Any]:
        return self._do(lambda client: list(call(client)))


class Asynchronous(Synchronous):
    """`AsyncClient`; an event loop for each call."""

    def _do(self, call: Callable[[Any], Awaitable[Any]]) -> Any:
        async def done() -> Any:
            async with AsyncClient(*self._where) as client:
                return await call(client)

        try:
            return asyncio.run(done())
        except Problem as no:
            raise Refused(no.status, no.detail, no.errors) from no

    def _all(self, call: Callable[[Any], Any]) -> list[Any]:
        async def listed(client: AsyncClient) -> list[Any]:
            return [one async for one in call(client)]

        return self._do(listed)


def _raw(answers: Any) -> list[JSON]:
    return [answer.raw for answer in answers]


VOICES = {"curl": Curl, "client": Synchronous, "async client": Asynchronous}

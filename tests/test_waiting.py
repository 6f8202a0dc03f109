"""Clients that wait for a job: held long, told at once, and let go in order."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from django.contrib.auth.models import User
from django.db import InterfaceError, connection

from jobs.api import waiting, watcher
from jobs.api.waiting import MOST_EACH, Waiting
from jobs.api.watcher import Watcher
from jobs.models import ApiToken, Job, JobType
from jobs.sandbox.serving import serve
from jobs.services.cancel import cancel_job
from tests.house import person, submit
from tests.web import Web, serving

pytestmark = pytest.mark.processes
JOBS = "/api/v1/jobs/"
CLIENTS = MOST_EACH
ASKED = 20  # how often the API is asked while they wait
SOON = 5.0  # seconds; a look is taken twice in each
LONG = 15.0  # more than any answer takes that is not held back


@pytest.fixture
def job(transactional_db: None, note: JobType, shop: User) -> Job:
    """A queued job of the shop's, which nobody works on."""
    return submit(shop)


@pytest.fixture
def token(shop: User) -> str:
    return ApiToken.objects.create(user=shop)[1]


class Client:
    """A program with a token of the shop's."""

    def __init__(self, web: Web, token: str) -> None:
        self.url, self.token = web.url, token

    async def __aenter__(self) -> "Client":
        self.session = aiohttp.ClientSession(
            self.url,
            headers={"Authorization": f"Token {self.token}"},
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(2 * LONG),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        async with self.session.get(path, headers=headers) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def events(self, job: Job, **headers: str) -> AsyncIterator[dict[str, Any]]:
        """What the stream says, until it ends."""
        async with self.session.get(f"{path(job)}stream/", headers=headers) as answer:
            assert answer.status == 200
            assert answer.content_type == "text/event-stream"
            async for line in answer.content:
                if line.startswith(b"data: "):
                    yield json.loads(line.removeprefix(b"data: "))


def path(job: Job) -> str:
    return f"{JOBS}{job.public_id}/"


def as_a_client(web: Web, token: str, act: Callable[[Client], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with Client(web, token) as client:
            return await asyncio.wait_for(act(client), 3 * LONG)

    return asyncio.run(run())


async def cancel(job: Job) -> None:
    """Somebody does, elsewhere."""
    boss = await asyncio.to_thread(in_a_thread, lambda: job.requester)
    await asyncio.to_thread(in_a_thread, lambda: cancel_job(job, by=boss))


def in_a_thread(act: Callable[[], Any]) -> Any:
    try:
        return act()
    finally:
        connection.close()


async def until(holds: Callable[[], bool]) -> None:
    end = monotonic() + LONG
    while not await asyncio.to_thread(in_a_thread, holds):
        assert monotonic() < end, "it did not come to that"
        await asyncio.sleep(0.05)


# ---- waiting --------------------------------------------------------------------


def test_who_waits_is_told_when_the_job_changes(web: Web, job: Job, token: str) -> None:
    async def act(client: Client) -> None:
        waiting = asyncio.create_task(client.get(f"{path(job)}wait/?timeout=60"))
        await asyncio.wait({waiting}, timeout=1)
        assert not waiting.done(), "nothing had changed"

        began = monotonic()
        await cancel(job)
        status, said = await waiting

        assert (status, said["status"]) == (200, "cancelled")
        assert monotonic() - began < SOON

    as_a_client(web, token, act)


def test_who_has_old_news_or_all_of_it_does_not_wait(
    web: Web, job: Job, token: str
) -> None:
    async def act(client: Client) -> None:
        began = monotonic()
        revision = job.revision
        for query in (f"revision={revision + 1}", "timeout=0", "timeout=1"):
            status, said = await client.get(f"{path(job)}wait/?{query}")
            assert (status, said["revision"]) == (200, revision)
        await cancel(job)
        for query in ("", f"?revision={revision}"):
            status, said = await client.get(f"{path(job)}wait/{query}")
            assert (status, said["status"]) == (200, "cancelled")
        assert monotonic() - began < LONG

    as_a_client(web, token, act)


def test_what_has_ended_is_waited_for_by_who_knows_its_end(
    web: Web, job: Job, token: str
) -> None:
    """An approved job is still to be delivered, a failed one may be retried."""

    async def act(client: Client) -> None:
        await cancel(job)
        known = (await client.get(path(job)))[1]["revision"]
        address = f"{path(job)}wait/?timeout=60&revision={known}"
        waiting = asyncio.create_task(client.get(address))
        await asyncio.wait({waiting}, timeout=1)
        assert not waiting.done()
        waiting.cancel()

    as_a_client(web, token, act)


@pytest.mark.parametrize("part", ["wait", "stream"])
def test_nobody_waits_for_what_they_may_not_see(
    web: Web, job: Job, token: str, part: str
) -> None:
    mill = ApiToken.objects.create(user=person("mill", "Integrations"))[1]

    async def act(client: Client) -> None:
        status, said = await client.get(f"{path(job)}{part}/")
        assert (status, said["status"]) == (404, 404)
        nobody = {"Authorization": "Token open-sesame"}
        assert (await client.get(f"{path(job)}{part}/", **nobody))[0] == 401

    as_a_client(web, mill, act)


@pytest.mark.parametrize(
    "query",
    ["timeout=1.0", "timeout=1.", "timeout=+1", "timeout=%31%20", "revision=5.0"],
)
def test_what_is_not_written_in_digits_is_refused(
    web: Web, job: Job, token: str, query: str
) -> None:
    async def act(client: Client) -> None:
        status, said = await client.get(f"{path(job)}wait/?{query}")
        assert (status, set(said["errors"])) == (400, {query.partition("=")[0]})

    as_a_client(web, token, act)


def test_what_breaks_behind_who_waits_is_a_problem() -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("the application dies")

    async def ask(url: str) -> tuple[int, str, Any]:
        address = f"{url}{JOBS}{uuid4()}/wait/"
        async with aiohttp.request("GET", address) as answer:
            return answer.status, answer.content_type, await answer.json()

    with serve(Waiting(broken)) as served:
        status, kind, said = asyncio.run(ask(served.url))

    assert (status, kind) == (500, "application/problem+json")
    assert "logged" in said["detail"]


def test_a_cut_connection_does_not_end_the_watch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = iter([InterfaceError("the connection is closed")])

    def look(jobs: Any) -> Any:
        found = next(looks, {})
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(watcher, "revisions", look)

    assert asyncio.run(Watcher().until_changed(uuid4(), 1, LONG))


# ---- a stream -------------------------------------------------------------------


def test_a_stream_tells_the_job_and_each_change_and_ends_with_it(
    web: Web, job: Job, token: str
) -> None:
    async def act(client: Client) -> None:
        seen = []
        async for said in client.events(job):
            seen.append(said["status"])
            if said["status"] == "queued":
                await cancel(job)
        assert seen == ["queued", "cancelled"]

    as_a_client(web, token, act)


def test_who_comes_back_to_a_stream_is_told_only_what_is_new(
    web: Web, job: Job, token: str
) -> None:
    async def act(client: Client) -> None:
        told = [said async for said in client.events(await ended(job))]
        assert [said["status"] for said in told] == ["cancelled"]

        last = {"Last-Event-ID": str(told[0]["revision"])}
        assert await client.get(f"{path(job)}stream/", **last) == (204, None)

    async def ended(job: Job) -> Job:
        await cancel(job)
        return job

    as_a_client(web, token, act)


# ---- many, and the end ----------------------------------------------------------


def test_of_one_token_only_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others find a place meanwhile, and those that are told leave theirs."""
    monkeypatch.setattr(waiting, "MOST_EACH", 2)
    job, asked, revisions = uuid4(), [], {}
    monkeypatch.setattr(watcher, "revisions", lambda jobs: dict(revisions))
    revisions[job] = 1

    async def application(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        said = json.dumps({"revision": revisions[job], "finished_at": None})
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": said.encode()})

    async def act(url: str) -> None:
        address = f"{url}{JOBS}{job}/wait/?timeout="

        async def ask(token: str, seconds: int) -> tuple[int, Any]:
            headers = {"Authorization": f"Token {token}"}
            async with session.get(f"{address}{seconds}", headers=headers) as answer:
                return answer.status, await answer.json(content_type=None)

        async with aiohttp.ClientSession() as session:
            told = [asyncio.create_task(ask("ours", 60)) for _ in range(2)]
            await until(lambda: len(asked) == 2)
            status, said = await ask("ours", 60)
            assert (status, said["detail"].split()[0]) == (429, "2")
            assert (await ask("ourS", 60))[0] == 429, "it is the same token"
            assert (await ask("theirs", 0))[0] == 200
            revisions[job] = 2
            assert (
                await asyncio.gather(*told)
                == [(200, {"revision": 2, "finished_at": None})] * 2
            )
            assert (await ask("ours", 0))[0] == 200, "their places are free again"

    with serve(Waiting(application)) as served:
        asyncio.run(asyncio.wait_for(act(served.url), LONG))


def test_two_hundred_wait_without_a_connection_and_leave_the_api_responsive(
    web: Web, job: Job, token: str
) -> None:
    def held() -> int:
        if connection.vendor == "sqlite":
            return web.open_files(connection.settings_dict["NAME"])
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return cursor.fetchone()[0]

    async def act(client: Client) -> None:
        before = await asyncio.to_thread(in_a_thread, held)
        waiting = [
            asyncio.create_task(client.get(f"{path(job)}wait/?timeout=60"))
            for _ in range(CLIENTS)
        ]
        await until(lambda: web.clients() >= CLIENTS)
        # The last of them has been asked who it is, and the watcher is between looks.
        await until(lambda: held() <= before)
        assert not any(task.done() for task in waiting)
        assert web.process.num_threads() < CLIENTS / 4

        took = []
        for _ in range(ASKED):
            began = monotonic()
            assert (await client.get(path(job)))[0] == 200
            took.append(monotonic() - began)
        assert sorted(took)[ASKED // 2] < 0.5

        await cancel(job)
        answers = await asyncio.gather(*waiting)
        assert {(status, said["status"]) for status, said in answers} == {
            (200, "cancelled")
        }

    as_a_client(web, token, act)


def test_a_server_that_ends_lets_its_clients_go_in_order(
    job: Job, token: str, other_process_env: dict[str, str]
) -> None:
    """No error, no half answer: the job as it is, and a stream that ends."""

    async def act(client: Client) -> None:
        waiting = asyncio.create_task(client.get(f"{path(job)}wait/?timeout=60"))
        events = client.events(job)
        first = await anext(events)
        await asyncio.wait({waiting}, timeout=1)

        web.process.send_signal(signal.SIGTERM)
        status, said = await waiting
        rest = [said async for said in events]

        assert (status, said["status"]) == (200, "queued")
        assert (first["status"], rest) == ("queued", [])
        await until(lambda: not web.process.is_running() or _is_dead(web))

    with serving(other_process_env) as web:
        as_a_client(web, token, act)


def _is_dead(web: Web) -> bool:
    return web.process.status() == "zombie"

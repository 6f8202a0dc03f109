"""CPU per request of the web servers we could take, with our own views.

    python -m tests.bench web

Each server serves the same tree on a database of its own (DATABASE_URL, else SQLite in
a scratch folder). What counts is user and system time of all its processes: it says the
same on a busy machine, which seconds do not.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil

from bgreview.processes import Processes, free_port

BIN = Path(sys.executable).parent
REQUESTS, AT_ONCE = 600, 20
SERVERS = {
    "granian asgi": ["granian", "--interface", "asgi", "--no-ws", "--workers", "1"],
    "granian wsgi": ["granian", "--interface", "wsgi", "--no-ws", "--workers", "1"],
    "uvicorn asgi": ["uvicorn", "--no-access-log", "--workers", "1"],
}


@dataclass
class Figure:
    """`cpu`: milliseconds a request; `p95`: milliseconds until the answer."""

    server: str
    what: str
    cpu: float
    p95: float
    failed: int


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        env = _environment(Path(scratch))
        (token,) = _prepare(env)
        for name, command in SERVERS.items():
            for figure in _measure(name, command, env, token, Path(scratch)):
                print(
                    f"{figure.server:14} {figure.what:12} {figure.cpu:6.2f} ms CPU"
                    f"  p95 {figure.p95:6.1f} ms  {figure.failed} failed"
                )


def _environment(scratch: Path) -> dict[str, str]:
    return {
        "DATABASE_URL": os.environ.get("DATABASE_URL", f"sqlite:///{scratch}/db"),
        "WEB_DATABASE_POOL": "true",
        "API_RATE": "",
        "PROVIDER": "sandbox",
        "SECRET_KEY": "bench-only-0123456789-0123456789-0123456789-0123456789",
        "LOG_LEVEL": "WARNING",
    }


def _prepare(env: dict[str, str], tokens: int = 1) -> list[str]:
    """Tables, a type, a program with so many tokens."""
    script = (
        "from django.contrib.auth.models import User, Group\n"
        "from tests.house import job_type, person\n"
        "from jobs.models import ApiToken\n"
        "u = person('shop', 'Integrations'); job_type()\n"
        f"for _ in range({tokens}): print(ApiToken.objects.create(user=u)[1])\n"
    )
    whole = os.environ | env
    run = [sys.executable, "manage.py"]
    subprocess.run([*run, "migrate", "-v0"], env=whole, check=True)
    told = subprocess.run(
        [*run, "shell", "-v0", "-c", script],
        env=whole,
        check=True,
        capture_output=True,
        text=True,
    )
    return told.stdout.split()[-tokens:]


def _measure(
    name: str, command: list[str], env: dict[str, str], token: str, logs: Path
) -> list[Figure]:
    port = free_port()
    where = ["--host", "127.0.0.1", "--port", str(port)]
    app = "bgreview.wsgi:application" if "wsgi" in name else "bgreview.asgi:application"
    with Processes(env, logs) as house:
        process = house.start(name, [str(BIN / command[0]), *command[1:], *where, app])
        url = f"http://127.0.0.1:{port}"
        return asyncio.run(_drive(name, url, process.pid, token))


async def _drive(name: str, url: str, pid: int, token: str) -> list[Figure]:
    headers = {"Authorization": f"Token {token}"}
    async with aiohttp.ClientSession(url, headers=headers) as session:
        await _answers(session)
        body = {"type": "note", "input": {"text": "x" * 500}}

        async def post() -> int:
            async with session.post("/api/v1/jobs/", json=body) as answer:
                said = json.loads(await answer.read())
                seen.append(said.get("id", ""))
                return answer.status

        async def get() -> int:
            async with session.get(f"/api/v1/jobs/{seen[0]}/") as answer:
                await answer.read()
                return answer.status

        async def health() -> int:
            async with session.get("/healthz") as answer:
                await answer.read()
                return answer.status

        seen: list[str] = []
        calls = {"healthz": health, "POST job": post, "GET job": get}
        return [await _load(name, what, pid, call) for what, call in calls.items()]


async def _answers(session: aiohttp.ClientSession) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            async with session.get("/healthz"):
                return
        except aiohttp.ClientError:
            assert time.monotonic() < until, "the server does not answer"
            await asyncio.sleep(0.1)


async def _load(
    name: str, what: str, pid: int, call: Callable[[], Awaitable[int]]
) -> Figure:
    await asyncio.gather(*(call() for _ in range(AT_ONCE)))  # warm
    took: list[float] = []
    statuses: list[int] = []
    left = iter(range(REQUESTS))

    async def client() -> None:
        for _ in left:
            began = time.perf_counter()
            statuses.append(await call())
            took.append(time.perf_counter() - began)

    before = _cpu(pid)
    await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    spent = _cpu(pid) - before
    failed = sum(status >= 400 for status in statuses)
    p95 = sorted(took)[int(0.95 * len(took))]
    return Figure(name, what, 1000 * spent / REQUESTS, 1000 * p95, failed)


def _cpu(pid: int) -> float:
    parent = psutil.Process(pid)
    times = [p.cpu_times() for p in [parent, *parent.children(recursive=True)]]
    return sum(t.user + t.system for t in times)


if __name__ == "__main__":
    main()

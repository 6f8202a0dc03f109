"""Clients that wait, and what they cost: 0, 200 and 1,000 of them in one web process.

    python -m tests.bench wait

On the database of DATABASE_URL, else on SQLite in a scratch folder. Beside each crowd
somebody asks for a job again and again; then the job changes, and all are told.
"""

import asyncio
import tempfile
import time
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import aiohttp

from tests.bench.web import _cpu, _environment, _prepare
from tests.web import Web, serving

EACH = 200  # with one token; the web process holds no more
Headers = dict[str, str] | None
CROWDS = (0, 200, 1_000)
ASKED = 100
QUIET = 5  # seconds over which the CPU of a waiting crowd is taken


@dataclass
class Figures:
    """Milliseconds, but for `cpu`: milliseconds of CPU in a second of waiting."""

    waiting: int
    threads: int
    database: int
    cpu: float
    p50: float
    p95: float
    told: float

    def __str__(self) -> str:
        return (
            f"{self.waiting:5} waiting  {self.threads:3} threads"
            f"  {self.database} connections  {self.cpu:5.1f} ms CPU/s"
            f"  GET job p50 {self.p50:5.1f} ms, p95 {self.p95:5.1f} ms"
            f"  all told within {self.told:6.0f} ms"
        )


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        env = _environment(Path(scratch)) | {"WEB_DATABASE_POOL": "false"}
        tokens = _prepare(env, max(CROWDS) // EACH)
        with serving(env, Path(scratch)) as web:
            for crowd in CROWDS:
                print(asyncio.run(_measure(web, tokens, crowd)))


async def _measure(web: Web, tokens: list[str], crowd: int) -> Figures:
    all_headers = [{"Authorization": f"Token {token}"} for token in tokens]
    limits = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        web.url, headers=all_headers[0], connector=limits
    ) as session:
        body = {"type": "note", "input": {"text": "Hello"}}
        async with session.post("/api/v1/jobs/", json=body) as answer:
            job = f"/api/v1/jobs/{(await answer.json())['id']}/"
        waiting = [
            asyncio.create_task(_get(session, f"{job}wait/?timeout=60", headers))
            for _, headers in zip(range(crowd), cycle(all_headers), strict=False)
        ]
        while web.clients() < crowd:
            await asyncio.sleep(0.1)
        await asyncio.sleep(crowd / 50)  # until each was asked who it is
        before = _cpu(web.process.pid)
        await asyncio.sleep(QUIET)
        cpu = 1_000 * (_cpu(web.process.pid) - before) / QUIET
        threads, database = web.process.num_threads(), _connections(web)
        took = sorted([await _get(session, job) for _ in range(ASKED)])
        began = time.perf_counter()
        async with session.post(f"{job}cancel/", json={}):
            pass
        await asyncio.gather(*waiting)
        told = 1_000 * (time.perf_counter() - began)
        p50, p95 = took[ASKED // 2], took[int(0.95 * ASKED)]
        return Figures(crowd, threads, database, cpu, p50, p95, told)


async def _get(
    session: aiohttp.ClientSession, path: str, headers: Headers = None
) -> float:
    began = time.perf_counter()
    async with session.get(path, headers=headers) as answer:
        await answer.read()
        assert answer.status == 200, answer.status
    return 1_000 * (time.perf_counter() - began)


def _connections(web: Web) -> int:
    """Open files of SQLite, or sockets that PostgreSQL is at the other end of."""
    files = [f.path for f in web.process.open_files() if Path(f.path).name == "db"]
    ours = int(web.url.rpartition(":")[2])
    outward: list[Any] = [
        c
        for c in web.process.net_connections("all")
        if c.raddr and getattr(c.laddr, "port", None) != ours
    ]
    return len(files) + len(outward)

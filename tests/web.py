"""A web server of our own, in one real process, as it is in life."""

import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from bgreview.processes import Processes, free_port
from tests.databases import url_for_others

STARTED = 30  # seconds to answer for the first time


@dataclass(frozen=True)
class Web:
    url: str
    process: psutil.Process

    def clients(self) -> int:
        found = self.process.net_connections("tcp")
        return sum(c.status == psutil.CONN_ESTABLISHED for c in found)

    def open_files(self, name: str) -> int:
        """To a database that is a file: how often it is open."""
        return sum(f.path == name for f in self.process.open_files())


@contextmanager
def serving(
    env: Mapping[str, str], logs: Path | None = None, port: int = 0
) -> Iterator[Web]:
    """uvicorn with our application, in one process, until the block is left."""
    port = port or free_port()
    command = [
        *[str(Path(sys.executable).with_name("uvicorn")), "bgreview.asgi:application"],
        *["--host", "127.0.0.1", "--port", str(port), "--lifespan", "off"],
        *["--no-access-log", "--log-level", "warning"],
    ]
    with Processes(env, logs) as house:
        process = house.start("web", command)
        web = Web(f"http://127.0.0.1:{port}", psutil.Process(process.pid))
        until = time.monotonic() + STARTED
        while not _answers(web.url):
            assert process.poll() is None, "the web server ended"
            assert time.monotonic() < until, "the web server does not answer"
            time.sleep(0.05)
        yield web


@pytest.fixture(scope="session")
def web(django_db_setup: None, django_db_blocker: Any) -> Iterator[Web]:
    """One for all tests that only talk to it; it sees what they have committed."""
    with django_db_blocker.unblock():
        env = {"DATABASE_URL": url_for_others()}
    with serving(env) as web:
        yield web


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False

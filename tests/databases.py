"""Which database a test run uses: a pytest plugin, `--db=sqlite` or `--db=postgres`.

A plugin and not a conftest, because pytest-django reads Django's settings before any
conftest. Every run has databases of its own, so that two at once do not meet.
"""

import os
import re
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection, connections

from tests import postgres

LABEL = pytest.StashKey[str]()  # what the tests run on, for people
SERVER = "BGREVIEW_TESTS_SERVER"  # where PostgreSQL's databases are made
FIXTURES = {"db", "transactional_db", "live_server"}  # those that open the database

# Every variable that settings.py reads: what is set here cannot come from a
# developer's .env, neither in this process nor in those that tests start.
ENVIRONMENT = {
    "API_RATE": "",
    "ALLOWED_HOSTS": "127.0.0.1,localhost,[::1]",
    "CSRF_TRUSTED_ORIGINS": "",
    "DEBUG": "false",
    "DEFAULT_FROM_EMAIL": "bgreview@localhost",
    "DELIVERY_HANDLERS": "",
    "DELIVERY_OVER_HTTP": "false",
    "EMAIL_URL": "consolemail://",
    "INSTANCE_ID": "bgreview-tests",
    "LOG_LEVEL": "WARNING",
    "OPENAI_API_KEY": "sk-tests",
    "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",  # nobody listens there
    "OPENAI_WEBHOOK_SECRET": "",
    "PROVIDER": "sandbox",
    "PUBLIC_URL": "http://127.0.0.1:8000",
    "Q_BROKER": "orm",
    "Q_WORKERS": "2",
    "SECRET_KEY": "only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz",
    "SWEEPS": "1",
    "TIME_ZONE": "UTC",
    "TOOL_HANDLERS": "",
    "WEB_DATABASE_POOL": "false",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--db",
        choices=("sqlite", "postgres"),
        default="sqlite",
        help="PostgreSQL is the one at TEST_POSTGRES_URL, else a local server, else "
        "one out of a wheel (always, with TEST_POSTGRES_URL=embedded)",
    )
    parser.addoption(
        "--only-database",
        action="store_true",
        help="leave out the tests that would be the same on any database",
    )
    parser.addoption(
        "--processes",
        choices=("only", "without"),
        help="run only the tests that start real processes, or all but these",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Point DATABASE_URL at databases of this run's own, and see to their end."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return  # has inherited what the controller chose
    # A plain SIGTERM would leave the databases behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    scratch = Path(tempfile.mkdtemp(prefix="bgreview-tests-"))
    early_config.add_cleanup(lambda: shutil.rmtree(scratch, ignore_errors=True))
    os.environ.update(ENVIRONMENT)
    if early_config.known_args_namespace.db == "sqlite":
        early_config.stash[LABEL] = f"SQLite {sqlite3.sqlite_version}"
        os.environ["DATABASE_URL"] = f"sqlite:///{scratch}/bgreview"
        return
    server, early_config.stash[LABEL] = postgres.find_server(
        scratch, on_exit=early_config.add_cleanup
    )
    name = re.sub(r"\W", "_", scratch.name)
    early_config.add_cleanup(lambda: postgres.drop_databases(server, f"test_{name}"))
    os.environ["DATABASE_URL"] = postgres.with_name(server, name)
    os.environ[SERVER] = server


def pytest_configure() -> None:
    """Keep SQLite's test database in a file: by default only we could see it."""
    default = connections.settings["default"]
    path = Path(default["NAME"])
    default["TEST"]["NAME"] = str(path.with_name(f"test_{path.name}"))


def pytest_sessionstart(session: pytest.Session) -> None:
    """On SIGTERM stop at once, or after this test if it swallows the interrupt."""

    def stop(number: int, frame: object) -> None:
        session.shouldstop = "told to stop"
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `--processes=only` no file is imported that cannot have such a test."""
    named = config.args_source is not pytest.Config.ArgsSource.TESTPATHS
    if config.getoption("processes") != "only" or named or collection_path.is_dir():
        return None
    return "mark.processes" not in collection_path.read_text() or None


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    processes = config.getoption("processes")
    if processes:
        _keep(config, items, lambda i: _starts(i) == (processes == "only"))
    if config.getoption("only_database"):
        _keep(config, items, _depends)


def _keep(
    config: pytest.Config,
    items: list[pytest.Item],
    is_wanted: Callable[[pytest.Item], bool],
) -> None:
    config.hook.pytest_deselected(items=[i for i in items if not is_wanted(i)])
    items[:] = filter(is_wanted, items)


def _starts(item: pytest.Item) -> bool:
    return item.get_closest_marker("processes") is not None


def _depends(item: pytest.Item) -> bool:
    """Can its outcome depend on the database? Without these, it cannot reach one.

    Nor can the processes that it starts: `other_process_env` asks for it too. What a
    browser shows comes from views, whose own tests run on both.
    """
    if item.get_closest_marker("browser") is not None:
        return False
    marked = item.get_closest_marker("django_db") is not None
    return marked or not FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


def pytest_report_header(config: pytest.Config) -> str:
    return f"database: {config.stash.get(LABEL, 'as above')}"


def server() -> str:
    """The URL of the PostgreSQL server where databases of tests are made."""
    return os.environ.get(SERVER, "")


def url_for_others() -> str:
    """The DATABASE_URL with which another process sees the test database."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return postgres.with_name(os.environ["DATABASE_URL"], name)

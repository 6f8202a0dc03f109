"""A migrated database is made once, and copied by every run that finds the same code.

Migrating takes seconds. A copy is known by a digest of all that the outcome could
depend on, so that it cannot be an old one: where there is none, the run migrates, and
leaves a copy for those after it. SQLite's lie in pytest's cache; PostgreSQL's are a
template in the server, which the next one replaces.
"""

import fcntl
import hashlib
import shutil
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import django
import psycopg
import pytest
from django.apps import apps
from django.db import connection

TEMPLATE = "bgreview_tests_migrated_"  # and the first digits of the digest
LOCK = 7_204_118  # of PostgreSQL's advisory locks, the one for templates


def copied(server: str, cache: pytest.Cache) -> AbstractContextManager[None]:
    """The test database is a copy, or what is migrated meanwhile becomes one."""
    name = connection.creation._get_test_db_name()
    if connection.vendor == "sqlite":
        return _copied_file(Path(name), kept(cache))
    return _copied_template(server, name)


def kept(cache: pytest.Cache) -> Path:
    """Where SQLite's copy is, if there is one that this code could have made."""
    return cache.mkdir("migrated") / f"{digest()}.sqlite3"


@contextmanager
def _copied_file(path: Path, copy: Path) -> Iterator[None]:
    cache = copy.parent
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if copy.exists():
            shutil.copyfile(copy, path)
            yield
            return
        yield
        for old in cache.glob("*.sqlite3"):
            old.unlink()
        unfinished = cache / "unfinished"
        unfinished.unlink(missing_ok=True)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [str(unfinished)])
        unfinished.rename(copy)


@contextmanager
def _copied_template(server: str, name: str) -> Iterator[None]:
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        found = admin.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s)"
            " AND datdba = current_user::regrole",
            [TEMPLATE],
        )
        template, there = TEMPLATE + digest()[:16], [name for (name,) in found]
        if template in there:
            admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
            yield
            return
        yield
        connection.close()  # what is copied may not be in use
        for old in there:
            with suppress(psycopg.errors.ObjectInUse):
                admin.execute(f'DROP DATABASE "{old}"')
        with suppress(psycopg.errors.DuplicateDatabase):  # another user's
            admin.execute(f'CREATE DATABASE "{template}" TEMPLATE "{name}"')


def digest() -> str:
    """Of every line of Python in every installed app, and what runs them."""
    found = hashlib.sha256(f"{sys.version} {django.__version__}".encode())
    for config in apps.get_app_configs():
        for source in sorted(Path(config.path).rglob("*.py")):
            name = source.relative_to(config.path)
            found.update(f"{config.name} {name} ".encode() + source.read_bytes())
    return found.hexdigest()

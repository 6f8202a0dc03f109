"""Lifts what the databases refuse, to see whether others notice."""

from collections.abc import Iterator

import pytest
from django.db import connection

OURS = ("jobs_", "reviews_")


@pytest.fixture
def unguarded(db: None) -> Iterator[None]:
    """No trigger, no check and no partial unique index of ours, until the rollback."""
    lift = _lift_sqlite if connection.vendor == "sqlite" else _lift_postgres
    with connection.cursor() as cursor:
        lift(cursor)
        yield
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = OFF")


def _lift_sqlite(cursor) -> None:
    cursor.execute("PRAGMA ignore_check_constraints = ON")
    cursor.execute(
        "SELECT type, name FROM sqlite_master WHERE type = 'trigger' "
        "OR type = 'index' AND sql LIKE '%UNIQUE%WHERE%'"
    )
    for kind, name in cursor.fetchall():
        cursor.execute(f"DROP {kind} {name}")


def _lift_postgres(cursor) -> None:
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # nothing may be pending
    cursor.execute(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint "
        "WHERE contype = 'c' AND conrelid <> 0"
    )
    for table, name in cursor.fetchall():
        if table.startswith(OURS):
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    cursor.execute(
        "SELECT indexname FROM pg_indexes WHERE indexdef LIKE 'CREATE UNIQUE%WHERE%'"
    )
    for (name,) in cursor.fetchall():
        cursor.execute(f'DROP INDEX "{name}"')
    cursor.execute(
        "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"
    )
    for (table,) in cursor.fetchall():
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")

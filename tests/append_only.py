"""Lets the flush after a transactional test empty the tables that only grow.

Their triggers are lifted in the flush's own transaction and nowhere else: a test
that breaks the rule is refused as production would be.
"""

import re

from django.db.backends.base.operations import BaseDatabaseOperations
from django.db.backends.utils import CursorWrapper

QUOTED = re.compile(r'"[^"]+"')
# Of the code, and of no test: to make them anew takes longer than all else in a flush.
KEPT = {'"django_content_type"', '"auth_permission"'}
_flush = BaseDatabaseOperations.execute_sql_flush


def lift_for_flush() -> None:
    """Have every flush from now on lift the triggers."""
    BaseDatabaseOperations.execute_sql_flush = _flush_without_triggers


def _flush_without_triggers(self: BaseDatabaseOperations, sql_list: list[str]) -> None:
    lift = _lift_sqlite if self.connection.vendor == "sqlite" else _lift_postgres
    with self.connection.cursor() as cursor:
        sql_list = lift(cursor, sql_list)
    _flush(self, sql_list)


def _lift_sqlite(cursor: CursorWrapper, sql_list: list[str]) -> list[str]:
    cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    triggers = cursor.fetchall()
    drop = [f"DROP TRIGGER {name}" for name, _ in triggers]
    delete = [sql for sql in sql_list if KEPT.isdisjoint(QUOTED.findall(sql))]
    return [*drop, *delete, *(create for _, create in triggers)]


def _lift_postgres(cursor: CursorWrapper, sql_list: list[str]) -> list[str]:
    cursor.execute(
        "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"
    )
    tables = [table for (table,) in cursor.fetchall()]
    disable = [f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in tables]
    enable = [f"ALTER TABLE {table} ENABLE TRIGGER USER" for table in tables]
    # DELETE instead of Django's TRUNCATE, which takes 0.2 s for tables so small. The
    # references between them are checked at the end, or before ALTER TABLE.
    names = [name for sql in sql_list for name in QUOTED.findall(sql)]
    delete = [f"DELETE FROM {name}" for name in names if name not in KEPT]
    return [*disable, *delete, "SET CONSTRAINTS ALL IMMEDIATE", *enable]

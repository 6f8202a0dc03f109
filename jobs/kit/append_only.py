"""Tables that only grow: triggers that refuse UPDATE and DELETE on both databases."""

from collections.abc import Iterable

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

REFUSAL = "is append-only"


def forbid(table: str, *, verbs: Iterable[str]) -> migrations.RunPython:
    """A migration step after which `table` refuses the given verbs, whoever asks.

    Verbs are of UPDATE and DELETE; a table that refuses DELETE refuses TRUNCATE too.
    To be said again after a step that alters the table: SQLite makes such a table anew,
    and its triggers are gone.
    """

    def raise_triggers(apps: object, editor: BaseDatabaseSchemaEditor) -> None:
        for verb in verbs:
            for statement in _create(editor.connection.vendor, table, verb):
                editor.execute(statement, params=None)

    def drop_triggers(apps: object, editor: BaseDatabaseSchemaEditor) -> None:
        for verb in verbs:
            for statement in _drop(editor.connection.vendor, table, verb):
                editor.execute(statement, params=None)

    return migrations.RunPython(raise_triggers, drop_triggers)


def _create(vendor: str, table: str, verb: str) -> list[str]:
    name = f"{table}_no_{verb.lower()}"
    if vendor == "sqlite":
        body = f"SELECT RAISE(ABORT, '{table} {REFUSAL}');"
        return [
            f"CREATE TRIGGER IF NOT EXISTS {name} BEFORE {verb} ON {table}"
            f" BEGIN {body} END"
        ]
    statements = [
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{table} {REFUSAL}'; END $$",
        f"CREATE OR REPLACE TRIGGER {name} BEFORE {verb} ON {table}"
        f" FOR EACH ROW EXECUTE FUNCTION {name}()",
    ]
    if verb == "DELETE":
        statements.append(
            f"CREATE OR REPLACE TRIGGER {name}_all BEFORE TRUNCATE ON {table}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )
    return statements


def _drop(vendor: str, table: str, verb: str) -> list[str]:
    name = f"{table}_no_{verb.lower()}"
    if vendor == "sqlite":
        return [f"DROP TRIGGER {name}"]
    return [f"DROP FUNCTION {name}() CASCADE"]

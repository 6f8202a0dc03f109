"""The ground that the other tests stand on: databases, flush, closing line."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.utils import timezone
from model_bakery import baker

from jobs.models import JobEvent, JobType
from tests import migrated, standing
from tests.run import Tally, closing_line, parts, succeeded

pytestmark = pytest.mark.both_databases

ROOT = Path(__file__).parent.parent


def test_the_database_is_the_one_that_was_asked_for(db, request):
    vendors = {"sqlite": "sqlite", "postgres": "postgresql"}
    assert connection.vendor == vendors[request.config.getoption("db")]
    assert "bgreview_tests_" in connection.settings_dict["NAME"].replace("-", "_")


def test_sqlite_is_a_file_far_from_the_developers(db):
    if connection.vendor == "sqlite":
        path = Path(connection.settings_dict["NAME"])
        assert path.is_file()
        assert ROOT not in path.parents


def test_a_key_in_the_developers_env_file_is_not_used():
    assert settings.PROVIDER == "sandbox"
    assert settings.OPENAI_API_KEY == "sk-tests"


def test_another_process_works_on_the_same_database(other_process_env):
    baker.make(JobType)
    count = "from jobs.models import JobType; print(JobType.objects.count())"
    result = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", count],
        cwd=ROOT,
        env=other_process_env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split() == ["1"]


def test_flush_empties_what_only_grows_and_keeps_its_triggers(transactional_db):
    for _ in range(2):
        baker.make(JobEvent, job__wake_at=timezone.now())
        with pytest.raises(DatabaseError, match="append-only"):
            JobEvent.objects.all().delete()
        call_command("flush", interactive=False, verbosity=0)
        assert not JobEvent.objects.exists()


@pytest.mark.parametrize("name", ["models.py", "migrations/0002_more.py"])
def test_a_migrated_database_of_other_code_is_not_copied(tmp_path, monkeypatch, name):
    app = SimpleNamespace(name="shop", path=tmp_path)
    monkeypatch.setattr(migrated.apps, "get_app_configs", lambda: [app])
    before = migrated.digest()
    assert migrated.digest() == before
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("# something else")
    assert migrated.digest() != before


# ---- standing rows ---------------------------------------------------------------


@pytest.fixture(scope="module")
def standing_type(standing) -> int:
    return baker.make(JobType, name="standing").pk


@pytest.mark.parametrize("time", ["first", "second"])
def test_what_a_test_does_to_standing_rows_is_undone(standing_type, db, time):
    kept = JobType.objects.filter(pk=standing_type)
    assert kept.get().name == "standing"
    kept.update(name=time)
    baker.make(JobType)
    assert JobType.objects.count() == 2


def test_a_test_that_asks_for_no_standing_rows_sees_none(db):
    assert not JobType.objects.exists()


def asking_for(*fixtures: str) -> Any:
    """As pytest has collected it in this file."""
    return SimpleNamespace(
        nodeid="test_it",
        path=Path(__file__),
        fixturenames=fixtures,
        get_closest_marker=lambda name: None,
    )


def test_tests_with_standing_rows_come_last():
    with_some = asking_for("standing", "standing_job")
    plain, flushed = asking_for("db"), asking_for("transactional_db")
    items = [with_some, plain, flushed]

    standing.pytest_collection_modifyitems(items)

    assert items == [plain, flushed, with_some]


@pytest.mark.parametrize(
    ("items", "why"),
    [
        ([asking_for("standing_job", "live_server")], "it commits"),
        (
            [asking_for("standing_job"), asking_for("standing_world")],
            "they would see each other's rows",
        ),
    ],
    ids=["commits", "differs"],
)
def test_rows_do_not_stand_where_a_test_would_break_another(items, why):
    with pytest.raises(pytest.UsageError, match=why):
        standing.pytest_collection_modifyitems(items)


# ---- what runs where -------------------------------------------------------------


def test_postgresql_repeats_what_is_marked_or_everything():
    assert "both_databases" in parts(everything=False)["postgres"]
    assert "both_databases" not in parts(everything=True)["postgres"]
    assert "postgres, processes" in parts(everything=True)


@pytest.mark.parametrize("everything", [True, False])
def test_nothing_is_left_out_on_sqlite(everything):
    run = parts(everything)
    assert run["sqlite"][:2] == ["--db=sqlite", "--processes=without"]
    assert "-m" not in run["sqlite"]
    assert run["sqlite, processes"] == ["--db=sqlite", "--processes=only"]


# ---- the closing line ------------------------------------------------------------


def test_the_closing_line_adds_up():
    tallies = [
        Tally("SQLite", passed=5, failed=1, skipped={"no Chromium": 2}),
        Tally("PostgreSQL", passed=7, skipped={"no Chromium": 1}),
    ]
    assert closing_line(tallies) == "12 passed, 1 failed, 3 skipped"
    assert closing_line([Tally("SQLite", passed=1)]) == "1 passed, 0 failed"


def test_a_run_without_a_test_is_a_failure_unless_tests_were_chosen():
    some, none = Tally("SQLite", passed=1), Tally("PostgreSQL", skipped={"slow": 1})
    assert "no test was run" in none.lines()[0]
    assert not succeeded([some, none], chosen=False)
    assert succeeded([some, none], chosen=True)
    assert not succeeded([none, none], chosen=True)


def test_a_failure_in_either_run_is_a_failure():
    good, bad = Tally("SQLite", passed=1), Tally("PostgreSQL", passed=9, failed=1)
    assert succeeded([good, good], chosen=False)
    assert not succeeded([good, bad], chosen=False)


@pytest.mark.parametrize("exit_code", [-9, 2, 3, 4])
def test_a_run_that_broke_off_counts_as_failed(tmp_path, exit_code):
    assert Tally.read(tmp_path / "missing", "sqlite", 1).failed == 1
    done = tmp_path / "done"
    done.write_text('{"label": "SQLite", "passed": 3, "failed": 1}')
    assert Tally.read(done, "sqlite", exit_code).failed == 2
    assert Tally.read(done, "sqlite", 1).failed == 1

"""What the code promises of itself, beside import-linter's contracts."""

import ast
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.databases import ENVIRONMENT

ROOT = Path(__file__).parent.parent
APPS = ("bgreview", "jobs", "reviews")
PRODUCTION = [
    path.relative_to(ROOT)
    for app in APPS
    for path in sorted((ROOT / app).rglob("*.py"))
    if "migrations" not in path.parts
]
TEMPLATES = [
    path.relative_to(ROOT)
    for folder in ("templates", *APPS)
    for path in sorted((ROOT / folder).rglob("*.html"))
]
LONGEST = 350
CLIENT = Path("bgreview/client.py")  # which others copy, alone

# Who may import what, wherever in the file the import stands.
IMPORTERS = {
    "openai": ("jobs/provider/openai.py", "jobs/provider/openai_webhooks.py"),
    "django_q": ("jobs/queue.py",),
    "httpx2": (
        "jobs/provider/",
        "jobs/sandbox/",
        "bgreview/demo/",
        "bgreview/client.py",
    ),
    "httpcore2": ("reviews/delivery/",),
    "requests": (),
    "urllib.request": (),
    "http.client": (),
    "aiohttp": (),
    "smtplib": ("reviews/delivery/",),
    "django.core.mail": ("reviews/delivery/", "reviews/notices.py"),
}


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse((ROOT / path).read_text())))


def places(found: list[tuple[Path, ast.AST]]) -> list[str]:
    return [f"{path}:{node.lineno}: {ast.unparse(node)}" for path, node in found]


def test_only_lifecycle_writes_a_status():
    # Sandbox and client have no rows: they are other houses, with words of their own.
    writers = [
        (path, node)
        for path in PRODUCTION
        if path not in (Path("jobs/lifecycle.py"), CLIENT)
        and "sandbox" not in path.parts
        for node in nodes(path)
        if writes_status(node)
    ]
    assert places(writers) == []


def writes_status(node: ast.AST) -> bool:
    """Does it set a status on a row that exists? (A new row starts with one.)"""
    if isinstance(node, ast.Attribute):
        return node.attr == "status" and isinstance(node.ctx, ast.Store)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return bool(re.search(r"\bSET\s+\"?status\b", node.value))
    if not isinstance(node, ast.Call):
        return False
    if name_of(node.func) == "setattr":
        return any(says_status(argument) for argument in node.args)
    if name_of(node.func) in ("update", "aupdate"):
        return any(
            word.arg == "status" or (word.arg is None and says_status(word.value))
            for word in node.keywords
        )
    if name_of(node.func) in ("bulk_update", "abulk_update", "bulk_create", "save"):
        return any(says_status(part) for part in [*node.args, *node.keywords])
    return False


def name_of(function: ast.AST) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))


def says_status(node: ast.AST) -> bool:
    return any(
        isinstance(part, ast.Constant) and part.value == "status"
        for part in ast.walk(node)
    )


@pytest.mark.parametrize(
    "line",
    [
        "job.status = 'approved'",
        "job.status: str = 'approved'",
        "job.status, job.note = 'approved', ''",
        "setattr(job, 'status', 'approved')",
        "Job.objects.filter(pk=1).update(note='', status='approved')",
        "jobs.update(**{'status': 'approved'})",
        "Job.objects.bulk_update(jobs, ['note', 'status'])",
        "job.save(update_fields=['status'])",
        "cursor.execute('UPDATE jobs_job SET status = 1')",
    ],
)
def test_every_way_to_write_a_status_is_seen(line):
    assert any(writes_status(node) for node in ast.walk(ast.parse(line)))


@pytest.mark.parametrize(
    "line",
    [
        "Job(status='queued')",
        "jobs.filter(status='queued').update(note='')",
        "if job.status == 'queued': pass",
    ],
)
def test_reading_a_status_is_free(line):
    assert not any(writes_status(node) for node in ast.walk(ast.parse(line)))


@pytest.mark.parametrize(("module", "allowed"), IMPORTERS.items())
def test_the_outside_world_is_reached_through_few_modules(module, allowed):
    importers = [
        (path, node)
        for path in PRODUCTION
        if not path.as_posix().startswith(allowed)
        for node, names in imports(path)
        if any(f"{name}.".startswith(f"{module}.") for name in names)
    ]
    assert places(importers) == []


@cache
def imports(path: Path) -> list[tuple[ast.AST, list[str]]]:
    """Each place of this file that imports, with the full names of what."""
    return [(node, names) for node in nodes(path) if (names := imported_by(node))]


def imported_by(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and name_of(node.func) == "import_module":
        return [a.value for a in node.args if isinstance(a, ast.Constant)]
    return []


def test_no_file_is_too_long():
    # The client is one file on purpose: it is copied as that.
    ours = [path for path in PRODUCTION if path != CLIENT]
    lengths = {path: len((ROOT / path).read_text().splitlines()) for path in ours}
    assert {path: n for path, n in lengths.items() if n > LONGEST} == {}


def test_settings_are_never_guessed():
    guesses = [
        (path, node)
        for path in PRODUCTION
        for node in nodes(path)
        if isinstance(node, ast.Call)
        and name_of(node.func) == "getattr"
        and name_of(node.args[0]) == "settings"
    ]
    assert places(guesses) == []


def test_nothing_is_written_as_csv():
    """So no formula gets into a spreadsheet; who adds that has to disarm = + - @."""
    written = re.compile(r"csv\.(?:Dict)?[Ww]riter|text/csv|\.to_csv\b")
    found = [path for path in PRODUCTION if written.search((ROOT / path).read_text())]
    assert found == []


INLINE = {
    "a script": re.compile(r"<script\b(?![^>]*\bsrc=)", re.IGNORECASE),
    "a style": re.compile(r"<style\b|\sstyle\s*=", re.IGNORECASE),
    "a handler": re.compile(r"\s(?:on[a-z]+|hx-on[\w:-]*)\s*=\s*[\"'{]", re.IGNORECASE),
    "a javascript: address": re.compile(r"[\"']\s*javascript:", re.IGNORECASE),
}


@pytest.mark.parametrize("what", INLINE)
def test_templates_have_nothing_inline(what):
    found = [
        path for path in TEMPLATES if INLINE[what].search((ROOT / path).read_text())
    ]
    assert found == []


LOADED = """
import sys, django
django.setup()
print(*sys.modules)
from django.core.checks import run_checks
run_checks(tags=["admin"])
print(*sys.modules)
import bgreview.asgi, bgreview.urls
print(*sys.modules)
"""


def test_processes_load_no_more_than_they_need():
    """The provider's library takes 0.7 s, the rest as long as Django itself."""
    result = subprocess.run(
        [sys.executable, "-c", LOADED],
        cwd=ROOT,
        env=os.environ | ENVIRONMENT | {"DJANGO_SETTINGS_MODULE": "bgreview.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    cluster, checked, web = map(set, map(str.split, result.stdout.splitlines()))
    assert not cluster & {"openai", "redis", "rest_framework.parsers", "jobs.admin"}
    assert "jobs.admin.job" in checked  # or Django would check an admin without pages
    assert not web & {"openai", "redis"}


def variables_that_settings_read() -> set[str]:
    """The first argument of each `env.something("NAME")`."""
    calls = [n for n in nodes(Path("bgreview/settings.py")) if isinstance(n, ast.Call)]
    return {
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and name_of(call.func.value) == "env"
        and isinstance(call.args[0], ast.Constant)
    }


def test_env_example_explains_every_variable():
    text = (ROOT / ".env.example").read_text()
    named = re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE)
    explained = re.findall(r"^# \S.*\n#?([A-Z_]+)=", text, re.MULTILINE)
    assert named == explained
    assert set(named) == variables_that_settings_read()


def test_no_variable_comes_from_a_developers_env_file():
    assert {*ENVIRONMENT, "DATABASE_URL"} == variables_that_settings_read()

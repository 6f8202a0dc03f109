"""What every test stands on: its database, cheap settings, a browser.

The database is chosen in `databases.py`, before this file is read.
"""

import gc
import os
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import override_settings
from hypothesis import settings
from pytest_django import DjangoDbBlocker

from jobs.services import liveness
from reviews.services import plan
from tests import append_only, chromium, databases, migrated
from tests.deliveries import approval, at, desk, inbox  # noqa: F401  (fixtures)
from tests.erasing import kept, mona  # noqa: F401
from tests.house import (  # noqa: F401  (fixtures)
    ann,
    bob,
    committed_review,
    courier,
    job_awaiting_review,
    note,
    olivia,
    provider,
    provider_server,
    review,
    shop,
    standing_job,
)
from tests.postbox import postbox  # noqa: F401  (a fixture)
from tests.sweeping import ask, scripted, slow_job, slow_provider  # noqa: F401
from tests.unguarded import unguarded  # noqa: F401  (fixture)
from tests.web import web  # noqa: F401  (a fixture)

UNDO_WINDOW = plan.undo_window

# The same examples every time: a test that fails now and then helps nobody. More of
# them with `make test ALL=1`.
settings.register_profile(
    "short", max_examples=50, derandomize=True, deadline=None, database=None
)
settings.register_profile("long", settings.get_profile("short"), max_examples=400)
settings.load_profile("short")

append_only.lift_for_flush()
gc.disable()  # while half a million objects are imported, of which none is garbage


def pytest_collection_finish() -> None:
    """What was imported stays: it is not looked through again, and the rest rarely."""
    gc.freeze()
    gc.set_threshold(700, 10, 100)
    gc.enable()


def pytest_terminal_summary(terminalreporter) -> None:
    """How many requests `test_api_fuzz.py` made, in all processes of the run."""
    reports = [r for found in terminalreporter.stats.values() for r in found]
    told = [pair for r in reports for pair in getattr(r, "user_properties", ())]
    asked = sum(number for name, number in told if name == "requests")
    if asked:
        terminalreporter.write_line(f"{asked:,} requests were made up for the API")


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Dropping is left to `databases.py`, which no open connection can refuse."""
    return True


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest,
    django_db_modify_db_settings: None,
    django_db_blocker: DjangoDbBlocker,
) -> None:
    """The test database: migrated, or a copy of one that was."""
    cache = request.config.cache
    with django_db_blocker.unblock(), migrated.copied(databases.server(), cache):
        request.getfixturevalue("django_db_setup")


@pytest.fixture(scope="session", autouse=True)
def _cheap_settings(
    django_test_environment: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    with override_settings(
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        STATIC_ROOT=tmp_path_factory.mktemp("static"),
    ):
        yield


@pytest.fixture(autouse=True)
def _nothing_is_known_of_webhooks() -> None:
    """As in a new process; of the rows of another test nothing may be remembered."""
    liveness.forget()


@pytest.fixture(scope="session", autouse=True)
def _approvals_leave_at_once() -> Iterator[None]:
    """Nobody waits for the time in which they can be taken back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "undo_window", lambda review: timedelta(0))
        yield


@pytest.fixture(autouse=True)
def _approvals_can_be_taken_back(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a test is about just that."""
    if request.node.get_closest_marker("undo") is not None:
        monkeypatch.setattr(plan, "undo_window", UNDO_WINDOW)


@pytest.fixture
def other_process_env(transactional_db: None) -> dict[str, str]:
    """The environment in which another process works on this test's database."""
    return os.environ | {"DATABASE_URL": databases.url_for_others()}


# Per module, not per session: while Playwright runs, its event loop makes Django take
# every test of this thread for async code, and the check for that must be off.
@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """A Chromium, or the test is skipped."""
    program = chromium.find()
    if not program:
        pytest.skip("no Chromium here: install chromium-headless-shell or set CHROMIUM")
    from playwright.sync_api import sync_playwright

    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(
            executable_path=program, args=chromium.FLAGS
        )
        yield browser
        browser.close()


@pytest.fixture
def page_problems() -> Iterator[list[str]]:
    """What a page complained of or loaded from elsewhere: nothing, at the end."""
    problems: list[str] = []
    yield problems
    assert problems == []


@pytest.fixture
def page(browser, live_server, page_problems: list[str]) -> Iterator[object]:
    """A fresh browser window; paths are relative to the live server."""
    context = browser.new_context(base_url=live_server.url)
    page = context.new_page()

    def note_message(message) -> None:
        if message.type in ("error", "warning"):
            page_problems.append(f"{message.type}: {message.text}")

    def note_request(request) -> None:
        if not request.url.startswith((f"{live_server.url}/", "data:", "blob:")):
            page_problems.append(f"loaded from elsewhere: {request.url}")

    page.on("console", note_message)
    page.on("pageerror", lambda error: page_problems.append(str(error)))
    page.on("request", note_request)
    yield page
    context.close()

"""Standing rows: what a module's tests begin with, made once and undone at its end.

Bringing a job to a status takes a hundred times as long as reading it. So rows that
several tests of a module begin with are made by one fixture of its own:

    @pytest.fixture(scope="module")
    def standing_world(standing, provider_server) -> dict[str, int]:
        with courier_to(provider_server) as courier:
            ...  # as in any test; give primary keys

    @pytest.fixture
    def world(standing_world, db) -> World:  # fresh instances for each test
        return World(Job.objects.get(pk=standing_world["waiting"]))

The transaction of each test is a savepoint within the module's, so no test sees what
another did. The house's `job_awaiting_review` is made in this way. Not for tests that
commit (`transactional_db`, `live_server`): these bring their jobs there by themselves.
"""

from collections.abc import Iterator

import pytest
from django.db import transaction

COMMITTING = {"transactional_db", "live_server"}


@pytest.fixture(scope="module")
def standing(django_db_setup: None, django_db_blocker) -> Iterator[None]:
    """Open for the rows of this module; ask for it in fixtures named `standing_...`."""
    rows = transaction.atomic()
    rows._from_testcase = True  # services may open durable transactions in it
    with django_db_blocker.unblock(), rows:
        yield
        transaction.set_rollback(True)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with standing rows come last: no other sees these, no flush meets them."""
    items.sort(key=lambda item: bool(_standing(item)))
    by_module: dict[object, frozenset[str]] = {}
    for item in filter(_standing, items):
        names = by_module.setdefault(item.path, _standing(item))
        if _standing(item) != names:
            raise pytest.UsageError(
                f"{item.nodeid}: it stands on {sorted(_standing(item))}, another test"
                f" of its module on {sorted(names)}: they would see each other's rows"
            )
        if _commits(item):
            raise pytest.UsageError(
                f"{item.nodeid}: it commits, and cannot have standing rows"
            )


def _standing(item: pytest.Item) -> frozenset[str]:
    """The names of the standing rows that this test begins with."""
    names = getattr(item, "fixturenames", ())
    return frozenset(name for name in names if name.startswith("standing"))


def _commits(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("django_db")
    asked = marker is not None and marker.kwargs.get("transaction", False)
    return asked or not COMMITTING.isdisjoint(getattr(item, "fixturenames", ()))

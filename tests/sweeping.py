"""The engine by hand: claim, carry and apply, one step at a time.

And the providers to do it with: the sandbox, a slow one, one that follows a script.
"""

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import httpx2
import pytest
from django.utils import timezone
from pytest_httpserver import HTTPServer

from jobs.courier import Courier
from jobs.models import Job
from jobs.sandbox.app import make_app
from jobs.sandbox.serving import Served, serve
from jobs.services.claim import claim_jobs, claim_suspect
from jobs.services.errands import Errand
from jobs.services.verify import broken_links
from tests.house import PATIENCE, bring_to, submit

RESPONSES = "/v1/responses"
HOUR = timedelta(hours=1)


def history(job: Job) -> list[str]:
    """The statuses it had, in order; its chain is whole."""
    job = Job.objects.get(pk=job.pk)
    assert broken_links(job) == []
    return list(job.events.filter(kind="status").values_list("became", flat=True))


def ledger(provider: Served) -> list[dict]:
    """What the sandbox itself says of all that it ran, oldest first."""
    url = f"{provider.url}/sandbox/ledger"
    # Nothing is encrypted; to read whom to trust would take longer than all else.
    return httpx2.get(url, verify=False).json()["data"]


def runs_of(job: Job, provider: Served) -> list[dict]:
    """What the sandbox's own ledger says of this job, oldest run first."""
    return [
        run
        for run in ledger(provider)
        if run["metadata"].get("job") == str(job.public_id)
    ]


def wait_until_answered(job: Job, provider: Served) -> None:
    until = time.monotonic() + PATIENCE
    while runs_of(job, provider)[-1]["status"] != "completed":
        assert time.monotonic() < until, "it was not answered"


def carry(courier: Courier, errands: list[Errand]) -> list[Errand]:
    """Send them, and wait until all have their replies; nothing is applied yet."""
    courier.send(errands)
    back: list[Errand] = []
    while len(back) < len(errands):
        found = courier.collect(wait=PATIENCE, most=100)
        assert found, "no reply came"
        back += found
    return back


def make_due(*jobs: Job) -> None:
    Job.objects.filter(pk__in=[job.pk for job in jobs]).wake()


def let_lease_pass(job: Job) -> None:
    """As if it had been claimed that long ago."""
    over = Job.objects.filter(pk=job.pk, lease_until__isnull=False)
    over.update(lease_until=timezone.now())
    make_due(job)


def past_deadline(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(deadline_at=timezone.now())


def claim(*jobs: Job) -> list[Errand]:
    make_due(*jobs)
    return claim_jobs(len(jobs))


def claim_one(job: Job) -> list[Errand]:
    """By whichever claim it is due: with others, or alone."""
    return claim(job) or claim_suspect()


@pytest.fixture
def ask(settings) -> Iterator[Callable[..., Courier]]:
    """Opens couriers to other providers, with other keys."""
    opened: list[Courier] = []

    def open_courier(base_url: str, key: str = "sk-tests") -> Courier:
        settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = base_url, key
        opened.append(Courier())
        return opened[-1].__enter__()

    yield open_courier
    for courier in opened:
        courier.__exit__(None, None, None)


@pytest.fixture(scope="module")
def slow_provider() -> Iterator[Served]:
    """The sandbox at the pace of life: what it was given takes it minutes."""
    with serve(make_app(scale=1)) as served:
        yield served


@pytest.fixture
def slow_job(note, shop, ask, slow_provider) -> tuple[Job, Courier]:
    """A job that runs, and will for some minutes; and who asks about it."""
    courier = ask(slow_provider.base_url)
    return bring_to("running", submit(shop, "Hi. [sandbox:slow]"), courier), courier


@pytest.fixture
def scripted(httpserver: HTTPServer, ask) -> Callable[..., Courier]:
    """A provider that answers what it is told to, in this order."""

    def script(*answers: dict) -> Courier:
        for answer in answers:
            known = {"method": "POST", "uri": RESPONSES, "headers": {}} | answer
            httpserver.expect_ordered_request(
                known["uri"], method=known["method"]
            ).respond_with_data(
                known["body"]
                if isinstance(known["body"], (str, bytes))
                else json.dumps(known["body"]),
                status=known.get("status", 200),
                headers=known["headers"],
            )
        return ask(httpserver.url_for("/v1"))

    return script


def response(status: str = "in_progress", **said) -> dict:
    """An answer of the scripted provider, which always calls it resp_1."""
    return {"body": {"id": "resp_1", "status": status, "output": []} | said}


def error(status: int, code: str = "", **headers: str) -> dict:
    body = {"error": {"message": "Sorry.", "type": "", "param": None, "code": code}}
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"status": status, "body": body, "headers": names}


def look(answer: dict) -> dict:
    return answer | {"method": "GET", "uri": f"{RESPONSES}/resp_1"}

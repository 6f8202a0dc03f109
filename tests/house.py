"""What most tests begin with: people, types, a provider, and a job on its way.

Jobs get to a status the way they do in life: through the services, and through the
sandbox over HTTP. Nothing here writes a status.
"""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from http import HTTPStatus
from threading import Thread
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Group, User
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpResponse
from django.test import Client, override_settings
from django.utils import timezone
from rest_framework.test import APIClient

from jobs.courier import Courier
from jobs.models import ApiToken, Job, JobType, JobTypeVersion
from jobs.sandbox.app import make_app
from jobs.sandbox.scenarios import SCENARIOS
from jobs.sandbox.serving import Served, serve
from jobs.services.submit import submit_job
from jobs.sweep import turn
from reviews.models import Destination, DestinationVersion, Review
from reviews.outbox import ROOM, land
from reviews.policy.terms import Terms
from reviews.services.calling import claim_callbacks
from reviews.services.checks import renew_checks
from reviews.services.seen import what_is_seen
from reviews.services.sending import claim_deliveries

SECRET = "whsec_" + "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk="
PATIENCE = 10  # seconds for a job to get where a test wants it

PROMPT_SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string", "title": "Text", "minLength": 1}},
    "required": ["text"],
    "additionalProperties": False,
}


def person(name: str, *groups: str, **fields: Any) -> User:
    """A user of these groups, staff unless said otherwise."""
    user = User.objects.create_user(name, password=name, **{"is_staff": True, **fields})
    member = User.groups.through  # a new one is in no group: there is nothing to ask
    member.objects.bulk_create(
        member(user=user, group=group)
        for group in Group.objects.filter(name__in=groups)
    )
    return user


def job_type(name: str = "note", **version: Any) -> JobType:
    """A type whose prompt is its one input, `text`."""
    made = JobType.objects.create(name=name, title=name.capitalize())
    fields = {
        "model": "gpt-5.2",
        "prompt_template": "$text",
        "input_schema": PROMPT_SCHEMA,
        **version,
    }
    JobTypeVersion(job_type=made, **fields).save()
    return made


def webhook(url: str, *types: JobType, name: str = "desk") -> Destination:
    """A destination for approved results of these types, signed with SECRET."""
    return _destination(name, Destination.Kind.WEBHOOK, url, *types)


def mailbox(address: str, *types: JobType, name: str = "mail") -> Destination:
    return _destination(name, Destination.Kind.EMAIL, address, *types)


def _destination(name: str, kind: str, address: str, *types: JobType) -> Destination:
    made = Destination.objects.create(name=name, kind=kind, secret=SECRET)
    made.job_types.add(*types)
    DestinationVersion(destination=made, address=address).save()
    return made


def submit(by: User, text: str = "Say hello.", of: str = "note", **more: Any) -> Job:
    return submit_job(by=by, type_name=of, given={"text": text}, **more)


def sweep_until(courier: Courier, done: Callable[[], bool]) -> None:
    """Turn the sweep, waiting for no plan of its own, until `done` holds."""
    until = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < until, "it did not get there"
        Job.objects.filter(status__in=["queued", "running"]).wake()
        turn(courier, 0.05)


def bring_to(status: str, job: Job, courier: Courier) -> Job:
    """Have the sweep work until the job has this status."""
    there = Job.objects.filter(pk=job.pk, status=status)
    sweep_until(courier, there.exists)
    return Job.objects.get(pk=job.pk)


@pytest.fixture(scope="session")
def provider_server() -> Iterator[Served]:
    """The sandbox provider, so fast that the first look finds the answer.

    What is to be slow takes half a second, in which a test can do something.
    """
    slow = {"slow": replace(SCENARIOS["slow"], pace=600)}
    with serve(make_app(scale=0.0001, recordings=slow)) as served:
        yield served


@pytest.fixture
def provider(provider_server: Served, settings: Any) -> Served:
    """The settings point at the sandbox."""
    settings.OPENAI_BASE_URL = provider_server.base_url
    settings.OPENAI_API_KEY = "sk-tests"
    return provider_server


@pytest.fixture
def courier(provider: Served) -> Iterator[Courier]:
    with Courier() as courier:
        yield courier


@contextmanager
def courier_to(provider: Served) -> Iterator[Courier]:
    """For rows that stand longer than the settings of a test."""
    url, key = provider.base_url, "sk-tests"
    known = override_settings(OPENAI_BASE_URL=url, OPENAI_API_KEY=key)
    with known, Courier() as courier:
        yield courier


# Who or what stands in the module (see `standing.py`) is not made a second time.


@pytest.fixture
def ann(db: None) -> User:
    """A reviewer."""
    return User.objects.filter(username="ann").first() or person("ann", "Reviewers")


@pytest.fixture
def bob(db: None) -> User:
    """Another reviewer."""
    return person("bob", "Reviewers")


@pytest.fixture
def olivia(db: None) -> User:
    """An operator."""
    return person("olivia", "Operators")


@pytest.fixture
def shop(db: None) -> User:
    """A program: may submit, and see its own jobs."""
    return User.objects.filter(username="shop").first() or program()


def program() -> User:
    """As `shop` is, for rows that stand."""
    return person("shop", "Integrations", is_staff=False)


@pytest.fixture
def note(db: None) -> JobType:
    """A type without a destination."""
    return JobType.objects.filter(name="note").first() or job_type()


@pytest.fixture(scope="module")
def standing_job(standing: None, provider_server: Served) -> Job:
    """Of the types and people, `note` and `shop` stand with it."""
    job_type()
    with courier_to(provider_server) as courier:
        return bring_to("awaiting_review", submit(program()), courier)


@pytest.fixture
def job_awaiting_review(standing_job: Job, db: None) -> Job:
    """A job that the sandbox has answered, waiting for ann or bob."""
    return Job.objects.get(pk=standing_job.pk)


@pytest.fixture
def review(job_awaiting_review: Job) -> Review:
    return Review.objects.get(job=job_awaiting_review)


@pytest.fixture
def committed_review(note: JobType, shop: User, courier: Courier) -> Review:
    """The same for tests that commit: nothing stands, it is brought there anew."""
    return Review.objects.get(job=bring_to("awaiting_review", submit(shop), courier))


def seen(review: Review) -> str:
    """What a page shown now would hand back with a decision."""
    return what_is_seen(review).digest


def with_terms(review: Review, **terms: Any) -> Review:
    """As if its policy had said so when it opened."""
    review.policy = asdict(Terms(**terms))
    review.save(update_fields=["policy"])
    renew_checks(review, timezone.now())
    return review


def send_due() -> None:
    """One turn of the outbox: what is due goes out, and each answer is recorded."""
    with ThreadPoolExecutor(ROOM) as threads:
        flying = {threads.submit(p.send): p for p in claim_deliveries(ROOM)}
        while flying:
            land(flying, PATIENCE)


def call_due() -> None:
    """The outbox sends the status events that are due, one after the other."""
    while calls := claim_callbacks(1):
        calls[0].record(*calls[0].send())


def api(user: User) -> APIClient:
    """A program that shows a token of this user, and is held to CSRF like any other."""
    _, token = ApiToken.objects.create(user=user)
    client = APIClient(enforce_csrf_checks=True)
    client.default_format = "json"
    client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    return client


def browser(user: User) -> Client:
    """One in which this user is logged in already, as if some time ago."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    return client


def problem(answer: HttpResponse, status: int) -> dict[str, Any]:
    """What this answer says went wrong, in the one shape that errors have."""
    assert (answer.status_code, answer["Content-Type"]) == (
        status,
        "application/problem+json",
    ), answer.content
    said = answer.json()
    assert said.keys() - {"errors"} == {"type", "title", "status", "detail"}
    assert said["type"] == "about:blank"
    assert said["title"] == HTTPStatus(status).phrase
    assert said["status"] == status
    assert said["detail"]
    return said


@contextmanager
def receiver(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """A URL whose first caller is treated so, until one of the two has enough."""

    def serve() -> None:
        with suppress(OSError):
            caller, _ = port.accept()
            with caller:
                behave(caller)

    with socket.create_server(("127.0.0.1", 0)) as port:
        port.settimeout(PATIENCE)
        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{port.getsockname()[1]}/"
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the receiver hangs"

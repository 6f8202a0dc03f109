"""Whatever is sent to the API, the answer is one that its schema tells of.

schemathesis makes requests out of the schema, valid ones and others, for every call,
and follows the links from one to the next. Ids, digests and types are swapped for real
ones where that leaves a request what it is, so that it gets past the door. A short run
with a fixed seed is part of the suite; `make fuzz` makes a long one, of other requests
each time: FUZZ=500 is how many for each call, valid and invalid, FUZZ_SEED the seed.

That valid requests are refused now and then is no fault: what a type's input must be,
and what a job's status allows, stands in no schema.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.stateful import run_state_machine_as_test
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation as Place
from schemathesis.specs.openapi import checks

from jobs.models import ApiToken, Job, Thread, ToolCall
from jobs.sandbox.serving import Served
from jobs.services.cancel import cancel_job
from reviews.models import Delivery, Review
from reviews.services.decide import approve
from tests import contract
from tests.house import (
    bring_to,
    courier_to,
    job_type,
    person,
    program,
    seen,
    send_due,
    submit,
    webhook,
)

EXAMPLES = int(os.environ.get("FUZZ", "2"))
SEED = int(os.environ.get("FUZZ_SEED", "20261126"))
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
LASTS = 12  # steps of a walk along the links
HOW = settings(
    max_examples=EXAMPLES,
    stateful_step_count=LASTS,
    deadline=None,
    database=None,
    print_blob=False,
    phases=[Phase.generate, Phase.shrink] if EXAMPLES > 50 else [Phase.generate],
    suppress_health_check=list(HealthCheck),
)
REFUSALS = [400, 401, 403, 404, 405, 406, 409, 410, 413, 415]
SCHEMA = schemathesis.openapi.from_dict(
    contract.generated(),
    config=SchemathesisConfig.from_dict(
        {
            "generation": {"with-security-parameters": False},
            "checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}},
        }
    ),
)
CALLS = {each.ok().label: each.ok() for each in SCHEMA.get_all_operations()}
asked = 0


@cache
def application() -> Any:
    """It looks for static files, so it is not made before it is needed."""
    return get_wsgi_application()


@dataclass(frozen=True)
class World:
    """What there is to ask about, and a token that may."""

    token: str
    jobs: list[str]
    threads: list[str]
    reviews: list[int]
    deliveries: list[str]
    digests: dict[str, str]  # by what a request calls it
    calls: list[str]

    def make_real(self, case: Any) -> None:
        """Let a valid request be about something that is there, three times in four."""
        if is_valid(case, Place.PATH):
            known = {
                "public_id": self.threads if "thread" in case.path else self.jobs,
                "id": self.deliveries if "deliver" in case.path else self.reviews,
                "name": ["note"],
                "number": [1],
                "position": [1],
            }
            for name, value in (case.path_parameters or {}).items():
                case.path_parameters[name] = self.chosen(value, known[name])
        if is_valid(case, Place.BODY):
            self.make_body_real(case.body)

    def make_body_real(self, body: Any) -> None:
        if isinstance(body, list):
            for part in body:
                self.make_body_real(part)
        if not isinstance(body, dict):
            return
        for name in ("outputs", "jobs"):
            self.make_body_real(body.get(name))
        for name in self.digests.keys() & body.keys():
            body[name] = self.chosen(body[name], [self.digests[name]])
        if "call_id" in body:
            body["call_id"] = self.chosen(body["call_id"], self.calls)
        if {"type", "input"} <= body.keys():
            body["type"] = self.chosen(body["type"], ["note"])
            body["input"] = self.chosen(body["input"], [{"text": "Hello."}])

    def chosen(self, value: Any, real: list[Any]) -> Any:
        number = sum(repr(value).encode())
        return value if number % 4 == 0 else real[number % len(real)]


def is_valid(case: Any, place: Place) -> bool:
    if case.meta is None:
        return False
    part = case.meta.components.get(place)
    return part is not None and part.mode == GenerationMode.POSITIVE


@pytest.fixture(scope="module")
def standing_world(
    standing: None, provider_server: Served, make_httpserver: Any
) -> World:
    """A job at every stop, and somebody who may do everything."""
    note, shop = job_type(), program()
    ann = person("ann", is_superuser=True)
    with courier_to(provider_server) as courier:
        waiting = bring_to("awaiting_review", submit(shop), courier)
        cited = bring_to("awaiting_review", submit(shop, "[sandbox:cited] x"), courier)
        asking = bring_to(
            "requires_action", submit(shop, "Hi. [sandbox:function-call]"), courier
        )
        make_httpserver.expect_request("/desk").respond_with_data("no", status=400)
        webhook(make_httpserver.url_for("/desk"), note)
        sent = bring_to("awaiting_review", submit(shop), courier)
        approve(Review.objects.get(job=sent), by=ann, seen=seen_of(sent))
        send_due()
    ended = cancel_job(submit(shop), by=ann)
    in_turn = submit(shop, thread="user:42")
    jobs = [waiting, cited, asking, sent, ended, in_turn]
    call = ToolCall.objects.get()
    return World(
        token=ApiToken.objects.create(user=ann)[1],
        jobs=[str(job.public_id) for job in jobs],
        threads=[str(each.public_id) for each in Thread.objects.all()],
        reviews=list(Review.objects.values_list("pk", flat=True)),
        deliveries=[str(each.uuid) for each in Delivery.objects.all()],
        digests={"seen": seen_of(waiting), "call_sha256": call.call_hash},
        calls=[call.call_id],
    )


def seen_of(job: Job) -> str:
    return seen(Review.objects.get(job=job))


@pytest.fixture
def world(standing_world: World, db: None) -> World:
    return standing_world


@pytest.fixture(scope="module", autouse=True)
def _one_connection() -> Iterator[None]:
    """As Django's own test client has it: the connection is that of the test."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture(autouse=True)
def _counted(record_property: Callable[[str, object], None]) -> Iterator[None]:
    """How many requests a test made; conftest.py adds them up."""
    before = asked
    yield
    record_property("requests", asked - before)


def answers_as_told(case: Any, token: str) -> Any:
    global asked
    asked += 1
    headers = {"Authorization": f"Token {token}"}
    answer = case.call(headers=headers, app=application())
    case.validate_response(answer, checks=CHECKS)
    return answer


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name.lower())
@pytest.mark.parametrize("label", CALLS)
def test_every_answer_is_one_that_the_schema_tells_of(
    world: World, label: str, mode: GenerationMode
) -> None:
    @seed(SEED)
    @HOW
    @given(case=CALLS[label].as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        world.make_real(case)
        answers_as_told(case, world.token)

    with suppress(Unsatisfiable):  # there is nothing that could be invalid
        ask()


def test_so_it_is_along_the_links(world: World) -> None:
    class Walk(SCHEMA.as_state_machine()):  # type: ignore[misc]
        """Each begins with the same rows: hypothesis goes by what was answered."""

        def setup(self) -> None:
            self.rows = transaction.atomic()
            self.rows.__enter__()

        def teardown(self) -> None:
            transaction.set_rollback(True)
            self.rows.__exit__(None, None, None)

        def before_call(self, case: Any) -> None:
            if is_valid(case, Place.BODY):
                world.make_body_real(case.body)

        def call(self, case: Any, **kwargs: Any) -> Any:
            return answers_as_told(case, world.token)

        def validate_response(self, *args: Any, **kwargs: Any) -> None:
            """It was."""

    run_state_machine_as_test(seed(SEED)(Walk), settings=HOW)

"""What holds for every call of the API: how often, how much, from where."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.utils import timezone
from rest_framework.test import APIClient

from jobs.models import Job, JobType
from jobs.sandbox.serving import serve
from reviews.models import Review
from tests.house import api, problem

JOBS = "/api/v1/jobs/"
LISTS = [JOBS, "/api/v1/job-types/", "/api/v1/reviews/", "/api/v1/deliveries/"]


@pytest.fixture
def program(note: JobType, shop: User) -> APIClient:
    return api(shop)


# ---- how often ------------------------------------------------------------------


def rate(answer: Any) -> list[int]:
    names = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
    return [int(answer[name]) for name in names]


def test_a_token_is_told_how_often_it_may_still_ask(
    program: APIClient, shop: User, settings: Any
) -> None:
    settings.API_RATE = "2/minute"
    now = timezone.now()
    with time_machine.travel(now, tick=False) as clock:
        assert rate(program.get(JOBS)) == [2, 1, 60]
        clock.shift(20)
        assert rate(program.post(JOBS, {})) == [2, 0, 40]
        clock.shift(5.5)

        refused = program.get(JOBS)

        problem(refused, 429)
        assert rate(refused) == [2, 0, 35]
        assert refused["Retry-After"] == "35"
        assert api(shop).get(JOBS).status_code == 200, "another token has its own"
        clock.shift(35)
        assert program.get(JOBS).status_code == 200


def test_what_is_refused_is_not_counted(program: APIClient, settings: Any) -> None:
    settings.API_RATE = "1/minute"
    with time_machine.travel(timezone.now(), tick=False) as clock:
        program.get(JOBS)
        for _ in range(5):
            problem(program.get(JOBS), 429)
        clock.shift(61)
        assert program.get(JOBS).status_code == 200


def test_without_a_rate_nobody_is_counted(program: APIClient) -> None:
    answer = program.get(JOBS)

    assert not [name for name in answer.headers if name.startswith("RateLimit")]


@pytest.mark.parametrize("said", ["often", "0/minute", "5", "5/fortnight", "-1/hour"])
def test_a_rate_that_is_none_is_found_at_the_start(said: str, settings: Any) -> None:
    assert "bgreview.E009" not in {each.id for each in run_checks()}
    settings.API_RATE = said
    assert "bgreview.E009" in {each.id for each in run_checks()}


# ---- how much -------------------------------------------------------------------


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    """Our own front door, as an ASGI server has it."""
    from bgreview.asgi import application  # which looks for static files

    with serve(application) as served:
        yield served.url


@pytest.mark.parametrize(
    "announced", ["Content-Length: 2500001", "Transfer-Encoding: chunked"]
)
def test_a_body_beyond_the_limit_is_not_read_to_its_end(
    web: str, transactional_db: None, shop: User, announced: str
) -> None:
    host, _, port = web.removeprefix("http://").partition(":")
    token = api(shop)._credentials["HTTP_AUTHORIZATION"]
    lines = [
        f"POST {JOBS} HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/json",
        f"Authorization: {token}",
        announced,
    ]
    with socket.create_connection((host, int(port)), timeout=20) as caller:
        caller.sendall("\r\n".join([*lines, "", ""]).encode())
        if "chunked" in announced:
            caller.sendall(b"%x\r\n%s\r\n" % (2_500_001, b" " * 2_500_001))
        answer = caller.makefile("rb").read()  # to its end: the server hangs up

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in answer


# ---- from where, and how --------------------------------------------------------


def test_no_page_of_another_origin_may_read_it(program: APIClient) -> None:
    origin = {"HTTP_ORIGIN": "https://elsewhere.example"}
    asked = {**origin, "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "POST"}

    for answer in (program.get(JOBS, **origin), program.options(JOBS, **asked)):
        assert not [h for h in answer.headers if h.startswith("Access-Control")]


@pytest.mark.parametrize("address", LISTS)
def test_a_parameter_that_is_not_known_is_refused(
    program: APIClient, olivia: User, address: str
) -> None:
    said = problem(api(olivia).get(address, {"colour": "red"}), 400)

    assert said["errors"] == {"colour": ["This parameter is not known."]}


def test_what_takes_no_fields_refuses_those_it_is_given(
    review: Review, ann: User, olivia: User
) -> None:
    calls = [(olivia, f"{JOBS}{review.job.public_id}/check/")]
    calls += [(ann, f"/api/v1/reviews/{review.pk}/release/")]
    for person, address in calls:
        refused = problem(api(person).post(address, {"colour": "red"}), 400)

        assert refused["errors"] == {"colour": ["This field is not known."]}
        assert api(person).post(address).status_code != 400


@pytest.mark.parametrize("query", ["status=", "status=queued&status=", "text="])
def test_a_parameter_without_a_value_is_refused(program: APIClient, query: str) -> None:
    (name,) = problem(program.get(f"{JOBS}?{query}"), 400)["errors"]

    assert query.startswith(name)


def test_nothing_is_done_for_who_sends_a_parameter_to_a_verb(
    program: APIClient,
) -> None:
    body = {"type": "note", "input": {"text": "Hello"}}

    problem(program.post(f"{JOBS}?dry_run=true", body), 400)
    assert not Job.objects.exists()


def test_who_sends_another_scheme_is_told_ours(db: None) -> None:
    answer = APIClient().get(JOBS, HTTP_AUTHORIZATION="Bearer abc")

    assert "Authorization: Token" in problem(answer, 401)["detail"]


def test_who_forgot_the_last_slash_is_told(program: APIClient) -> None:
    assert "end in a slash" in problem(program.get("/api/v1/jobs"), 404)["detail"]
    assert "slash" not in problem(program.get("/api/v1/jops/"), 404)["detail"]


def test_half_a_character_is_called_so(program: APIClient) -> None:
    body = {"type": "note", "input": {"text": "\ud83d"}}

    answer = program.post(JOBS, json.dumps(body), content_type="application/json")

    (said,) = problem(answer, 400)["errors"]["input.text"]
    assert "half of a surrogate pair" in said


def test_what_breaks_before_any_view_is_a_problem_too(program: APIClient) -> None:
    problem(program.get(JOBS, HTTP_HOST="evil.example"), 400)

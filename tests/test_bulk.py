"""Jobs by the thousand: all or nothing, errors by row, few queries."""

from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from jobs.models import Job, JobType
from jobs.services.submit import InvalidInput
from jobs.services.submit_many import MOST_TOLD, Wanted, submit_many
from jobs.services.verify import broken_links
from reviews.models import Destination
from tests.house import api, bring_to, job_type, person, problem, webhook
from tests.test_idempotency import post, told_twice

BULK = "/api/v1/jobs/bulk/"
FEW = {"sqlite": 60, "postgresql": 20}  # SQLite takes at most 999 values at a time


def row(text: str = "Say hello.", **more: Any) -> dict[str, Any]:
    return {"type": "note", "input": {"text": text}, **more}


@pytest.fixture
def program(note: JobType, shop: User) -> APIClient:
    return api(shop)


def refused(answer: Any) -> dict[str, list[str]]:
    assert not Job.objects.exists()
    return problem(answer, 400)["errors"]


def test_each_row_becomes_a_job_in_its_order(program: APIClient, shop: User) -> None:
    letter = job_type("letter")
    rows = [
        row("One", title="First", metadata={"a": "b"}, deadline_seconds=60),
        row("Two", type="letter", attempt_seconds=5),
    ]

    answer = program.post(BULK, {"jobs": rows})

    assert answer.status_code == 201
    first, second = (
        Job.objects.get(public_id=each["id"]) for each in answer.json()["jobs"]
    )
    assert (first.title, first.input, first.metadata) == (
        "First",
        {"text": "One"},
        {"a": "b"},
    )
    assert (first.deadline_at - first.created_at).total_seconds() == 60
    assert (second.version.job_type, second.attempt_seconds) == (letter, 5)
    assert {first.requester, second.requester} == {shop}
    link = answer.json()["jobs"][0]["link"]
    assert program.get(link).json()["status"] == "queued"
    assert not broken_links(first)


def test_jobs_of_a_bulk_run_as_others_do(
    program: APIClient, shop: User, courier: Any
) -> None:
    program.post(BULK, {"jobs": [row()]})

    bring_to("awaiting_review", Job.objects.get(), courier)


def test_one_bad_row_and_nothing_is_stored(program: APIClient) -> None:
    rows = [row(), row(""), row(colour="red"), row(title=5), {"prompt": "Hello"}]

    assert refused(program.post(BULK, {"jobs": rows})).keys() == {
        "jobs.2.colour",
        "jobs.3.title",
    }
    said = refused(program.post(BULK, {"jobs": [rows[0], rows[1], rows[4]]}))
    assert said == {
        "jobs.1.input.text": ["This must not be empty."],
        "jobs.2.prompt": ["There is no job type 'freeform'."],
    }


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"jobs": []},
        {"jobs": {}},
        {"jobs": [1]},
        {"jobs": None},
        [],
        {"jobs": [row()] * 1_001},
        {"jobs": [row(thread="user:42")]},
        {"jobs": [row()], "dry_run": True},
    ],
)
def test_what_is_no_list_of_jobs_is_refused(program: APIClient, body: Any) -> None:
    refused(program.post(BULK, body))


def test_who_may_not_submit_may_not_in_bulk(note: JobType) -> None:
    auditor = api(person("audrey", "Auditors"))

    problem(auditor.post(BULK, {"jobs": [row()]}), 403)
    assert not Job.objects.exists()


def test_a_thousand_take_few_queries(program: APIClient) -> None:
    desk = webhook("https://desk.example/")
    Destination.objects.filter(pk=desk.pk).update(takes_callbacks=True)
    rows = [row(callback_url=f"https://desk.example/{n}") for n in range(1_000)]

    with CaptureQueriesContext(connection) as asked:
        answer = program.post(BULK, {"jobs": rows})

    assert (answer.status_code, Job.objects.count()) == (201, 1_000)
    assert len(asked) <= FEW[connection.vendor]


def test_of_very_many_errors_some_are_told(note: JobType, shop: User) -> None:
    with pytest.raises(InvalidInput) as refused:
        submit_many(by=shop, wanted=[Wanted("note", {})] * 1_000)

    assert len(refused.value.errors) == MOST_TOLD


def test_repeated_under_its_key_it_is_one_bulk(program: APIClient) -> None:
    body = {"jobs": [row(), row()]}

    told_twice(partial(post, program, BULK, body), 201)

    assert Job.objects.count() == 2

"""Threads over the API: made, seen, listed, counted, archived and deleted."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from jobs.models import Job, Price, Thread
from tests.house import api, bring_to, person, problem, submit
from tests.threads import KEY, made, thread_of

THREADS = "/api/v1/threads/"
JOBS = "/api/v1/jobs/"


def path_of(thread: Thread) -> str:
    return f"{THREADS}{thread.public_id}/"


def test_it_is_made_once_and_then_shown(shop):
    at = (timezone.now() + timedelta(days=1)).isoformat()
    said = {"key": KEY, "metadata": {"a": "b"}, "max_messages": 10, "expires_at": at}
    first, again = (api(shop).post(THREADS, said) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    told = first.json()
    assert told == again.json()
    assert told["id"] == str(Thread.objects.get().public_id)
    assert {name: told[name] for name in ("key", "state", "owner", "active_job")} == {
        "key": KEY,
        "state": "idle",
        "owner": "shop",
        "active_job": None,
    }
    assert api(shop).get(told["links"]["self"]).json() == told


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ({}, {"key"}),
        ({"key": 4}, {"key"}),
        ({"key": " "}, {"key"}),
        ({"key": "x" * 201}, {"key"}),
        ({"key": "k", "colour": "red"}, {"colour"}),
        ({"key": "k", "max_messages": 1}, {"max_messages"}),
        ({"key": "k", "max_age_seconds": 2**31}, {"max_age_seconds"}),
        ({"key": "k", "expires_at": "2020-01-01T00:00:00Z"}, {"expires_at"}),
        ({"key": "k", "expires_at": "9999-12-31T23:59:59-12:00"}, {"expires_at"}),
        ({"key": "k", "metadata": {"a": 1}}, {"metadata.a"}),
    ],
    ids=str,
)
def test_what_is_wrong_is_named_by_field(shop, said: dict[str, Any], fields):
    answer = api(shop).post(THREADS, said)
    assert set(problem(answer, 400)["errors"]) == fields
    assert not Thread.objects.exists()


def test_others_threads_are_not_there(shop, olivia, db):
    other = thread_of(person("eve", "Integrations"))
    own = thread_of(shop)
    for method, path in (
        ("get", path_of(other)),
        ("get", f"{path_of(other)}stats/"),
        ("post", f"{path_of(other)}archive/"),
        ("delete", path_of(other)),
        ("get", f"{THREADS}{uuid4()}/"),
    ):
        problem(getattr(api(shop), method)(path), 404)
    listed = api(shop).get(THREADS).json()["results"]
    assert [each["id"] for each in listed] == [str(own.public_id)]
    assert len(api(olivia).get(THREADS).json()["results"]) == 2


def test_who_sees_all_may_not_close_all(shop, db):
    thread = thread_of(shop)
    auditor = api(person("una", "Auditors"))
    assert auditor.get(path_of(thread)).status_code == 200
    problem(auditor.delete(path_of(thread)), 403)
    problem(auditor.post(f"{path_of(thread)}archive/"), 403)
    problem(auditor.post(THREADS, {"key": KEY}), 403)


def test_it_is_archived_and_deleted(shop):
    thread = thread_of(shop)
    archived = api(shop).post(f"{path_of(thread)}archive/")
    assert (archived.status_code, archived.json()["state"]) == (202, "archiving")
    problem(api(shop).post(f"{path_of(thread)}archive/"), 409)
    deleted = api(shop).delete(f"{path_of(thread)}?archive=true")
    assert (deleted.status_code, deleted.json()["state"]) == (202, "deleting")
    assert Thread.objects.get().keeps_copy
    assert api(shop).delete(path_of(thread)).status_code == 202
    answer = api(shop).delete(f"{path_of(thread)}?archive=perhaps")
    assert set(problem(answer, 400)["errors"]) == {"archive"}


def test_no_copy_is_promised_once_it_is_deleted_without_one(shop):
    thread = thread_of(shop)
    assert api(shop).delete(path_of(thread)).status_code == 202

    refused = api(shop).delete(f"{path_of(thread)}?archive=true")

    assert "already, without a copy" in problem(refused, 409)["detail"]
    assert not Thread.objects.get().keeps_copy


def test_archiving_takes_no_fields(shop):
    answer = api(shop).post(f"{path_of(thread_of(shop))}archive/", {"x": 1})

    assert set(problem(answer, 400)["errors"]) == {"x"}
    assert Thread.objects.get().stage == Thread.Stage.OPEN


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=idle", [KEY]),
        ("state=active", ["busy"]),
        ("state=idle&state=active", ["busy", KEY]),
        ("state=requires_action", []),
        ("state=archiving", ["old"]),
        ("key=busy", ["busy"]),
        ("owner=nobody", []),
        ("created_after=2100-01-01T00:00:00Z", []),
    ],
)
def test_a_list_is_narrowed(note, shop, query, found):
    thread_of(shop, "old")
    thread_of(shop)
    job = submit(shop, thread="busy")
    Thread.objects.filter(key="busy").update(active_job=job)
    Thread.objects.filter(key="old").update(stage="archiving")
    listed = api(shop).get(f"{THREADS}?{query}").json()["results"]
    assert [each["key"] for each in listed] == found


def test_stats_count_what_happened(note, shop, courier):
    Price.objects.create(model="gpt-5.2", since="2020-01-01", input=1, output=10)
    jobs = [submit(shop, text, thread=KEY) for text in ("One.", "Two.")]
    for job in jobs:
        bring_to("awaiting_review", job, courier)
    told = api(shop).get(f"{path_of(jobs[0].thread)}stats/").json()
    assert told["messages"] == 4
    assert (told["jobs"], told["attempts"], told["conversations"]) == (2, 2, 1)
    assert told["jobs_by_status"] == {"awaiting_review": 2}
    tokens = ("input_tokens", "output_tokens", "total_tokens")
    into, out, both = (told[name] for name in tokens)
    assert into + out == both > 0
    assert float(told["cost"]) == pytest.approx((into + 10 * out) / 1_000_000)
    assert told["last_run_at"]
    assert told["age_seconds"] >= 0


def test_stats_say_nothing_of_what_is_not_known(shop):
    told = api(shop).get(f"{path_of(thread_of(shop))}stats/").json()
    assert (told["cost"], told["last_run_at"], told["messages"]) == (None, None, 0)


# ---- jobs in threads -------------------------------------------------------------


def job_body(**more: Any) -> dict[str, Any]:
    return {"type": "note", "input": {"text": "Hello."}, "thread": KEY} | more


def test_a_job_is_submitted_into_a_thread(note, shop):
    told = api(shop).post(JOBS, job_body()).json()
    thread = Thread.objects.get()
    assert told["thread"] == {"id": str(thread.public_id), "key": KEY}
    assert Job.objects.get().thread == thread
    listed = api(shop).get(f"{JOBS}?thread={KEY}").json()["results"]
    assert [each["id"] for each in listed] == [told["id"]]


def test_one_that_is_not_to_wait_is_refused_with_the_active_job(note, shop):
    first = api(shop).post(JOBS, job_body()).json()
    answer = api(shop).post(JOBS, job_body(on_active="reject"))
    assert first["id"] in problem(answer, 409)["detail"]
    assert api(shop).post(JOBS, job_body(on_active="cancel")).status_code == 201
    assert Job.objects.get(public_id=first["id"]).status == "cancelled"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"thread": ""}, "thread"),
        ({"thread": "x" * 201}, "thread"),
        ({"on_active": "explode"}, "on_active"),
    ],
)
def test_a_bad_thread_is_named(note, shop, more, field):
    answer = api(shop).post(JOBS, job_body(**more))
    assert set(problem(answer, 400)["errors"]) == {field}
    assert not Job.objects.exists()


def test_what_to_do_about_others_needs_a_thread(note, shop):
    body = job_body(on_active="queue")
    del body["thread"]
    answer = api(shop).post(JOBS, body)
    assert set(problem(answer, 400)["errors"]) == {"on_active"}


def test_the_same_key_submits_once_into_a_thread(note, shop):
    client = api(shop)
    answers = [
        client.post(JOBS, job_body(on_active="reject"), HTTP_IDEMPOTENCY_KEY="k1")
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert Job.objects.count() == 1


def test_a_waiting_job_says_for_whom(note, shop, courier):
    made(courier, thread_of(shop))
    submit(shop, thread=KEY, title="The first")
    told = api(shop).post(JOBS, job_body()).json()
    assert told["waiting"]["for"] == "its turn"
    assert "“The first” is before it" in told["explanation"]

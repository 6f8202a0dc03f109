"""Idempotency-Key: obeyed once, answered as often as it is asked."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.utils import timezone
from rest_framework.test import APIClient

from jobs.cleanup import clean_up
from jobs.models import ApiToken, IdempotencyKey, Job, JobEvent, JobType
from jobs.services import answer_once as service
from jobs.services.answer_once import Answer, answer_once
from reviews.models import Decision, Review
from reviews.services.decide import approve
from tests.deliveries import only_delivery
from tests.house import api, person, problem, seen, send_due, submit

pytestmark = pytest.mark.both_databases

JOBS = "/api/v1/jobs/"
BODY = {"type": "note", "input": {"text": "Say hello."}}
AT_ONCE = 8
DAY = timedelta(days=1)


@pytest.fixture
def program(note: JobType, shop: User) -> APIClient:
    return api(shop)


def post(client: APIClient, address: str, body: Any = None, key: str = "k-1") -> Any:
    return client.post(address, body, HTTP_IDEMPOTENCY_KEY=key)


def is_replayed(answer: Any) -> bool:
    return answer.headers.get("Idempotency-Replayed") == "true"


def told_twice(act: Callable[[], Any], code: int) -> Any:
    """The first answer; the second is the same, and says that it is no new one."""
    first, second = act(), act()
    assert (first.status_code, second.status_code) == (code, code), first.content
    assert first.content == second.content
    assert first["Content-Type"] == second["Content-Type"] == "application/json"
    assert not is_replayed(first)
    assert is_replayed(second)
    return first


# ---- the same again -------------------------------------------------------------


def test_a_repeated_submission_is_one_job_and_one_answer(program: APIClient) -> None:
    first = told_twice(partial(post, program, JOBS, BODY), 201)

    assert str(Job.objects.get().public_id) == first.json()["id"]


def test_the_first_answer_stands_whatever_became_of_the_job(
    program: APIClient, shop: User
) -> None:
    first = post(program, JOBS, BODY)
    program.post(f"{JOBS}{first.json()['id']}/cancel/")

    assert post(program, JOBS, BODY).json()["status"] == "queued"


def test_another_body_under_the_key_is_refused(program: APIClient) -> None:
    post(program, JOBS, BODY)

    other = post(program, JOBS, BODY | {"title": "Another"})

    assert "k-1 was used for another request" in problem(other, 409)["detail"]
    assert Job.objects.count() == 1


def test_without_a_key_every_request_counts(program: APIClient) -> None:
    assert {program.post(JOBS, BODY).status_code for _ in range(2)} == {201}
    assert Job.objects.count() == 2
    assert not IdempotencyKey.objects.exists()


def test_a_key_is_its_owners_and_its_addresss(program: APIClient) -> None:
    mill = api(person("mill", "Integrations"))
    own, theirs = post(program, JOBS, BODY), post(mill, JOBS, BODY)
    assert own.json()["id"] != theirs.json()["id"]

    ended = post(program, f"{JOBS}{own.json()['id']}/cancel/")

    assert (ended.json()["status"], is_replayed(ended)) == ("cancelled", False)


def test_every_token_of_an_owner_has_the_same_keys(
    program: APIClient, shop: User
) -> None:
    first = post(program, JOBS, BODY)

    assert post(api(shop), JOBS, BODY).content == first.content


@pytest.mark.parametrize("key", ["", " ", "two words", "é", "x" * 256, "a\tb"])
def test_a_key_that_is_none_is_refused(program: APIClient, key: str) -> None:
    said = problem(post(program, JOBS, BODY, key), 400)

    assert said["errors"].keys() == {"Idempotency-Key"}
    assert not Job.objects.exists()


@pytest.mark.parametrize("key", ["!", '"8e03978e-40d5"', "x" * 255])
def test_a_key_may_be_whatever_prints(program: APIClient, key: str) -> None:
    told_twice(partial(post, program, JOBS, BODY, key), 201)


# ---- an error is no answer ------------------------------------------------------


def test_a_refused_request_leaves_its_key_free(program: APIClient) -> None:
    wrong = post(program, JOBS, {"type": "note", "input": {}})
    problem(wrong, 400)
    assert not IdempotencyKey.objects.exists()

    assert post(program, JOBS, BODY).status_code == 201


def test_a_move_that_is_refused_is_refused_again(
    program: APIClient, note: JobType, shop: User
) -> None:
    ended = f"{JOBS}{submit(shop).public_id}/cancel/"
    program.post(ended)

    for _ in range(2):
        problem(post(program, ended), 409)
    assert not IdempotencyKey.objects.exists()


def test_work_and_key_are_stored_together_or_not_at_all(
    note: JobType, shop: User
) -> None:
    def work() -> Answer:
        submit(shop)
        raise RuntimeError("the process dies")

    with pytest.raises(RuntimeError):
        answer_once(owner=shop, route="r", key="k", request_hash="h", work=work)

    assert not Job.objects.exists()
    assert not IdempotencyKey.objects.exists()


def test_a_key_at_an_address_of_any_length_is_kept_in_its_column(shop: User) -> None:
    route = f"/api/v1/reviews/{'9' * 300}/claim/"
    for each in (route, f"{route}again/", route):
        answer_once(
            owner=shop,
            route=each,
            key="k-1",
            request_hash="h",
            work=lambda: Answer(200, "{}"),
        )

    kept = IdempotencyKey.objects.values_list("route", flat=True)
    assert [len(each) <= 200 for each in kept] == [True, True]


def test_a_review_of_an_endless_number_is_not_there(olivia: User) -> None:
    answer = post(api(olivia), f"/api/v1/reviews/{'9' * 300}/claim/", {})

    problem(answer, 404)


def test_no_one_without_a_right_is_answered_from_the_store(
    program: APIClient, shop: User
) -> None:
    post(program, JOBS, BODY)
    ApiToken.objects.filter(user=shop).delete()

    problem(post(program, JOBS, BODY), 401)


# ---- what else is created or decided --------------------------------------------


def test_a_repeated_decision_is_one(review: Review, ann: User) -> None:
    page = seen(review)
    verdict = {"verdict": "approve", "seen": page, "comment": "Good."}

    told_twice(
        partial(post, api(ann), f"/api/v1/reviews/{review.pk}/decisions/", verdict), 201
    )

    assert Decision.objects.count() == 1


def test_repeated_verbs_of_a_job_are_obeyed_once(
    note: JobType, shop: User, olivia: User
) -> None:
    operator, job = api(olivia), submit(shop)

    for verb in ("check", "cancel", "retry"):
        told_twice(partial(post, operator, f"{JOBS}{job.public_id}/{verb}/"), 200)

    became = JobEvent.objects.filter(job=job, kind="status").values_list("became")
    assert [status for (status,) in became.order_by("seq")] == [
        "queued",
        "cancelled",
        "queued",
    ]


def test_a_repeated_resend_sends_once(
    desk: Any, review: Review, ann: User, olivia: User, httpserver: Any
) -> None:
    httpserver.clear()
    httpserver.expect_request("/desk").respond_with_data("no", status=400)
    approve(review, by=ann, seen=seen(review))
    send_due()
    resend = f"/api/v1/deliveries/{only_delivery().uuid}/resend/"

    told_twice(partial(post, api(olivia), resend), 200)
    send_due()
    assert is_replayed(post(api(olivia), resend))
    send_due()

    assert len(httpserver.log) == 2


# ---- two at once ----------------------------------------------------------------


def test_of_many_at_the_same_instant_one_is_obeyed_and_all_are_answered(
    transactional_db: None, note: JobType, shop: User
) -> None:
    barrier = Barrier(AT_ONCE)
    clients = [api(shop) for _ in range(AT_ONCE)]

    def ask(client: APIClient) -> Any:
        barrier.wait(20)
        try:
            return post(client, JOBS, BODY)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(ask, clients))

    assert [answer.status_code for answer in answers] == [201] * AT_ONCE
    assert len({answer.content for answer in answers}) == 1
    assert sum(is_replayed(answer) for answer in answers) == AT_ONCE - 1
    assert Job.objects.count() == 1


def test_only_who_waited_in_vain_is_told_to_come_again(
    transactional_db: None,
    note: JobType,
    shop: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = api(shop)
    program.get(JOBS)  # or the use of its token would be noted first
    monkeypatch.setattr(service, "PATIENCE", 1)
    if connection.vendor == "sqlite":
        connection.cursor().execute("PRAGMA busy_timeout = 100")

    barrier = Barrier(2)

    def hold() -> Answer:
        barrier.wait(20)  # the key is taken
        barrier.wait(20)  # the other has given up
        return Answer(201, "{}")

    def first() -> None:
        try:
            answer_once(owner=shop, route=JOBS, key="k-1", request_hash="", work=hold)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(first)
        barrier.wait(20)
        busy = post(program, JOBS, BODY)
        barrier.wait(20)
        running.result(20)

    assert "is still at work" in problem(busy, 409)["detail"]
    assert busy["Retry-After"] == "5"
    assert not Job.objects.exists()


# ---- how long it is kept --------------------------------------------------------


def test_a_key_is_kept_for_a_day(program: APIClient) -> None:
    post(program, JOBS, BODY)
    IdempotencyKey.objects.update(created_at=timezone.now() - DAY + timedelta(hours=1))
    clean_up()
    assert is_replayed(post(program, JOBS, BODY))

    IdempotencyKey.objects.update(created_at=timezone.now() - DAY)
    clean_up()

    assert not is_replayed(post(program, JOBS, BODY))
    assert Job.objects.count() == 2


def test_content_in_an_answer_is_deleted_with_that_of_its_job(
    program: APIClient,
) -> None:
    JobType.objects.update(keep_days=0)
    first = post(program, JOBS, BODY)
    program.post(f"{JOBS}{first.json()['id']}/cancel/")
    clean_up()

    assert not IdempotencyKey.objects.exclude(body="").exists()
    assert "was deleted" in problem(post(program, JOBS, BODY), 410)["detail"]
    assert Job.objects.count() == 1


@pytest.mark.parametrize("kind", ["review", "delivery"])
def test_answers_about_reviews_and_deliveries_go_with_their_job(
    kind: str, desk: Any, review: Review, ann: User, olivia: User
) -> None:
    if kind == "review":
        post(api(ann), f"/api/v1/reviews/{review.pk}/claim/", {})
    else:
        approve(review, by=ann, seen=seen(review))
        uuid = only_delivery().uuid
        reason = {"reason": "Not wanted."}
        post(api(olivia), f"/api/v1/deliveries/{uuid}/withdraw/", reason)

    assert IdempotencyKey.objects.get().job == review.job

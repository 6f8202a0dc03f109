"""Deliveries over the API: seen by those who may, moved on by those who may."""

import uuid

import pytest
from django.contrib.auth.models import Permission

from jobs.models import Job
from reviews.models import Delivery, Destination, DestinationVersion
from reviews.services.decide import approve
from tests.deliveries import only_delivery, received
from tests.house import (
    api,
    bring_to,
    person,
    problem,
    seen,
    send_due,
    submit,
    with_terms,
)

LIST = "/api/v1/deliveries/"


def path(delivery: Delivery, verb: str = "") -> str:
    return f"{LIST}{delivery.uuid}/" + (f"{verb}/" if verb else "")


@pytest.fixture
def failed(desk, approval, httpserver) -> Delivery:
    httpserver.clear()
    httpserver.expect_oneshot_request("/desk").respond_with_data("no", status=404)
    httpserver.expect_request("/desk").respond_with_data("")
    send_due()
    return only_delivery()


def test_a_delivery_tells_where_it_is_why_and_who_goes_on(failed, olivia):
    said = api(olivia).get(path(failed)).json()

    assert said["id"] == str(failed.uuid)
    assert said["job"] == str(failed.job.public_id)
    assert (said["destination"], said["kind"]) == ("desk", "webhook")
    assert (said["status"], said["failure_class"]) == ("failed", "malformed")
    assert said["explanation"].startswith("The delivery to desk is failed (malformed).")
    assert "withdraw it" in said["advice"]
    assert said["next_action"]["who"] == "operators or reviewers"
    assert said["webhook_id"] == failed.webhook_id
    assert said["request_sha256"] == failed.request_hash
    assert (said["next_try_at"], said["tries"]) == (None, 1)
    (attempt,) = said["attempts"]
    assert (attempt["number"], attempt["http_status"]) == (1, 404)
    assert "content" not in str(said)


@pytest.mark.both_databases
def test_the_list_is_paged_and_can_be_narrowed(
    desk, inbox, shop, ann, approval, courier, olivia
):
    other = bring_to("awaiting_review", submit(shop), courier).reviews.get()
    approve(other, by=ann, seen=seen(other))
    only_delivery(destination=desk, job=other.job).move("refused")
    client = api(olivia)

    def names(**query: object) -> list[str]:
        found = client.get(LIST, query).json()["results"]
        return [f"{row['destination']} {row['status']}" for row in found]

    assert len(names()) == 4
    assert names(status="refused") == ["desk refused"]
    assert names(destination="mail") == ["mail pending"] * 2
    assert len(names(job=str(other.job.public_id))) == 2
    page = client.get(LIST, {"page_size": 3}).json()
    assert len(page["results"]) == 3
    assert len(client.get(page["next"]).json()["results"]) == 1
    problem(client.get(LIST, {"status": "lost"}), 400)
    problem(client.get(LIST, {"job": "7"}), 400)


def test_what_one_may_not_see_is_not_there(failed, note, shop, db):
    stranger = person("stranger", "Integrations", is_staff=False)
    assert api(stranger).get(LIST).json()["results"] == []
    for verb in ("", "resend", "withdraw", "confirm"):
        call = api(stranger).post if verb else api(stranger).get
        problem(call(path(failed, verb)), 404)
    problem(api(shop).get(f"{LIST}{uuid.uuid4()}/"), 404)


def test_a_program_sees_the_deliveries_of_its_own_jobs_and_moves_none(failed, shop):
    client = api(shop)
    assert client.get(path(failed)).json()["status"] == "failed"
    assert len(client.get(LIST).json()["results"]) == 1
    problem(client.post(path(failed, "resend")), 403)
    problem(client.post(path(failed, "withdraw"), {"reason": "No."}), 403)
    problem(client.post(path(failed, "confirm")), 403)
    assert only_delivery().status == "failed"


def test_seeing_all_jobs_is_not_seeing_all_deliveries(failed):
    clerk = person("clerk", is_staff=False)
    clerk.user_permissions.add(Permission.objects.get(codename="view_all_jobs"))
    problem(api(clerk).get(path(failed)), 404)


def test_without_a_token_there_is_nothing(failed, client):
    problem(client.get(path(failed)), 401)
    problem(client.post(path(failed, "resend")), 401)


def test_an_operator_resends(failed, olivia, httpserver):
    answer = api(olivia).post(path(failed, "resend"), {"note": "They mended it."})

    assert (answer.status_code, answer.json()["status"]) == (200, "pending")
    send_due()
    first, second = received(httpserver)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert Job.objects.get().status == "delivered"


def test_what_cannot_be_resent_is_a_conflict_with_what_to_do(failed, olivia):
    Destination.objects.update(is_active=False)
    said = problem(api(olivia).post(path(failed, "resend")), 409)
    assert "desk was switched off." in said["detail"]
    assert "Approve it anew" in said["detail"]


def test_a_withdrawal_needs_a_reason(failed, olivia):
    client = api(olivia)
    for sent in ({}, {"reason": ""}, {"reason": "  "}, {"reason": 5}, {"note": "x"}):
        problem(client.post(path(failed, "withdraw"), sent), 400)
    assert only_delivery().status == "failed"

    answer = client.post(path(failed, "withdraw"), {"reason": "Sent by post."})

    assert (answer.status_code, answer.json()["status"]) == (200, "withdrawn")
    assert "Sent by post." in answer.json()["explanation"]
    problem(client.post(path(failed, "withdraw"), {"reason": "Again."}), 409)


def test_one_is_approved_anew_by_as_many_as_the_terms_ask(failed, ann, bob, at):
    with_terms(failed.decision.review, approvals=2)
    DestinationVersion(destination=failed.destination, address=f"{at}/new").save()
    shown = api(ann).get(path(failed, "anew")).json()
    (request,) = shown["requests"]
    assert request["request"]["url"] == f"{at}/new"
    assert (shown["approvals"], shown["why_not"]) == ({"needed": 2, "by": []}, "")
    given = {"seen": shown["seen"], "comment": "It moved."}

    first = api(ann).post(path(failed, "anew"), given)

    assert (first.status_code, first.json()["id"]) == (201, str(failed.uuid))
    assert "Anew it has 1 of 2 approvals, by ann." in first.json()["explanation"]
    again = problem(api(ann).post(path(failed, "anew"), given), 409)
    assert "Another person decides next" in again["detail"]
    assert "You approved it" in api(ann).get(path(failed, "anew")).json()["why_not"]
    shown = api(bob).get(path(failed, "anew")).json()
    assert shown["approvals"] == {"needed": 2, "by": ["ann"]}
    last = api(bob).post(path(failed, "anew"), given).json()
    assert (last["id"] != str(failed.uuid), last["status"]) == (True, "pending")
    decision = Delivery.objects.get(uuid=last["id"]).decision
    assert (decision.by, decision.via, decision.comment) == (bob, "api", "It moved.")
    problem(api(bob).get(path(failed, "anew")), 409)


def test_what_is_approved_anew_is_what_was_seen_by_who_may(failed, ann, olivia, at):
    shown = api(ann).get(path(failed, "anew")).json()
    problem(api(olivia).get(path(failed, "anew")), 403)
    problem(api(olivia).post(path(failed, "anew"), {"seen": shown["seen"]}), 403)
    robot = person("robot", "Reviewers", is_staff=False)
    said = problem(api(robot).post(path(failed, "anew"), {"seen": shown["seen"]}), 403)
    assert "robot is a service account" in said["detail"]
    DestinationVersion(destination=failed.destination, address=f"{at}/new").save()
    said = problem(api(ann).post(path(failed, "anew"), {"seen": shown["seen"]}), 409)
    assert "an older state" in said["detail"]
    problem(api(ann).post(path(failed, "anew"), {"seen": 7}), 400)
    assert Delivery.objects.count() == 1


def test_an_uncertain_one_is_confirmed(inbox, approval, olivia):
    delivery = only_delivery()
    delivery.move("sending")
    delivery.move("uncertain")

    answer = api(olivia).post(path(delivery, "confirm"), {})

    assert answer.json()["status"] == "delivered"
    assert Job.objects.get().status == "delivered"


# ---- jobs: recall and reopen -----------------------------------------------------


def job_path(job: Job, verb: str) -> str:
    return f"/api/v1/jobs/{job.public_id}/{verb}/"


def test_an_approval_is_taken_back_over_the_api(desk, approval, ann, shop):
    job = Job.objects.get()
    problem(api(shop).post(job_path(job, "recall")), 403)

    answer = api(ann).post(job_path(job, "recall"), {"note": "Wrong name."})

    assert (answer.status_code, answer.json()["status"]) == (200, "awaiting_review")
    problem(api(ann).post(job_path(job, "recall")), 409)
    problem(api(shop).get(f"/api/v1/jobs/{job.public_id}/result/"), 403)


def test_a_review_is_reopened_over_the_api(review, ann, shop, note):
    job = review.job
    problem(api(ann).post(job_path(job, "reopen")), 409)
    job.move("abandoned")
    problem(api(shop).post(job_path(job, "reopen")), 403)
    stranger = person("stranger", "Integrations", is_staff=False)
    problem(api(stranger).post(job_path(job, "reopen")), 404)

    assert api(ann).post(job_path(job, "reopen")).json()["status"] == "awaiting_review"

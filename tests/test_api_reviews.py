"""The approval queue over the API: what it tells, and that only people decide."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User

from jobs.models import Citation, Job
from reviews.models import Check, CitationVerdict, Decision, Delivery, Review
from tests.house import api, browser, person, problem, seen, webhook, with_terms
from tests.test_checks import ASK
from tests.test_claims import holder
from tests.test_races import reviews_like
from tests.test_review_page import rewrite

LIST = "/api/v1/reviews/"


def path(review: Review, verb: str = "") -> str:
    return f"{LIST}{review.pk}/" + (f"{verb}/" if verb else "")


def decide(who: User, review: Review, **given: Any):
    wanted = {"verdict": "approve", "seen": now(review), **given}
    return api(who).post(path(review, "decisions"), wanted)


def now(review: Review) -> str:
    return seen(Review.objects.get(pk=review.pk))


def undecided() -> bool:
    waits = Job.objects.get().status == "awaiting_review"
    return waits and not Decision.objects.exists()


def test_a_review_tells_all_that_it_is_decided_on(review, ann):
    webhook("https://desk.example/hook", review.job.version.job_type)
    rewrite(review, "Tea grows.", flags=["partial"])
    with_terms(review, approvals=2)

    said = api(ann).get(path(review)).json()

    assert said["job"] == str(review.job.public_id)
    assert (said["requester"], said["type"], said["flags"]) == (
        "shop",
        "note",
        ["partial"],
    )
    assert said["seen"] == now(review)
    assert said["result"]["content"] == "Tea grows."
    assert said["result"]["approved"] is False
    (request,) = said["requests"]
    assert request["request"]["url"] == "https://desk.example/hook"
    assert (said["approvals"], said["claim"]) == ({"needed": 2, "by": []}, None)
    assert said["checks"][0]["name"] == "flag partial"
    assert said["missing"] == ["the check “flag partial” is open"]
    assert (said["why_not"], said["decisions"]) == ("", [])


def test_credentials_of_a_destination_are_not_told_or_shown(review, ann):
    desk = webhook("https://desk.example/hook", review.job.version.job_type)
    version = desk.current
    version.pk, version.headers = None, {"X-Api-Token": "s3cret", "X-Team": "tea"}
    version.save()
    said = api(ann).get(path(review)).json()
    assert "s3cret" not in str(said)
    assert said["requests"][0]["request"]["headers"]["X-Team"] == "tea"

    page = browser(ann).get(f"/admin/reviews/review/{review.pk}/change/")
    html = page.content.decode()
    assert "s3cret" not in html
    assert "X-Api-Token: (hidden)" in html


@pytest.mark.both_databases
def test_the_queue_is_paged_in_its_order_and_can_be_narrowed(review, ann, bob):
    rows = [review, *reviews_like(with_terms(review, approvals=2), 3)]
    api(ann).post(path(rows[0], "claim"))
    decide(bob, rows[1])
    client = api(ann)

    def found(**query: object) -> list[int]:
        return [row["id"] for row in client.get(LIST, query).json()["results"]]

    ids = [row.pk for row in rows]
    assert found() == ids
    page = client.get(LIST, {"page_size": 3}).json()
    assert [row["id"] for row in client.get(page["next"]).json()["results"]] == ids[3:]
    assert found(part="mine") == ids[:1]
    assert found(part="unclaimed") == ids[1:]
    assert found(part="partly_approved") == ids[1:2]
    assert found(part="overdue") == found(part="flagged") == found(flag="empty") == []
    assert found(state="closed") == found(type="other") == []
    assert found(state="all", requester="shop") == ids
    assert found(job=str(rows[2].job.public_id)) == ids[2:3]
    for wrong in ({"part": "his"}, {"state": "?"}, {"flag": "?"}, {"job": "7"}):
        problem(client.get(LIST, wrong), 400)


def test_a_person_decides_over_the_api_and_the_decision_says_so(review, ann):
    answer = decide(ann, review, comment="Fine.")

    assert answer.status_code == 201
    (said,) = answer.json()["decisions"]
    assert (said["by"], said["via"], said["comment"]) == ("ann", "api", "Fine.")
    assert (Job.objects.get().status, answer.json()["seen"]) == ("approved", None)
    assert "You have decided: approved" in problem(decide(ann, review), 409)["detail"]


def test_who_may_not_see_the_result_is_told_that_this_is_why(review):
    blind = person("blind")
    rights = Permission.objects.filter(codename__in=["decide_review", "view_all_jobs"])
    blind.user_permissions.set(rights)

    said = api(blind).get(path(review)).json()

    assert (said["seen"], said["result"], said["requests"]) == (None, None, [])
    assert said["why_not"] == "You lack the right to see it before it is approved."


def test_a_rejection_says_why(review, ann):
    said = problem(decide(ann, review, verdict="reject"), 400)
    assert "comment" in said["errors"]
    assert undecided()
    assert decide(ann, review, verdict="reject", comment="No.").status_code == 201
    assert Job.objects.get().status == "rejected"


def test_one_of_two_approvals_is_told(review, ann, bob):
    with_terms(review, approvals=2)
    said = decide(ann, review).json()
    assert said["approvals"] == {"needed": 2, "by": ["ann"]}
    assert "Another person decides next" in said["why_not"]
    assert "You decided" in problem(decide(ann, review), 409)["detail"]
    assert decide(bob, review).json()["approvals"]["by"] == ["ann", "bob"]
    assert Job.objects.get().status == "approved"


@pytest.mark.parametrize("fields", [{"is_staff": False}, {"password": None}])
def test_a_service_account_never_decides_nor_confirms_nor_claims(review, fields):
    with_terms(review, checks=[ASK])
    robot = person("robot", "Reviewers", is_staff=fields.get("is_staff", True))
    if "password" in fields:
        robot.set_unusable_password()
        robot.save()

    for verdict in ("approve", "reject"):
        said = problem(decide(robot, review, verdict=verdict, comment="Ok."), 403)
        assert "robot is a service account" in said["detail"]
    client = api(robot)
    given = {"name": "sums", "passed": True, "seen": now(review)}
    problem(client.post(path(review, "checks"), given), 403)
    problem(client.post(path(review, "claim")), 403)
    assert undecided()
    assert Check.objects.get().passed is None


def test_who_may_see_but_not_decide_is_told_so(review, db):
    audrey = person("audrey", "Auditors")
    said = api(audrey).get(path(review)).json()
    assert "lacks the right" in said["why_not"]
    problem(decide(audrey, review), 403)
    for verb in ("claim", "release"):
        problem(api(audrey).post(path(review, verb)), 403)
    assert undecided()


def test_what_one_may_not_see_is_not_there(review, shop, olivia):
    for outsider in (shop, olivia):
        client = api(outsider)
        assert client.get(LIST).json()["results"] == []
        problem(client.get(path(review)), 404)
        for verb in ("claim", "release", "decisions", "checks", "verdicts"):
            problem(client.post(path(review, verb), {}), 404)
    assert undecided()


def test_terms_and_claims_hold_for_the_api_too(review, ann, bob):
    with_terms(review, four_eyes=True, checks=[ASK])
    Job.objects.update(requester=ann)
    assert "another person" in problem(decide(ann, review), 403)["detail"]
    assert "“sums” is open" in problem(decide(bob, review), 409)["detail"]
    problem(decide(bob, review, seen="0" * 64), 409)
    cid = person("cid", "Reviewers")
    assert api(cid).post(path(review, "claim")).json()["claim"]["by"] == "cid"
    assert "cid has claimed" in problem(decide(bob, review), 409)["detail"]
    said = problem(api(bob).post(path(review, "claim")), 409)
    assert "cid has claimed" in said["detail"]
    api(bob).post(path(review, "claim"), {"take_over": True})
    assert holder() == bob
    assert api(bob).post(path(review, "release")).json()["claim"] is None
    assert undecided()


def test_checks_and_verdicts_are_made_over_the_api(review, ann):
    result = rewrite(review, "Tea grows.")
    Citation.objects.create(result=result, position=1, start=0, end=3)
    with_terms(review, checks=[ASK], checks_citations=True)
    client = api(ann)
    page = client.get(path(review)).json()["seen"]

    given = {"name": "sums", "passed": True, "seen": page}
    said = client.post(path(review, "checks"), given).json()
    given = {"citation": 1, "verdict": "supports", "seen": said["seen"]}
    said = client.post(path(review, "verdicts"), given).json()

    assert said["missing"] == []
    assert said["checks"][0]["by"] == said["verdicts"][0]["by"] == "ann"
    problem(client.post(path(review, "verdicts"), given), 409)  # an older page
    stale = {"name": "sums", "passed": False, "why": "No.", "seen": page}
    problem(client.post(path(review, "checks"), stale), 409)
    unexplained = {"name": "sums", "passed": False, "seen": said["seen"]}
    assert (
        "why"
        in problem(client.post(path(review, "checks"), unexplained), 400)["errors"]
    )
    for verb, wrong in (
        ("checks", {"name": "nothing", "passed": True, "seen": said["seen"]}),
        ("verdicts", {"citation": 9, "verdict": "supports", "seen": said["seen"]}),
    ):
        problem(client.post(path(review, verb), wrong), 404)
    assert decide(ann, review, seen=said["seen"]).status_code == 201
    assert CitationVerdict.objects.get().verdict == "supports"


@pytest.mark.parametrize(
    "given",
    [
        {"verdict": "request"},
        {"seen": 7},
        {"comment": "x" * 10_001},
        {"delivery": "another"},
    ],
)
def test_what_is_no_decision_is_refused(review, ann, given):
    problem(decide(ann, review, **given), 400)
    assert undecided()


def test_a_review_asks_few_questions(review, ann, django_assert_max_num_queries: Any):
    webhook("https://desk.example/hook", review.job.version.job_type)
    client = api(ann)
    client.get(path(review))
    with django_assert_max_num_queries(25):
        client.get(path(review))
    reviews_like(review, 8)
    with django_assert_max_num_queries(6):
        client.get(LIST)
    assert not Delivery.objects.exists()

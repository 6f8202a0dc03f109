"""Edits, requested changes and versions over the API: as on the pages."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from jobs.models import Citation, Job
from reviews.models import ChangeRequest, Decision, Delivery, Review, ReviewPolicy
from reviews.services.claim import claim_review
from reviews.services.request_changes import MOST_CHANGES, request_changes
from tests.house import (
    api,
    bring_to,
    job_type,
    person,
    problem,
    seen,
    submit,
    webhook,
    with_terms,
)
from tests.test_api_reviews import now, path, undecided
from tests.test_review_page import rewrite

TEXT = "Tea grows in Assam.\n\nIt is green in Japan.\n"
ASKED = ["Name a source.", "Say it shorter."]


@pytest.fixture
def tea(review) -> Review:
    """A review of a text with two cited claims."""
    result = rewrite(review, TEXT)
    for position, quote in enumerate(["Tea grows", "It is green"], start=1):
        start = TEXT.index(quote)
        end = start + len(quote)
        Citation.objects.create(
            result=result, position=position, start=start, end=end, quote=quote
        )
    return review


@pytest.fixture
def second(review, ann, courier) -> Review:
    """The second round, after ann asked for two changes."""
    request_changes(review, by=ann, seen=seen(review), feedback=ASKED)
    bring_to("awaiting_review", Job.objects.get(), courier)
    return Review.objects.open().get()


def edit(who: Any, review: Review, **given: Any) -> Any:
    return api(who).post(path(review, "edits"), {"seen": now(review), **given})


def ask(who: Any, review: Review, **given: Any) -> Any:
    wanted = {"verdict": "request_changes", "seen": now(review), **given}
    return api(who).post(path(review, "decisions"), wanted)


def mark(who: Any, review: Review, position: int = 1, **given: Any) -> Any:
    wanted = given or {"done": True}
    return api(who).post(path(review, f"changes/{position}"), wanted)


# ---- edits -------------------------------------------------------------------------


def test_an_edit_answers_with_the_new_version_and_what_it_detached(tea, ann, note):
    webhook("https://desk.example/hook", note)
    text = TEXT.replace("It is green", "It is best").replace("Tea grows", "  Tea grows")

    answer = edit(ann, tea, text=text, comment="As they say.")

    assert answer.status_code == 201
    said = answer.json()
    version = said["result"]
    assert (version["version"], version["author"], version["edited_from"]) == (
        2,
        "ann",
        1,
    )
    assert version["content"] == text
    assert version["content_sha256"] == Review.objects.get().result.content_hash
    assert [c["is_detached"] for c in version["citations"]] == [False, True]
    event = Job.objects.get().events.latest("seq")
    assert (event.kind, event.note) == ("edited", "As they say.")
    given = {"verdict": "approve", "seen": said["seen"]}
    assert api(ann).post(path(tea, "decisions"), given).status_code == 201
    sent = json.loads(json.loads(Delivery.objects.get().request)["body"])
    assert sent["data"]["content"] == text


def test_fields_are_edited_as_content_and_errors_name_theirs(shop, ann, courier):
    schema = {
        "type": "object",
        "properties": {"to": {"type": "string"}, "sum": {"type": "number"}},
        "required": ["to", "sum"],
        "additionalProperties": False,
    }
    job_type("refund", output_schema=schema)
    job = bring_to("awaiting_review", submit(shop, of="refund"), courier)
    review = Review.objects.get(job=job)
    rewrite(review, {"to": "Ada", "sum": 12})

    wrong = problem(edit(ann, review, content={"to": "Ada", "sum": "12"}), 400)
    assert wrong["errors"] == {"content.sum": ["This must be of type number."]}
    wrong = problem(edit(ann, review, text="Ada"), 400)
    assert wrong["errors"] == {"text": ["This must be of type object."]}
    said = edit(ann, review, content={"to": "Ada", "sum": 13}).json()
    assert said["result"]["content"] == {"to": "Ada", "sum": 13}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "content"),
        ({"text": "A", "content": "B"}, "content"),
        ({"text": TEXT}, "text"),
        ({"text": " "}, "text"),
        ({"text": 7}, "text"),
        ({"content": {"a": 1}}, "content"),
        ({"content": TEXT}, "content"),
        ({"text": "A", "seen": 7}, "seen"),
        ({"text": "A", "comment": "x" * 10_001}, "comment"),
        ({"text": "A", "note": "B"}, "note"),
    ],
)
def test_what_is_no_edit_is_refused_by_field(tea, ann, given, field):
    said = problem(edit(ann, tea, **given), 400)
    assert list(said["errors"]) == [field]
    assert Review.objects.get().result == tea.result


# ---- requested changes -------------------------------------------------------------


def test_changes_are_requested_each_a_line_of_its_own(review, ann):
    answer = ask(ann, review, changes=ASKED)

    assert answer.status_code == 201
    (decision,) = answer.json()["decisions"]
    assert (decision["verdict"], decision["by"], decision["via"]) == (
        "request_changes",
        "ann",
        "api",
    )
    job = Job.objects.get()
    assert (job.status, job.next_reason) == ("queued", "changes")
    assert list(ChangeRequest.objects.values_list("text", flat=True)) == ASKED
    again = problem(ask(ann, review, changes=ASKED), 409)
    assert "You have decided: changes requested" in again["detail"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "changes"),
        ({"changes": []}, "changes"),
        ({"changes": ["x"] * (MOST_CHANGES + 1)}, "changes"),
        ({"changes": ["x" * 2_001]}, "changes.0"),
        ({"changes": "Shorter."}, "changes"),
        ({"changes": ["Shorter."], "comment": "Please."}, "comment"),
        ({"verdict": "approve", "changes": ["Shorter."]}, "changes"),
    ],
)
def test_what_is_no_request_for_changes_is_refused_by_field(review, ann, given, field):
    said = problem(ask(ann, review, **given), 400)
    assert list(said["errors"]) == [field]
    assert undecided()


def test_past_the_rounds_of_its_type_no_changes_are_requested(second, bob):
    with_terms(second, max_rounds=1)
    said = problem(ask(bob, second, changes=ASKED), 409)
    assert "requested once, as often as" in said["detail"]


def test_each_requested_change_is_marked_done_or_not(second, bob):
    shown = api(bob).get(path(second)).json()["changes"]
    assert [(change["text"], change["done"]) for change in shown] == [
        (text, None) for text in ASKED
    ]

    mark(bob, second, 1)
    said = mark(bob, second, 2, done=False).json()["changes"]

    assert [(one["position"], one["done"], one["by"]) for one in said] == [
        (1, True, "bob"),
        (2, False, "bob"),
    ]
    problem(mark(bob, second, 3), 404)
    problem(mark(bob, second, 1, done="perhaps"), 400)


def test_of_a_first_round_nothing_was_asked(review, second, ann):
    assert api(ann).get(path(review)).json()["changes"] == []
    problem(mark(ann, review), 404)


# ---- the same refusals as the pages -------------------------------------------------
def all_three(who: Any, review: Review) -> list[Any]:
    """An edit, a request for changes and a mark."""
    return [
        edit(who, review, text="Other words."),
        ask(who, review, changes=ASKED),
        mark(who, review),
    ]


def nothing_was_changed(review: Review) -> bool:
    review = Review.objects.get(pk=review.pk)
    marked = ChangeRequest.objects.exclude(done=None)
    same = review.closed_at is None and review.revision == 1
    return same and Decision.objects.count() == 1 and not marked.exists()


def test_by_a_service_accounts_token_nothing_is_done(second):
    robot = person("robot", "Reviewers", is_staff=False)
    for answer in all_three(robot, second):
        assert "robot is a service account" in problem(answer, 403)["detail"]
    assert nothing_was_changed(second)


def test_without_the_right_nothing_is_done(second, shop, olivia):
    for answer in all_three(person("audrey", "Auditors"), second):
        assert "lacks the right" in problem(answer, 403)["detail"]
    for outsider in (shop, olivia):
        for answer in all_three(outsider, second):
            problem(answer, 404)
    assert nothing_was_changed(second)


def test_what_another_has_in_hand_is_left_alone(second, ann, bob):
    claim_review(second, by=bob)
    for answer in all_three(ann, second):
        assert "bob has claimed" in problem(answer, 409)["detail"]
    assert nothing_was_changed(second)


def test_on_ones_own_job_nothing_is_done_under_four_eyes(second, bob):
    with_terms(second, four_eyes=True)
    Job.objects.update(requester=bob)
    for answer in all_three(bob, second):
        assert "another person" in problem(answer, 403)["detail"]
    assert nothing_was_changed(second)


def test_once_the_review_is_over_nothing_is_done(second, ann, bob):
    page = {"verdict": "reject", "seen": now(second), "comment": "No."}
    api(bob).post(path(second, "decisions"), page)
    for answer in all_three(ann, second):
        problem(answer, 409)
    assert Decision.objects.count() == 2


def test_an_older_page_neither_edits_nor_asks(tea, ann, bob):
    page = now(tea)
    edit(bob, tea, text="Bob's words.")
    for answer in (
        edit(ann, tea, text="Ann's words.", seen=page),
        ask(ann, tea, changes=ASKED, seen=page),
    ):
        assert "an older state" in problem(answer, 409)["detail"]
    assert Review.objects.get().result.content == "Bob's words."


# ---- versions ----------------------------------------------------------------------


def test_versions_are_read_with_what_changed(tea, ann, bob):
    edit(ann, tea, text=TEXT.replace("Assam", "Nepal"))
    edit(bob, tea, text=TEXT.replace("Assam", "Nepal").replace("green", "best"))
    client = api(ann)

    listed = client.get(path(tea, "versions")).json()
    assert [(row["version"], row["author"], row["edited_from"]) for row in listed] == [
        (1, None, None),
        (2, "ann", 1),
        (3, "bob", 2),
    ]
    assert "content" not in listed[0]
    first = client.get(path(tea, "versions/1")).json()
    assert (first["content"], first["against"], first["diff"]) == (TEXT, None, "")
    second = client.get(path(tea, "versions/2")).json()
    assert second["against"] == 1
    assert second["diff"].splitlines() == [
        "--- version 1",
        "+++ version 2",
        "@@ -1,3 +1,3 @@",
        "-Tea grows in Assam.",
        "+Tea grows in Nepal.",
        " ",
        " It is green in Japan.",
    ]
    third = client.get(path(tea, "versions/3"), {"against": 1}).json()
    assert (third["against"], third["diff"].count("\n+")) == (1, 3)
    problem(client.get(path(tea, "versions/4")), 404)
    for wrong in ("4", "x", "-1"):
        problem(client.get(path(tea, "versions/3"), {"against": wrong}), 400)


def test_versions_need_the_right_to_see_what_is_not_approved(tea, shop):
    looker = person("looker")
    looker.user_permissions.set(
        Permission.objects.filter(codename__in=["view_review", "view_all_jobs"])
    )
    for part in ("versions", "versions/1"):
        problem(api(looker).get(path(tea, part)), 403)
    assert api(looker).get(path(tea)).json()["changes"] == []


def test_versions_that_were_erased_are_gone(tea, ann):
    Job.objects.update(erased_at=timezone.now())
    for part in ("versions", "versions/1"):
        problem(api(ann).get(path(tea, part)), 410)


def test_an_edit_may_be_what_a_second_person_approves(tea, ann, bob):
    ReviewPolicy.objects.create(version=tea.job.version, edit_needs_second=True)
    with_terms(tea, edit_needs_second=True)
    said = edit(ann, tea, text="Ann's words.").json()
    assert "You wrote this version" in said["why_not"]
    given = {"verdict": "approve", "seen": said["seen"]}
    problem(api(ann).post(path(tea, "decisions"), given), 403)
    assert api(bob).post(path(tea, "decisions"), given).status_code == 201

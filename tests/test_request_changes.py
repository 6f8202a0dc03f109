"""Requesting changes: back to the model with feedback, and the new version judged."""

import httpx2
import pytest
from django.core.exceptions import PermissionDenied

from jobs.models import Attempt, Job
from jobs.services.cancel import cancel_job
from jobs.services.claim import claim_jobs
from jobs.services.verify import broken_links
from reviews.models import ChangeRequest, Decision, Review
from reviews.services.claim import claim_review
from reviews.services.decide import StalePage, approve, reject
from reviews.services.edit import edit_result
from reviews.services.request_changes import (
    LONGEST_CHANGE,
    MOST_CHANGES,
    FeedbackNeeded,
    NoMoreRounds,
    judge_change,
    request_changes,
)
from tests.house import (
    api,
    bring_to,
    browser,
    person,
    problem,
    seen,
    submit,
    sweep_until,
)
from tests.test_pages import assert_strict, path_to
from tests.test_review_page import path_of, post

ASKED = ["Name a source.", "Say it shorter."]


def ask(review: Review, by, *feedback: str, **more) -> Decision:
    lines = feedback or ASKED
    return request_changes(review, by=by, seen=seen(review), feedback=lines, **more)


def answered(courier) -> Review:
    """The review of the version that came back."""
    bring_to("awaiting_review", Job.objects.get(), courier)
    return Review.objects.open().select_related("job", "result__job__version").get()


@pytest.fixture
def second(review, ann, courier) -> Review:
    """The second round, after ann asked for two changes."""
    ask(review, ann)
    return answered(courier)


# ---- asking ----------------------------------------------------------------------


def test_what_the_model_was_told_shows_its_requester_no_unapproved_answer(
    review, ann, shop
):
    edit_result(review, by=ann, content="Not approved.", base_seen=seen(review))
    ask(Review.objects.get(), ann)
    claim_jobs(1)
    attempts = f"/api/v1/jobs/{review.job.public_id}/attempts/"

    told = api(ann).get(attempts).json()[-1]["input"]
    assert "Not approved." in str(told)
    assert [row["input"] for row in api(shop).get(attempts).json()] == [None, None]


def test_steps_of_a_round_that_was_sent_back_are_shown_to_nobody_without_the_right(
    second, ann, shop
):
    evidence = f"/api/v1/jobs/{second.job.public_id}/evidence/"
    problem(api(shop).get(evidence), 403)

    approve(second, by=ann, seen=seen(second))

    for who, attempts in ((shop, {2}), (ann, {1, 2})):
        assert {row["attempt"] for row in api(who).get(evidence).json()} == attempts


def test_it_is_a_decision_on_what_was_seen_with_a_row_for_each_change(review, ann):
    page = seen(review)
    decision = request_changes(
        review, by=ann, seen=page, feedback=["", "  Name a source. ", "Say it shorter."]
    )
    assert (decision.verdict, decision.by, decision.seen) == (
        "request_changes",
        ann,
        page,
    )
    assert decision.content_hash == review.result.content_hash
    rows = decision.change_requests.values_list("position", "text", "done")
    assert list(rows) == [(1, "Name a source.", None), (2, "Say it shorter.", None)]
    assert Review.objects.get().closed_at is not None


def test_the_model_goes_on_from_its_answer_and_is_told_what_to_change(review, ann):
    before = Job.objects.get().deadline_at
    ask(review, ann)

    job = Job.objects.get()
    assert (job.status, job.next_reason, job.finished_at) == ("queued", "changes", None)
    assert job.deadline_at > before
    event = job.events.latest("seq")
    assert (event.actor, event.note) == ("ann", "2 changes were requested.")
    assert event.data == {"continues": 1, "changes": 2}
    assert broken_links(job) == []
    (errand,) = claim_jobs(1)
    first, told = job.attempts.get(number=1), errand.request.input
    assert errand.request.previous_response_id == first.response_id
    assert errand.attempt.follows == first
    assert "1. Name a source.\n2. Say it shorter." in told
    assert "edited" not in told


def test_of_an_edited_version_the_model_is_told_the_text(review, ann, courier):
    content = "The reviewer's own words."
    edit_result(review, by=ann, content=content, base_seen=seen(review))
    edited = Review.objects.get()
    ask(edited, ann)
    (errand,) = claim_jobs(1)
    first = Job.objects.get().attempts.get(number=1)
    assert errand.request.previous_response_id == first.response_id
    assert "edited it first" in errand.request.input
    assert content in errand.request.input


def test_the_new_version_comes_back_as_the_next_round(second):
    assert (second.round, second.result.number) == (2, 2)
    assert second.result.attempt.reason == "changes"
    assert second.due_at > second.opened_at


def test_automatic_retries_go_on_from_the_same_answer(review, ann, courier):
    ask(review, ann, "Say it again. [sandbox:flaky]")
    again = answered(courier)
    first, *later = Attempt.objects.order_by("number")
    assert [attempt.reason for attempt in later] == ["changes", "retry"]
    assert {attempt.follows for attempt in later} == {first}
    assert len({str(attempt.input) for attempt in later}) == 1
    assert again.result.attempt == later[-1]


def test_when_the_provider_has_the_answer_no_more_a_person_is_told(
    review, shop, ann, courier, provider
):
    """A job of its own: the response of the standing one is for all of us."""
    job = bring_to("awaiting_review", submit(shop), courier)
    review = Review.objects.get(job=job)
    known = review.result.attempt.response_id
    httpx2.delete(
        f"{provider.base_url}/responses/{known}",
        headers={"Authorization": "Bearer sk-tests"},
    ).raise_for_status()
    ask(review, ann)
    job = bring_to("failed", job, courier)
    assert job.failure_class == "malformed_input"
    assert job.failure_code == "previous_response_not_found"
    assert known in job.failure_message


def test_what_we_deleted_there_is_not_asked_to_be_continued(review, ann):
    Attempt.objects.update(deleted_at=review.opened_at)
    with pytest.raises(NoMoreRounds, match="there no more"):
        ask(review, ann)
    assert not Decision.objects.exists()


def test_without_feedback_or_with_too_much_nothing_is_asked(review, ann):
    for feedback, said in [
        ([], "Say what"),
        (["  ", ""], "Say what"),
        (["x"] * (MOST_CHANGES + 1), "At most"),
        (["x" * (LONGEST_CHANGE + 1)], "A line has"),
    ]:
        with pytest.raises(FeedbackNeeded, match=said):
            request_changes(review, by=ann, seen=seen(review), feedback=feedback)
    assert Job.objects.get().status == "awaiting_review"
    assert not ChangeRequest.objects.exists()


@pytest.mark.parametrize("late", [approve, reject, ask])
def test_on_a_stale_page_nothing_is_asked(review, ann, bob, late):
    page = seen(review)
    if late is ask:
        ask(review, bob)
    else:
        late(review, by=bob, seen=page, comment="Because.")
    with pytest.raises(StalePage, match="bob was first"):
        request_changes(review, by=ann, seen=page, feedback=ASKED)
    assert Decision.objects.count() == 1


def test_only_who_may_decide_may_ask_for_changes(review, olivia):
    with pytest.raises(PermissionDenied):
        ask(review, olivia)
    assert Job.objects.get().status == "awaiting_review"


def test_at_the_cap_of_its_type_no_more_changes_are_requested(second, ann, bob):
    Review.objects.filter(pk=second.pk).update(policy={"max_rounds": 1})
    second.refresh_from_db()
    with pytest.raises(NoMoreRounds, match="requested once, as often"):
        ask(second, bob)
    assert Job.objects.get().status == "awaiting_review"
    html = browser(ann).get(path_of(second)).content.decode()
    assert 'value="request_changes"' not in html
    assert "edit the result, approve it or reject it" in html
    answer = post(browser(ann), second, "request_changes", comment="Once more.")
    assert answer.status_code == 409
    assert "Once more." in answer.content.decode()
    approve(second, by=bob, seen=seen(second))


# ---- judging ---------------------------------------------------------------------


def test_each_requested_change_is_marked_done_or_not_on_the_page(second, ann, bob):
    page = browser(bob)
    first, other = ChangeRequest.objects.order_by("position")
    html = page.get(path_of(second)).content.decode()
    assert html.count(">Open</span>") == 2
    assert "What changed since changes were requested" in html
    assert "Version 2 against version 1" in html
    for change, mark in [(first, "yes"), (other, "yes"), (other, "no")]:
        path = path_to("reviews_review_change_judged", second.pk, change.pk)
        answer = page.post(path, {"done": mark})
        assert answer.status_code == 302
    first.refresh_from_db()
    other.refresh_from_db()
    assert (first.done, other.done) == (True, False)
    assert first.judged_by == bob
    assert first.judged_at is not None
    shown = page.get(path_of(second))
    assert ">Open</span>" not in shown.content.decode()
    assert_strict(shown)


def test_a_change_is_judged_in_the_round_that_followed_and_no_other(
    review, second, ann, bob, olivia, courier
):
    change = ChangeRequest.objects.first()
    with pytest.raises(PermissionDenied):
        judge_change(change, by=olivia, done=True)
    ask(second, bob, "And once more.")
    with pytest.raises(StalePage):
        judge_change(change, by=bob, done=True)
    answered(courier)
    with pytest.raises(StalePage):
        judge_change(change, by=bob, done=True)
    judge_change(ChangeRequest.objects.last(), by=bob, done=True)
    assert ChangeRequest.objects.filter(done=None).count() == 2


def test_the_page_of_the_first_round_shows_no_request_before_it(review, second, bob):
    html = browser(bob).get(path_of(review)).content.decode()
    assert "Changes requested" in html
    assert "Requested changes" not in html
    assert "What changed since" not in html


def test_what_another_has_in_hand_is_judged_by_nobody_else(second, ann, bob):
    claim_review(second, by=ann)
    change = ChangeRequest.objects.first()
    path = path_to("reviews_review_change_judged", second.pk, change.pk)

    told = browser(bob).post(path, {"done": "yes"}, follow=True).content.decode()

    assert "Nothing was changed. ann has claimed this review until" in told
    assert ChangeRequest.objects.filter(done=None).count() == 2
    judge_change(change, by=ann, done=True)


def test_a_stranger_judges_nothing_and_a_link_judges_nothing(second, bob, olivia, note):
    change = ChangeRequest.objects.first()
    path = path_to("reviews_review_change_judged", second.pk, change.pk)
    assert browser(olivia).post(path, {"done": "yes"}).status_code == 403
    assert browser(bob).get(path).status_code == 404
    assert browser(bob).post(path, {"done": "perhaps"}).status_code == 404
    assert ChangeRequest.objects.filter(done=None).count() == 2


# ---- the page --------------------------------------------------------------------


def test_changes_are_requested_on_the_page_one_on_each_line(review, ann):
    page = browser(ann)
    answer = post(page, review, "request_changes", comment="Shorter.\r\n\r\nWarmer.")
    assert answer.status_code == 302
    texts = ChangeRequest.objects.values_list("text", flat=True)
    assert list(texts) == ["Shorter.", "Warmer."]
    assert Job.objects.get().status == "queued"


def test_a_double_click_asks_once(review, ann):
    page, given = browser(ann), {"seen": seen(review), "comment": "Shorter."}
    path = path_to("reviews_review_decide", review.pk)
    for _ in range(2):
        answer = page.post(path, {**given, "verdict": "request_changes"})
        assert answer.status_code == 302
    assert Decision.objects.count() == 1


def test_without_a_line_the_page_says_what_is_missing(review, ann):
    answer = post(browser(ann), review, "request_changes", comment=" ")
    assert answer.status_code == 422
    assert "one on each line" in answer.content.decode()
    assert not Decision.objects.exists()


def test_under_four_eyes_the_requester_asks_for_no_changes(review):
    rita = person("rita", "Reviewers")
    Review.objects.update(policy={"four_eyes": True})
    Job.objects.update(requester=rita)
    with pytest.raises(PermissionDenied, match="another person"):
        ask(Review.objects.get(), rita)


def test_cancelled_while_the_model_changes_it_nothing_comes_back(
    review, ann, olivia, courier
):
    ask(review, ann, "Take your time. [sandbox:slow]")
    job = bring_to("running", Job.objects.get(), courier)
    cancel_job(job, by=olivia)
    sweep_until(courier, lambda: not Attempt.objects.filter(settled_at=None).exists())
    assert Job.objects.get().status == "cancelled"
    assert Review.objects.open().count() == 0

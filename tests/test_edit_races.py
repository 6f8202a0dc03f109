"""Two at once, one of whom edits, asks for changes or answers: one wins, once."""

from functools import partial

import pytest

from jobs.models import Attempt, Job, Result, ToolCall
from jobs.services.supply import AlreadyAnswered
from jobs.services.verify import broken_links
from reviews.models import Decision, Review, ToolDecision
from reviews.services.answer_call import Said, answer_calls
from reviews.services.decide import StalePage, approve
from reviews.services.edit import edit_result
from reviews.services.request_changes import request_changes
from tests.house import bring_to, seen, submit
from tests.test_races import (
    at_once,
    copies,
    decides,
    jobs_of,
    reviews_like,
    rounds,
    waiting,  # noqa: F401  (a fixture)
)

pytestmark = pytest.mark.both_databases


def edits(review: Review, by):
    page, review = seen(review), Review.objects.get(pk=review.pk)
    return partial(edit_result, review, by=by, content="By ann.", base_seen=page)


def asks(review: Review, by):
    Attempt.objects.filter(pk=review.result.attempt_id).update(
        response_id=f"resp_{review.pk}"
    )
    page, review = seen(review), Review.objects.get(pk=review.pk)
    return partial(request_changes, review, by=by, seen=page, feedback=["Shorter."])


def test_editing_and_approving_at_once_one_wins(waiting, ann, bob):  # noqa: F811
    reviews = reviews_like(waiting, rounds(16))
    outcomes = at_once(
        [edits(review, ann) for review in reviews],
        [decides(approve, review, bob) for review in reviews],
    )
    for (job, moves), (edit, approval) in zip(jobs_of(reviews), outcomes, strict=True):
        if isinstance(edit, Result):
            assert isinstance(approval, StalePage)
            assert moves == []
            assert job.reviews.get().result == edit
        else:
            assert isinstance(edit, StalePage)
            assert moves == ["approved"]
            assert job.results.count() == 1
        for delivery in job.deliveries.all():
            assert "By ann." not in delivery.request
            assert delivery.result.content_hash == job.approved_hash


def test_asking_and_approving_at_once_one_wins(waiting, ann, bob):  # noqa: F811
    reviews = reviews_like(waiting, rounds(16))
    outcomes = at_once(
        [asks(review, ann) for review in reviews],
        [decides(approve, review, bob) for review in reviews],
    )
    for (job, moves), told in zip(jobs_of(reviews), outcomes, strict=True):
        (won,) = [one for one in told if isinstance(one, Decision)]
        (lost,) = [one for one in told if isinstance(one, StalePage)]
        assert f"{won.by} was first" in str(lost)
        asked = won.verdict == "request_changes"
        assert moves == ["queued" if asked else "approved"]
        assert won.change_requests.count() == asked
        assert job.deliveries.count() == (0 if asked else 2)
    assert Decision.objects.count() == len(reviews)


@pytest.fixture
def calls(transactional_db, note, shop, courier) -> list[ToolCall]:
    """The many calls of one run."""
    job = submit(shop, "Hi. [sandbox:function-call]")
    bring_to("requires_action", job, courier)
    first = ToolCall.objects.get()
    count = rounds(24)
    names = [f"call_{n}" for n in range(count)]
    return [first, *copies(first, count, call_id=names)]


def test_two_answer_the_same_calls_at_once_and_each_is_answered_once(calls, ann, bob):
    def answers(by):
        for call in calls:
            said = Said(call.call_id, "answer", call.call_hash, f"By {by}.")
            job = Job.objects.get()
            yield partial(answer_calls, job, [said], by=by)

    outcomes = at_once(list(answers(ann)), list(answers(bob)))

    for call, told in zip(calls, outcomes, strict=True):
        ((won,),) = [one for one in told if isinstance(one, list)]
        (lost,) = [one for one in told if not isinstance(one, list)]
        call.refresh_from_db()
        assert call.answer == f"By {won.by}."
        assert call.answered_by == won.by
        if call != calls[-1]:  # after the last, nothing is waited for
            assert isinstance(lost, AlreadyAnswered)
    assert ToolDecision.objects.count() == len(calls)
    job = Job.objects.get()
    assert job.status == "queued"
    assert job.events.filter(became="queued").count() == 2
    told = {item["call_id"]: item["output"] for item in job.next_input}
    assert told == {call.call_id: call.answer for call in calls}
    assert broken_links(job) == []

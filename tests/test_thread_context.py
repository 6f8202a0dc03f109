"""What a thread's jobs build on: what stays in its conversation, and what leaves it."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs.cleanup import clean_up
from jobs.explain import explain
from jobs.lifecycle import MoveRefused
from jobs.models import (
    Attempt,
    Conversation,
    Job,
    JobType,
    RawResponse,
    Thread,
    ThreadItem,
)
from jobs.models.job_type import InThread
from jobs.services.cancel import cancel_job
from jobs.services.claim import claim_jobs
from jobs.services.closing import archive_thread, delete_thread
from jobs.services.hold import set_legal_hold
from jobs.services.retry import retry_job, why_not_retry
from jobs.services.turns import release_turns
from reviews.models import Review
from reviews.services.decide import approve, reject
from reviews.services.recall import recall_job
from reviews.services.reopen import where_abandoned
from reviews.services.request_changes import request_changes, why_no_more_rounds
from tests.house import bring_to, job_type, person, seen, submit
from tests.test_thread_steps import Process, killed_everywhere
from tests.threads import (
    KEY,
    conversations,
    is_idle,
    items,
    made,
    thread_of,
    work_until,
)

CALLS = "Look it up. [sandbox:function-call]"
SLOW = "Hello. [sandbox:slow]"


def now_of(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def review_of(job: Job) -> Review:
    return Review.objects.open().get(job=job)


def turn_down(job: Job, by: Any) -> None:
    review = review_of(job)
    reject(review, by=by, seen=seen(review), comment="No.")


def accept(job: Job, by: Any) -> None:
    review = review_of(job)
    approve(review, by=by, seen=seen(review))


def asked_in(provider, thread: Thread) -> list[str]:
    """What was said to the model, of all that stands in the conversation now."""
    conversation = Thread.objects.get(pk=thread.pk).conversation
    said = [i for i in items(provider, conversation) if i.get("role") == "user"]
    return [item["content"][0]["text"] for item in said]


# ---- waiting for the decision ----------------------------------------------------


def test_the_next_one_waits_for_the_decision_where_its_type_says_so(shop, ann, courier):
    job_type(in_thread=InThread.WAITS)
    first = bring_to("awaiting_review", submit(shop, thread=KEY), courier)
    second = submit(shop, thread=KEY)
    release_turns()
    assert claim_jobs(10) == []
    said = explain(now_of(second))
    assert (said.who, said.what) == ("reviewers", "decide")
    accept(first, ann)
    bring_to("awaiting_review", second, courier)


def test_what_was_rejected_stays_where_nobody_waits(note, shop, ann, courier, provider):
    first = bring_to("awaiting_review", submit(shop, "One.", thread=KEY), courier)
    turn_down(first, ann)
    bring_to("awaiting_review", submit(shop, "Two.", thread=KEY), courier)
    assert asked_in(provider, first.thread) == ["One.", "Two."]


@pytest.mark.parametrize("how", ["reject", "cancel", "abandon"])
def test_what_was_not_approved_is_taken_out_before_the_next_one_starts(
    shop, ann, olivia, courier, provider, how
):
    job_type(in_thread=InThread.FORGETS)
    kept = bring_to("awaiting_review", submit(shop, "Keep.", thread=KEY), courier)
    accept(kept, ann)
    first = bring_to("awaiting_review", submit(shop, "One.", thread=KEY), courier)
    second = submit(shop, "Two.", thread=KEY)
    if how == "reject":
        turn_down(first, ann)
    elif how == "cancel":
        cancel_job(first, by=olivia)
    else:
        Job.objects.filter(pk=first.pk).update(wake_at=timezone.now())
    bring_to("awaiting_review", second, courier)
    assert asked_in(provider, first.thread) == ["Keep.", "Two."]
    (log,) = conversations(provider, first.thread)
    assert len(log["removed"]) == 3
    taken_out = Attempt.objects.get(job=first).taken_out_at
    assert taken_out <= Attempt.objects.get(job=second).created_at


def test_what_is_taken_out_goes_on_where_a_sweep_was_killed(
    shop, ann, courier, provider
):
    job_type(in_thread=InThread.FORGETS)
    number = iter(range(1_000))

    def begin() -> Thread:
        thread = thread_of(shop, f"user:{next(number)}")
        made(courier, thread)
        job = submit(shop, "One.", thread=thread.key)
        turn_down(bring_to("awaiting_review", job, courier), ann)
        return thread

    steps = {"steps": 4, "done": is_idle}  # the list, and each of its three items
    for thread in killed_everywhere(courier, begin, **steps):
        assert asked_in(provider, thread) == []
        assert len(conversations(provider, thread)[0]["removed"]) == 3


def test_one_that_was_recalled_and_rejected_is_taken_out_though_others_follow_it(
    shop, ann, courier, provider
):
    job_type(in_thread=InThread.FORGETS)
    first = bring_to("awaiting_review", submit(shop, "One.", thread=KEY), courier)
    accept(first, ann)
    second = bring_to("awaiting_review", submit(shop, "Two.", thread=KEY), courier)
    recall_job(now_of(first), by=ann, note="Wait.")
    turn_down(first, ann)
    accept(second, ann)
    bring_to("awaiting_review", submit(shop, "Three.", thread=KEY), courier)
    assert asked_in(provider, first.thread) == ["Two.", "Three."]


# ---- calls -----------------------------------------------------------------------


def test_one_that_is_archived_at_once_is_rid_of_what_was_just_rejected(
    shop, ann, courier, provider
):
    job_type(in_thread=InThread.FORGETS)
    job = bring_to("awaiting_review", submit(shop, thread=KEY), courier)
    turn_down(job, ann)
    thread = archive_thread(job.thread, by=shop)

    Process(courier, lambda: None).run(thread)

    assert conversations(provider, thread)[0]["items"] == []
    assert not ThreadItem.objects.exists()


def test_calls_that_nobody_answered_are_taken_out_or_nothing_could_follow(
    note, shop, olivia, courier, provider
):
    first = bring_to("requires_action", submit(shop, CALLS, thread=KEY), courier)
    cancel_job(first, by=olivia)
    second = bring_to("awaiting_review", submit(shop, "Two.", thread=KEY), courier)
    assert asked_in(provider, first.thread) == ["Two."]
    assert second.attempts.count() == 1


def test_one_abandoned_with_open_calls_is_not_reopened(note, shop, courier):
    job = bring_to("requires_action", submit(shop, CALLS, thread=KEY), courier)
    Job.objects.filter(pk=job.pk).update(wake_at=timezone.now())
    Job.objects.filter(pk=job.pk).update(deadline_at=timezone.now())
    bring_to("expired", job, courier)
    assert where_abandoned(now_of(job)) is None


# ---- going on --------------------------------------------------------------------


def test_changes_are_asked_for_in_the_conversation_with_the_answer_that_was_read(
    note, shop, ann, courier, provider
):
    first = bring_to("awaiting_review", submit(shop, "One.", thread=KEY), courier)
    bring_to("awaiting_review", submit(shop, "Two.", thread=KEY), courier)
    review = review_of(first)
    answer = review.result.content
    request_changes(review, by=ann, seen=seen(review), feedback=["Shorter."])
    again = bring_to("awaiting_review", first, courier)
    assert again.attempts.count() == 2
    one, two, three = asked_in(provider, first.thread)
    assert (one, two) == ("One.", "Two.")
    assert answer in three
    assert "1. Shorter." in three


def test_what_failed_left_nothing_so_the_prompt_is_said_again(
    note, shop, olivia, courier, provider
):
    job = submit(shop, "One. [sandbox:error=invalid_prompt]", thread=KEY)
    bring_to("failed", job, courier)
    retry_job(now_of(job), by=olivia, continue_with="Try harder. [sandbox:draft]")
    errand = next_start(job)
    assert errand.request.conversation_id
    assert errand.request.previous_response_id == ""
    assert errand.request.input.startswith("One. [sandbox:error=invalid_prompt]\n\nTry")


def test_what_was_completed_stands_there_so_it_is_not_said_again(
    note, shop, olivia, courier
):
    job = bring_to("awaiting_review", submit(shop, "One.", thread=KEY), courier)
    cancel_job(job, by=olivia)
    retry_job(now_of(job), by=olivia, continue_with="Shorter.")
    assert next_start(job).request.input == "Shorter."


def next_start(job: Job) -> Any:
    until_ready = 50
    for _ in range(until_ready):
        release_turns()
        if errands := claim_jobs(10):
            (errand,) = errands
            assert errand.job == job
            return errand
    raise AssertionError("it was not begun")


def test_nothing_is_set_going_in_a_thread_that_closes(
    note, shop, ann, olivia, courier, provider
):
    job = bring_to("awaiting_review", submit(shop, thread=KEY), courier)
    failed = submit(shop, "One. [sandbox:error=invalid_prompt]", thread=KEY)
    bring_to("failed", failed, courier)
    archive_thread(job.thread, by=shop)
    assert "is being archived" in why_not_retry(now_of(failed))
    with pytest.raises(MoveRefused, match="is being archived"):
        retry_job(now_of(failed), by=olivia)
    review = review_of(job)
    assert "is being archived" in why_no_more_rounds(review)


# ---- limits ----------------------------------------------------------------------


def test_a_full_conversation_is_copied_and_succeeded(shop, ann, courier, provider):
    job_type(thread_max_messages=4)
    for text in ("One.", "Two."):
        bring_to("awaiting_review", submit(shop, text, thread=KEY), courier)
    third = bring_to("awaiting_review", submit(shop, "Three.", thread=KEY), courier)
    old, new = third.thread.conversations.order_by("number")
    logs = {log["id"]: log for log in conversations(provider, third.thread)}
    first_log, second_log = logs[old.conversation_id], logs[new.conversation_id]
    assert second_log["metadata"]["previous"] == old.conversation_id
    assert first_log["deleted_at"] is None
    copied = old.items.order_by("position")
    assert list(copied.values_list("item_id", flat=True)) == first_log["items"]
    assert old.items_copied == len(first_log["items"]) == 6
    assert old.copied_at <= new.created_at
    assert [len(log["responses"]) for log in (first_log, second_log)] == [2, 1]
    jobs = list(third.thread.jobs.order_by("pk"))
    assert list(copied.values_list("job", flat=True)) == [
        *[jobs[0].pk] * 3,
        *[jobs[1].pk] * 3,
    ]


@pytest.mark.parametrize("whose", ["type", "thread"])
def test_an_old_conversation_is_succeeded(shop, courier, whose):
    day = 86_400
    job_type(thread_max_age_seconds=day if whose == "type" else None)
    thread = thread_of(shop, max_age_seconds=None if whose == "type" else day)
    bring_to("awaiting_review", submit(shop, thread=KEY), courier)
    yesterday = timezone.now() - timedelta(days=1)
    Conversation.objects.update(made_at=yesterday)
    bring_to("awaiting_review", submit(shop, thread=KEY), courier)
    assert thread.conversations.count() == 2
    bring_to("awaiting_review", submit(shop, thread=KEY), courier)
    assert thread.conversations.count() == 2


def test_all_conversations_of_a_thread_are_deleted_with_it(shop, courier, provider):
    job_type(thread_max_messages=2)
    for text in ("One.", "Two."):
        job = bring_to("awaiting_review", submit(shop, text, thread=KEY), courier)
    Process(courier, lambda: None).run(delete_thread(job.thread, by=shop))
    logs = conversations(provider, job.thread)
    assert [bool(log["deleted_at"]) for log in logs] == [True, True]
    assert not ThreadItem.objects.exists()


# ---- what is kept, and for how long ----------------------------------------------


@pytest.fixture
def copied(shop, ann, courier) -> tuple[Job, Job]:
    """Two rejected jobs of two types, in a thread that is archived."""
    job_type()
    job_type("memo")
    jobs = submit(shop, "One.", thread=KEY), submit(shop, "Two.", "memo", thread=KEY)
    for job in jobs:
        turn_down(bring_to("awaiting_review", job, courier), ann)
    Process(courier, lambda: None).run(archive_thread(jobs[0].thread, by=shop))
    return jobs


def age(job: Job) -> None:
    """So old that its type keeps it no more."""
    rows = Job.objects.filter(pk=job.pk)
    rows.update(finished_at=timezone.now() - timedelta(days=2))
    JobType.objects.filter(name=job.version.job_type.name).update(keep_days=1)


def bodies(**of: Any) -> set[bool]:
    return {bool(body) for body in said(**of)}


def said(**of: Any) -> list[str]:
    return list(ThreadItem.objects.filter(**of).values_list("body", flat=True))


def test_copies_are_erased_with_the_job_they_came_from(copied):
    first, second = copied
    age(first)
    clean_up()
    assert bodies(job=first) == {False}
    assert bodies(job=second) == {True}
    assert not any("One." in body for body in said())


def test_copies_of_nobody_are_erased_with_the_first_job_that_was_there(copied):
    ThreadItem.objects.update(job=None)
    age(copied[0])
    clean_up()
    assert bodies() == {False}


def test_a_legal_hold_keeps_the_copies(copied, db):
    mary = person("mary", "Managers")
    for job in copied:
        age(job)
    set_legal_hold(now_of(copied[1]), by=mary, on=True)
    ThreadItem.objects.filter(position=1).update(job=None)
    clean_up()
    assert bodies(job=copied[1]) == {True}
    assert bodies(position=1) == {True}, "it may be of the job that is on hold"
    assert bodies(job=copied[0]) == {False}


def test_what_was_erased_is_not_copied_again(shop, ann, courier, provider):
    job_type()
    job = bring_to("awaiting_review", submit(shop, "One.", thread=KEY), courier)
    turn_down(job, ann)
    work_until(courier, lambda: is_idle(job.thread))
    age(job)
    clean_up()
    assert not RawResponse.objects.exists()
    Process(courier, lambda: None).run(archive_thread(job.thread, by=shop))
    assert ThreadItem.objects.count() == 3
    assert bodies() == {False}


def test_where_the_providers_copy_goes_too_items_leave_the_conversation_first(
    shop, ann, courier, provider
):
    made_type = job_type()
    JobType.objects.filter(pk=made_type.pk).update(deletes_at_provider=True)
    job = bring_to("awaiting_review", submit(shop, "One.", thread=KEY), courier)
    later = bring_to("awaiting_review", submit(shop, "Two.", thread=KEY), courier)
    turn_down(job, ann)
    work_until(courier, lambda: is_idle(job.thread))
    age(job)
    clean_up()
    assert now_of(job).erased_at is None, "it is known yet what is to leave"
    work_until(courier, lambda: is_idle(job.thread))
    assert asked_in(provider, job.thread) == ["Two."]
    clean_up()
    assert now_of(job).erased_at
    assert now_of(later).erased_at is None

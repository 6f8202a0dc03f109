"""Threads: one for each key, one run at a time, and what a new job does about that."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from threading import Barrier

import pytest
from django.db import connections
from django.utils import timezone

from jobs.explain import explain
from jobs.lifecycle import MoveRefused
from jobs.models import Attempt, Conversation, Job, Thread
from jobs.models.job_type import InThread
from jobs.services.cancel import cancel_job
from jobs.services.claim import claim_jobs
from jobs.services.invalid import InvalidInput
from jobs.services.joining import OnActive, ThreadBusy
from jobs.services.retry import retry_job
from jobs.services.turns import release_turns, take_turns
from tests.house import bring_to, job_type, person, submit, sweep_until
from tests.sweeping import carry, history, ledger, runs_of
from tests.threads import (
    KEY,
    conversations,
    delete_at_provider,
    is_idle,
    items,
    made,
    thread_of,
    work_until,
)

SLOW = "Hello. [sandbox:slow]"


def status_of(job: Job) -> str:
    return Job.objects.get(pk=job.pk).status


def active_in(thread: Thread) -> Job | None:
    return Thread.objects.get(pk=thread.pk).active_job


# ---- one for each key ------------------------------------------------------------


def test_there_is_one_for_each_owner_and_key(shop, olivia):
    mine = thread_of(shop)
    assert thread_of(shop) == mine
    assert thread_of(olivia) != mine
    assert thread_of(shop, "user:43") != mine


def test_its_conversation_bears_our_names_and_its_owner(shop, courier, provider):
    at = timezone.now() + timedelta(days=3)
    thread = thread_of(shop, expires_at=at, metadata={"a": "b"})
    conversation = made(courier, thread)
    (log,) = conversations(provider, thread)
    assert log["id"] == conversation.conversation_id
    assert log["metadata"] == {
        "instance": "bgreview-tests",
        "thread": str(thread.public_id),
        "conversation": str(conversation.uuid),
        "owner": "shop",
        "expires_at": at.isoformat(),
    }


def test_threads_of_sessions_live_for_a_day(shop):
    assert thread_of(shop).expires_at is None
    life = thread_of(shop, "session:ab12").expires_at - timezone.now()
    assert timedelta(hours=23) < life <= timedelta(days=1)


@pytest.mark.parametrize("key", ["", "  ", "x" * 201, "a\0b", "\ud800"])
def test_a_key_can_be_stored_and_says_something(shop, key):
    with pytest.raises(InvalidInput) as wrong:
        thread_of(shop, key)
    assert set(wrong.value.errors) == {"key"}


def test_it_cannot_be_over_before_it_began(shop):
    with pytest.raises(InvalidInput) as wrong:
        thread_of(shop, expires_at=timezone.now())
    assert set(wrong.value.errors) == {"expires_at"}


@pytest.mark.both_databases
@pytest.mark.django_db(transaction=True)
def test_twenty_at_once_make_one_thread_and_one_conversation(shop, courier, provider):
    start = Barrier(20)

    def make(_: int) -> Thread:
        try:
            start.wait()
            return thread_of(shop)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        found = set(pool.map(make, range(20)))
    assert len(found) == 1
    (thread,) = found
    made(courier, thread)
    assert len(conversations(provider, thread)) == 1
    assert Conversation.objects.count() == 1


# ---- one run at a time -----------------------------------------------------------


def test_jobs_run_in_the_conversation_one_after_the_other(
    note, shop, courier, provider
):
    first, second = submit(shop, "One.", thread=KEY), submit(shop, "Two.", thread=KEY)
    bring_to("awaiting_review", second, courier)
    assert status_of(first) == "awaiting_review"
    (log,) = conversations(provider, first.thread)
    runs = [runs_of(job, provider)[0] for job in (first, second)]
    assert log["responses"] == [run["id"] for run in runs]
    assert runs[0]["finished_at"] <= runs[1]["created_at"]
    assert log["refused"] == 0
    conversation = Conversation.objects.get()
    said = [
        item for item in items(provider, conversation) if item.get("role") == "user"
    ]
    assert [item["content"][0]["text"] for item in said] == ["One.", "Two."]


@pytest.mark.django_db(transaction=True)
def test_fifty_submitted_at_once_run_one_by_one_in_their_order(
    note, shop, courier, provider
):
    start = Barrier(50)

    def ask(n: int) -> Job:
        try:
            start.wait()
            return submit(shop, f"Say {n}.", thread=KEY)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(50) as pool:
        jobs = sorted(pool.map(ask, range(50)), key=lambda job: job.pk)
    thread = jobs[0].thread
    done = Job.objects.filter(status="awaiting_review")
    over = 60  # seconds; a second is enough for some five of them
    work_until(courier, lambda: done.count() == 50 and is_idle(thread), over)
    (log,) = conversations(provider, thread)
    assert log["refused"] == 0
    by_job = {run["metadata"].get("job"): run for run in ledger(provider)}
    runs = [by_job[str(job.public_id)] for job in jobs]
    assert log["responses"] == [run["id"] for run in runs]
    for before, after in pairwise(runs):
        assert before["finished_at"] <= after["created_at"]


def test_others_are_not_held_up_by_a_thread(note, shop, slow_provider, ask):
    courier = ask(slow_provider.base_url)
    submit(shop, SLOW, thread=KEY)
    waiting = [submit(shop, thread=KEY) for _ in range(3)]
    elsewhere = submit(shop, SLOW, thread="user:43")
    alone = submit(shop, SLOW)
    bring_to("running", elsewhere, courier)
    bring_to("running", alone, courier)
    assert {status_of(job) for job in waiting} == {"queued"}


def test_the_turn_is_kept_through_retries(note, shop, courier, provider):
    first = submit(shop, "One. [sandbox:flaky]", thread=KEY)
    second = submit(shop, "Two.", thread=KEY)
    bring_to("awaiting_review", second, courier)
    runs = runs_of(first, provider)
    assert [run["status"] for run in runs] == ["failed", "completed"]
    assert runs_of(second, provider)[0]["created_at"] >= runs[1]["finished_at"]


def test_the_turn_is_kept_while_it_waits_for_answers(note, shop, courier):
    first = submit(shop, "One. [sandbox:function-call]", thread=KEY)
    second = submit(shop, "Two.", thread=KEY)
    bring_to("requires_action", first, courier)
    for _ in range(3):
        release_turns()
        assert claim_jobs(10) == []
    assert active_in(first.thread) == first
    assert status_of(second) == "queued"
    assert Thread.objects.get().state == "requires_action"


def test_the_turn_is_kept_until_what_was_cancelled_is_settled(
    note, shop, olivia, slow_provider, ask
):
    courier = ask(slow_provider.base_url)
    first = bring_to("running", submit(shop, SLOW, thread=KEY), courier)
    submit(shop, "Two.", thread=KEY)
    cancel_job(first, by=olivia)
    release_turns()
    assert claim_jobs(10) == []
    assert active_in(first.thread) == first
    work_until(courier, lambda: active_in(first.thread) != first)
    assert Attempt.objects.get(job=first).settled_at


def test_the_turn_is_kept_while_the_answer_to_a_start_is_in_the_air(
    note, shop, olivia, courier
):
    made(courier, thread_of(shop))
    first = submit(shop, SLOW, thread=KEY)
    second = submit(shop, "Two.", thread=KEY)
    (errand,) = claim_jobs(10)
    cancel_job(Job.objects.get(pk=first.pk), by=olivia)
    release_turns()
    assert active_in(first.thread) == first, "it may be at work there"
    carry(courier, [errand])
    assert errand.job == first
    assert status_of(second) == "queued"


def test_whose_turn_it_is_is_asked_again_under_the_lock(note, shop):
    """What a sweep read of the line may be old by then."""
    first, second = (submit(shop, thread=KEY) for _ in range(2))
    now = timezone.now()
    Conversation.objects.create(
        thread=first.thread, number=1, created_at=now, conversation_id="conv_1"
    )
    assert take_turns([first], now) == [], "a step is owed to it"
    Thread.objects.update(active_job=first, wake_at=None)
    assert take_turns([second], now) == [], "another one has the turn"
    assert take_turns([first], now) == [first]


def test_a_new_sweep_goes_on_where_the_last_one_died(note, shop, courier, provider):
    """Whose turn it is stands in the rows."""
    first, second = submit(shop, "One.", thread=KEY), submit(shop, "Two.", thread=KEY)
    made_up = first.thread
    work_until(courier, lambda: active_in(made_up) == first)
    Thread.objects.update(wake_at=None)
    bring_to("awaiting_review", second, courier)
    assert history(first)[-1] == history(second)[-1] == "awaiting_review"


def test_a_locked_conversation_is_waited_for_and_costs_no_try(
    note, shop, courier, provider
):
    conversation = made(courier, thread_of(shop))
    stranger = {
        "model": "gpt-5.2",
        "input": "Hello. [sandbox:slow]",
        "background": True,
        "store": True,
        "conversation": conversation.conversation_id,
    }
    runs = post(provider, "/responses", stranger)
    job = submit(shop, "One.", thread=KEY)
    sweep_until(courier, job.attempts.exclude(failure_class="").exists)
    post(provider, f"/responses/{runs['id']}/cancel", {})
    bring_to("awaiting_review", job, courier)
    first, *_, last = job.attempts.order_by("number")
    assert (first.failure_class, first.failure_code) == (
        "locked",
        "conversation_locked",
    )
    assert last.tries == 1
    assert conversations(provider, job.thread)[0]["refused"] >= 1


def test_where_the_conversation_is_gone_a_retry_begins_another_one(
    note, shop, olivia, courier, provider
):
    first = made(courier, thread_of(shop))
    Conversation.objects.update(made_at=timezone.now() - timedelta(hours=1))
    delete_at_provider(provider, first)
    job = bring_to("expired", submit(shop, "One.", thread=KEY), courier)
    assert (job.failure_class, job.failure_code) == ("gone", "conversation_gone")
    assert "conversation is not at the provider any more" in explain(job).sentence

    again = bring_to("awaiting_review", retry_job(job, by=olivia), courier)

    last = again.attempts.get(number=2).conversation
    assert (last.number, last.previous) == (2, first)
    said = [i for i in items(provider, last) if i.get("role") == "user"]
    assert len(said) == 1


def test_a_young_conversation_that_is_not_found_yet_is_tried_again(
    note, shop, courier, provider
):
    young = made(courier, thread_of(shop))
    delete_at_provider(provider, young)
    job = submit(shop, "One.", thread=KEY)
    work_until(courier, Attempt.objects.exclude(ended_at=None).exists)

    assert Attempt.objects.first().failure_class == "transient"
    assert Job.objects.get(pk=job.pk).status == "queued"
    assert Thread.objects.get().conversation == young


def test_it_explains_whose_turn_it_is(note, shop, slow_provider, ask):
    courier = ask(slow_provider.base_url)
    first = bring_to("running", submit(shop, SLOW, thread=KEY, title="One"), courier)
    second, third = (submit(shop, thread=KEY) for _ in range(2))
    said = explain(Job.objects.get(pk=second.pk))
    assert said.sentence.startswith(
        "Waits its turn in the thread “user:42”: “One” is before it. Runs at the "
    )
    assert (said.who, said.waiting_for) == ("provider", "its turn")
    assert said.since == second.created_at
    assert "2 jobs are before it" in explain(Job.objects.get(pk=third.pk)).sentence
    assert first.status == "running"


def test_it_explains_that_its_thread_is_not_ready(note, shop):
    job = submit(shop, thread=KEY)
    said = explain(Job.objects.get(pk=job.pk))
    assert said.sentence == "Waits until its thread “user:42” is ready."
    Thread.objects.update(trouble="Overloaded.")
    said = explain(Job.objects.get(pk=job.pk))
    assert said.sentence.endswith("ready. The last try failed: Overloaded.")
    assert said.who == "system"


# ---- what a new one does about it ------------------------------------------------


def test_rejected_names_the_active_job(note, shop, slow_provider, ask):
    courier = ask(slow_provider.base_url)
    waiting = submit(shop, SLOW, thread=KEY)
    with pytest.raises(ThreadBusy, match=str(waiting.public_id)):
        submit(shop, thread=KEY, on_active=OnActive.REJECT)
    bring_to("running", waiting, courier)
    with pytest.raises(ThreadBusy, match=str(waiting.public_id)):
        submit(shop, thread=KEY, on_active=OnActive.REJECT)
    assert Job.objects.count() == 1
    assert submit(shop, thread="other", on_active=OnActive.REJECT).thread.key == "other"


@pytest.mark.both_databases
@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_that_would_not_wait_one_is_taken(note, shop):
    start = Barrier(8)
    thread_of(shop)

    def ask(_: int) -> bool:
        try:
            start.wait()
            submit(shop, thread=KEY, on_active=OnActive.REJECT)
        except ThreadBusy:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(8))) == 1


def test_cancel_takes_the_place_of_the_active_one_once_it_is_settled(
    note, shop, slow_provider, ask
):
    courier = ask(slow_provider.base_url)
    first = bring_to("running", submit(shop, SLOW, thread=KEY), courier)
    second = submit(shop, SLOW, thread=KEY, on_active=OnActive.CANCEL)
    assert status_of(first) == "cancelled"
    assert status_of(second) == "queued"
    bring_to("running", second, courier)
    settled = Attempt.objects.get(job=first).settled_at
    assert settled <= Attempt.objects.get(job=second).created_at
    (log,) = conversations(slow_provider, first.thread)
    assert log["refused"] == 0
    event = first.events.get(became="cancelled")
    assert (event.actor, event.note) == (
        "shop",
        "Another job in its thread takes its place.",
    )


def test_cancel_throws_no_answer_away_that_waits_for_a_decision(shop, courier):
    job_type(in_thread=InThread.WAITS)
    first = bring_to("awaiting_review", submit(shop, thread=KEY), courier)
    with pytest.raises(ThreadBusy, match="waits for a decision"):
        submit(shop, thread=KEY, on_active=OnActive.CANCEL)
    assert status_of(first) == "awaiting_review"


def test_to_take_a_place_needs_the_right_to_cancel(note, shop, db):
    carol = person("carol")
    carol.user_permissions.set(rights("submit_job"))
    submit(carol, thread=KEY)
    with pytest.raises(Exception, match=r"jobs\.cancel_job"):
        submit(carol, thread=KEY, on_active=OnActive.CANCEL)
    assert Job.objects.count() == 1


def test_a_closed_thread_runs_nothing_new(note, shop):
    Thread.objects.filter(pk=thread_of(shop).pk).update(stage="archiving")
    with pytest.raises(MoveRefused, match="is being archived"):
        submit(shop, thread=KEY)
    assert Job.objects.count() == 0


def rights(*names: str):
    from django.contrib.auth.models import Permission

    return Permission.objects.filter(codename__in=names)


def post(provider, path: str, body: dict) -> dict:
    import httpx2

    headers = {"Authorization": "Bearer sk-tests"}
    url = f"{provider.base_url}{path}"
    return httpx2.post(url, json=body, headers=headers, verify=False).json()

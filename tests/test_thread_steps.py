"""Closing a thread, killed at every step; and what else is a step of its own.

Whoever is killed leaves the rows as its last commit had them, and the provider as its
last call left it. So here a sweep is let go of at every step: before its call, between
the call and its commit, after it. Another one goes on once the lease is over.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import httpx2
import pytest
from django.utils import timezone

from jobs.courier import Courier
from jobs.doctor.checks import Scope, all_checks
from jobs.lifecycle import MoveRefused
from jobs.models import (
    Attempt,
    Conversation,
    IdempotencyKey,
    Job,
    Thread,
    ThreadItem,
)
from jobs.models.job_type import InThread
from jobs.provider import openai as provider_module
from jobs.sandbox.serving import Served
from jobs.services.claim import claim_jobs, claim_unsettled
from jobs.services.closing import archive_thread, delete_thread
from jobs.services.hold import set_legal_hold
from jobs.services.observe import apply
from jobs.services.thread_steps import (
    Step,
    ThreadErrand,
    claim_thread_steps,
    note_thread_step,
)
from jobs.services.turns import release_turns
from tests.house import api, bring_to, job_type, person, problem, submit
from tests.sweeping import carry
from tests.threads import (
    KEY,
    add_items,
    conversations,
    delete_at_provider,
    is_idle,
    made,
    thread_of,
    work_until,
)

SLOW = "Hello. [sandbox:slow]"
MOST_TURNS = 60
Points = set[tuple[Any, ...]]
Check = Callable[[], None]


class Killed(BaseException):
    """The process is gone, and with it all that it had in hand."""


class Process:
    """A sweep of threads that is killed once at each step: before its call, say.

    `killed` holds the points where it was: whoever comes after it gets past them.
    """

    def __init__(
        self, courier: Courier, check: Check, at: str = "", killed: Points | None = None
    ) -> None:
        self.courier, self.check, self.at = courier, check, at
        self.killed = set() if killed is None else killed

    def run(self, thread: Thread, done: Callable[[], bool] | None = None) -> None:
        """Until the thread is closed for good, or `done` holds."""
        closed = Thread.objects.filter(pk=thread.pk, stage__in=["archived", "deleted"])
        for _ in range(MOST_TURNS):
            if (done or closed.exists)():
                return
            let_time_pass()
            release_turns()
            self._carry(claim_unsettled(10), apply)
            self._carry(claim_jobs(10), apply)
            for errand in claim_thread_steps(10):
                self._carry([errand], lambda done: note_thread_step(done[0]))
        raise AssertionError("it does not come to an end")

    def _carry(self, errands: list[Any], note: Callable[[list[Any]], Any]) -> None:
        if not errands:
            return
        self._point("before its call", errands)
        carry(self.courier, errands)
        self._point("before its commit", errands)
        note(errands)
        self._point("after its commit", errands)

    def _point(self, at: str, errands: list[Any]) -> None:
        self.check()
        names = tuple(map(name_of, errands))
        if at == self.at and names not in self.killed:
            self.killed.add(names)
            raise Killed


def name_of(errand: Any) -> tuple[Any, ...]:
    """Which step of what, however often it is tried."""
    if isinstance(errand, ThreadErrand):
        return errand.step, errand.conversation.number, errand.at
    return errand.kind, errand.job.pk


def let_time_pass() -> None:
    """Leases are over, and nothing waits for a plan of its own."""
    now = timezone.now()
    Thread.objects.filter(wake_at__gt=now).update(wake_at=now)
    Attempt.objects.filter(wake_at__gt=now).update(wake_at=now)
    Job.objects.filter(lease_until__gt=now).update(lease_until=now)
    Job.objects.filter(status__in=["queued", "running"]).wake()


def killed_everywhere(
    courier: Courier,
    begin: Callable[[], Thread],
    *,
    steps: int,
    check: Check = lambda: None,
    done: Callable[[Thread], bool] | None = None,
) -> Iterator[Thread]:
    """The thread at its end, after a kill at each of so many steps; for each point."""
    for at in ("before its call", "before its commit", "after its commit"):
        thread, killed = begin(), set[tuple[Any, ...]]()
        is_done = partial(done, thread) if done else None
        while not survives(Process(courier, check, at, killed), thread, is_done):
            pass
        assert len(killed) >= steps, "there are more steps than that"
        yield Thread.objects.get(pk=thread.pk)


def survives(process: Process, thread: Thread, done: Callable[[], bool] | None) -> bool:
    try:
        process.run(thread, done)
    except Killed:
        return False
    return True


@pytest.fixture
def small_pages(monkeypatch) -> None:
    """So that every copy takes several steps."""
    monkeypatch.setattr(provider_module, "PAGE", 2)


@pytest.fixture
def filled(shop, courier, provider) -> Callable[[], Thread]:
    """Makes threads with three items in their conversation."""
    number = iter(range(1_000))

    def make() -> Thread:
        thread = thread_of(shop, f"user:{next(number)}")
        add_items(provider, made(courier, thread), *map(str, range(3)))
        return thread

    return make


def copied_ids(thread: Thread) -> list[str]:
    rows = ThreadItem.objects.filter(conversation__thread=thread)
    return list(rows.order_by("position").values_list("item_id", flat=True))


def nothing_deleted_before_it_was_copied(provider: Served, thread: Thread) -> Check:
    def check() -> None:
        gone = {c["id"] for c in conversations(provider, thread) if c["deleted_at"]}
        uncopied = Conversation.objects.filter(conversation_id__in=gone, copied_at=None)
        assert not uncopied.exists()

    return check


# ---- killed at every step --------------------------------------------------------


def test_an_archive_that_is_killed_anywhere_ends_with_a_whole_copy(
    filled, shop, courier, provider, small_pages
):
    def begin() -> Thread:
        return archive_thread(filled(), by=shop)

    for thread in killed_everywhere(courier, begin, steps=2):
        assert thread.state == "archived"
        assert thread.archived_at
        (log,) = conversations(provider, thread)
        assert log["deleted_at"] is None
        assert len(log["items"]) == 3
        assert copied_ids(thread) == log["items"]
        assert thread.conversations.get().items_copied == 3


def test_a_deletion_that_is_killed_anywhere_forgets_no_conversation(
    note, shop, courier, provider, small_pages
):
    number = iter(range(1_000))

    def begin() -> Thread:
        thread = thread_of(shop, f"user:{next(number)}")
        made(courier, thread)
        bring_to("running", submit(shop, SLOW, thread=thread.key), courier)
        submit(shop, thread=thread.key)
        return delete_thread(thread, by=shop)

    for thread in killed_everywhere(courier, begin, steps=2):
        assert thread.state == "deleted"
        assert set(thread.jobs.values_list("status", flat=True)) == {"cancelled"}
        (log,) = conversations(provider, thread)
        assert log["deleted_at"]
        unsettled = Attempt.objects.filter(job__thread=thread, settled_at=None)
        assert not unsettled.exclude(response_id=None).exists()
        assert copied_ids(thread) == []


def test_one_that_is_deleted_while_it_is_made_is_deleted_or_listed(
    shop, courier, provider
):
    number = iter(range(1_000))

    def begin() -> Thread:
        thread = thread_of(shop, f"user:{next(number)}")
        for errand in claim_thread_steps(10):
            carry(courier, [errand])  # and nothing is noted
        return delete_thread(thread, by=shop)

    for thread in killed_everywhere(courier, begin, steps=0):
        assert thread.state == "deleted"
        lost = {str(row.uuid) for row in thread.conversations.lost()}
        left = [c for c in conversations(provider, thread) if not c["deleted_at"]]
        assert {log["metadata"]["conversation"] for log in left} == lost
        assert len(lost) == 1


def test_a_deletion_that_archives_deletes_nothing_that_is_not_copied(
    filled, shop, courier, provider, small_pages
):
    begun: list[Thread] = []

    def check() -> None:
        nothing_deleted_before_it_was_copied(provider, begun[-1])()

    def begin() -> Thread:
        begun.append(delete_thread(filled(), by=shop, archive=True))
        return begun[-1]

    for thread in killed_everywhere(courier, begin, steps=3, check=check):
        assert thread.state == "deleted"
        (log,) = conversations(provider, thread)
        assert log["deleted_at"]
        assert copied_ids(thread) == log["items"]
        assert len(log["items"]) == 3


# ---- one step each ---------------------------------------------------------------


def test_a_create_whose_answer_was_lost_is_listed_and_another_one_made(
    shop, courier, provider
):
    thread = thread_of(shop)
    (errand,) = claim_thread_steps(10)
    assert errand.step is Step.MAKE
    carry(courier, [errand])  # and we die before noting it
    let_time_pass()
    conversation = made(courier, thread)
    lost = Conversation.objects.lost().get()
    assert lost.conversation_id is None
    logs = conversations(provider, thread)
    assert [log["metadata"]["conversation"] for log in logs] == [
        str(lost.uuid),
        str(conversation.uuid),
    ]
    (found,) = findings("lost_conversation")
    assert f"conversation={lost.uuid}" in found.sentence


def test_an_answer_that_comes_late_is_noted_all_the_same(shop, courier, provider):
    """The conversation is known then, and is deleted with its thread."""
    thread = thread_of(shop)
    (errand,) = claim_thread_steps(10)
    carry(courier, [errand])
    let_time_pass()
    made(courier, thread)
    note_thread_step(errand)
    assert not Conversation.objects.lost().exists()
    Process(courier, lambda: None).run(delete_thread(thread, by=shop))
    assert [bool(c["deleted_at"]) for c in conversations(provider, thread)] == [
        True
    ] * 2


def test_what_is_refused_for_good_fails_the_job_that_waits_for_it(note, shop, scripted):
    refusal = {"uri": "/v1/conversations", "status": 400, "body": "{}"}
    courier = scripted(refusal, refusal)  # of the thread, then for its job
    job = bring_to("failed", submit(shop, thread=KEY), courier)
    assert job.failure_class == "malformed_input"
    assert "conversation could not be made" in job.failure_message
    release_turns()
    assert is_idle(job.thread)


def test_a_refusal_does_not_forget_a_thread_that_is_deleted_meanwhile(
    shop, scripted, courier
):
    refusing = scripted({"uri": "/v1/conversations", "status": 400, "body": "{}"})
    thread = thread_of(shop)
    errands = claim_thread_steps(10)
    delete_thread(thread, by=shop)
    carry(refusing, errands)
    note_thread_step(errands[0])
    Process(courier, lambda: None).run(thread)
    assert Thread.objects.get().state == "deleted"


def test_an_id_that_another_thread_has_is_none(shop, scripted):
    made_once = {"uri": "/v1/conversations", "body": {"id": "conv_1"}}
    courier = scripted(made_once, made_once, made_once | {"body": {"id": "conv_2"}})
    first, second = thread_of(shop), thread_of(shop, "other")
    while not (is_idle(first) and is_idle(second)):
        let_time_pass()
        for errand in claim_thread_steps(10):
            carry(courier, [errand])
            note_thread_step(errand)
    ids = Conversation.objects.filter(ended_at=None).values_list("conversation_id")
    assert set(ids) == {("conv_1",), ("conv_2",)}
    assert Conversation.objects.lost().count() == 1


def test_what_breaks_our_code_holds_up_no_other_thread(note, filled, shop, courier):
    bad, good = (archive_thread(thread, by=shop) for thread in [filled(), filled()])
    Attempt.objects.create(
        job=submit(shop, thread="elsewhere"),
        number=1,
        created_at=timezone.now(),
        ended_at=timezone.now(),
        settled_at=timezone.now(),
        conversation=bad.conversations.get(),
        take_out_at=timezone.now(),
    )
    Thread.objects.filter(pk=bad.pk).update(taking_out={"attempts": []})
    Process(courier, lambda: None).run(good)
    broken = Thread.objects.get(pk=bad.pk)
    assert (broken.stage, broken.trouble) == (
        "archiving",
        "It broke our code: see the log.",
    )


def test_what_fails_for_now_is_tried_again(shop, courier, provider):
    fault = {"fault": "overloaded", "on": ["new-conversation"], "count": 2}
    httpx2.post(f"{provider.url}/sandbox/faults", json=fault, verify=False)
    thread = thread_of(shop)

    def step() -> bool:
        let_time_pass()
        for errand in claim_thread_steps(10):
            carry(courier, [errand])
            note_thread_step(errand)
        return is_idle(thread)

    while not step():
        pass
    assert len(conversations(provider, thread)) == 1


def test_a_conversation_that_is_gone_needs_no_deleting(filled, shop, courier, provider):
    thread = filled()
    delete_at_provider(provider, thread.conversations.get())
    Process(courier, lambda: None).run(delete_thread(thread, by=shop, archive=True))
    assert Conversation.objects.get().deleted_at
    assert ThreadItem.objects.count() == 0


# ---- who may, and when -----------------------------------------------------------


def test_only_its_owner_and_those_with_the_right_close_it(shop, olivia, bob):
    thread = thread_of(shop)
    with pytest.raises(Exception, match=r"jobs\.close_thread"):
        archive_thread(thread, by=bob)
    archive_thread(thread, by=olivia)
    with pytest.raises(MoveRefused, match="is being archived already"):
        archive_thread(thread, by=shop)


def test_an_archive_waits_for_the_jobs_in_it(note, shop, courier, provider):
    thread = thread_of(shop)
    job = submit(shop, thread=KEY)
    archive_thread(thread, by=shop)
    bring_to("awaiting_review", job, courier)
    Process(courier, lambda: None).run(thread)
    assert len(copied_ids(thread)) == 3


def test_a_deletion_waits_for_no_reviewer(shop, courier, provider):
    job_type(in_thread=InThread.WAITS)
    job = bring_to("awaiting_review", submit(shop, thread=KEY), courier)
    assert Thread.objects.get().active_job == job
    Process(courier, lambda: None).run(delete_thread(job.thread, by=shop))
    assert Job.objects.get().status == "awaiting_review"
    assert conversations(provider, job.thread)[0]["deleted_at"]


def test_what_was_said_of_it_goes_with_it(shop, courier):
    thread = thread_of(shop, metadata={"name": "Bob Keane"})
    Process(courier, lambda: None).run(delete_thread(thread, by=shop))
    assert Thread.objects.get().metadata == {}


def test_no_answer_to_a_repeated_request_tells_of_it_again(shop, courier):
    said, once = (
        {"key": KEY, "metadata": {"name": "Bob"}},
        {"HTTP_IDEMPOTENCY_KEY": "k"},
    )
    told = api(shop).post("/api/v1/threads/", said, **once)
    assert api(shop).post("/api/v1/threads/", said, **once).content == told.content
    thread = Thread.objects.get(public_id=told.json()["id"])
    path = f"/api/v1/threads/{thread.public_id}/archive/"
    assert api(shop).post(path, **once).status_code == 202

    Process(courier, lambda: None).run(thread)
    delete_thread(thread, by=shop)
    deleted = Thread.objects.filter(stage="deleted")
    Process(courier, lambda: None).run(thread, deleted.exists)

    assert not IdempotencyKey.objects.exclude(body="").exists()
    for again in ("/api/v1/threads/", path):
        body = None if again == path else said
        answer = api(shop).post(again, body, **once)
        assert "was deleted" in problem(answer, 410)["detail"]
    assert Thread.objects.count() == 1


def test_deleting_twice_changes_nothing_and_frees_the_key(shop, courier):
    thread = thread_of(shop)
    delete_thread(thread, by=shop)
    delete_thread(thread, by=shop)
    with pytest.raises(MoveRefused, match="without a copy"):
        delete_thread(thread, by=shop, archive=True)
    assert not Thread.objects.get(pk=thread.pk).keeps_copy
    Process(courier, lambda: None).run(thread)
    assert thread_of(shop) != thread


def test_an_archived_one_is_deleted_with_or_without_its_copy(filled, shop, courier):
    kept, dropped = filled(), filled()
    for thread, keeps in ((kept, True), (dropped, False)):
        Process(courier, lambda: None).run(archive_thread(thread, by=shop))
        again = delete_thread(thread, by=shop, archive=keeps)
        Process(courier, lambda: None).run(again)
    assert len(copied_ids(kept)) == 3
    assert copied_ids(dropped) == []


def test_what_has_expired_is_deleted_by_itself(filled, shop, courier, provider):
    thread = filled()
    other = filled()
    Thread.objects.filter(pk=thread.pk).update(expires_at=timezone.now())
    gone = Thread.objects.filter(pk=thread.pk, stage="deleted")
    work_until(courier, gone.exists)
    assert conversations(provider, thread)[0]["deleted_at"]
    assert Thread.objects.get(pk=other.pk).state == "idle"


def test_a_legal_hold_keeps_the_whole_thread(note, filled, shop):
    thread = filled()
    mary = person("mary", "Managers")
    job = submit(shop, thread=thread.key)
    set_legal_hold(job, by=mary, on=True)
    with pytest.raises(MoveRefused, match="legal hold"):
        delete_thread(thread, by=shop)
    Thread.objects.filter(pk=thread.pk).update(expires_at=timezone.now())
    assert claim_thread_steps(10) == []
    assert Thread.objects.get(pk=thread.pk).stage == "open"
    set_legal_hold(Job.objects.get(pk=job.pk), by=mary, on=False)
    delete_thread(thread, by=shop)
    set_legal_hold(Job.objects.get(pk=job.pk), by=mary, on=True)
    assert claim_thread_steps(10) == [], "it stops where it is"
    assert Thread.objects.get(pk=thread.pk).state == "deleting"


def findings(rule: str) -> list[Any]:
    late = timezone.now() + timedelta(hours=2)
    (check,) = (check for check in all_checks() if check.rule == rule)
    return list(check.look(Scope(late, most=10)))

"""A response that no attempt has: whose is it, and who still wants it?

The creates that are lost here were answered by the sandbox; we "died" before noting it.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
import time_machine
from django.utils import timezone

from jobs.courier import Courier
from jobs.models import Attempt, Job, WebhookReceipt
from jobs.provider.base import Phase, ProviderFault, Snapshot
from jobs.provider.events import ProviderEvent
from jobs.sandbox.app import make_app
from jobs.sandbox.serving import Served, serve
from jobs.services.cancel import cancel_job
from jobs.services.claim import claim_jobs
from jobs.services.errands import LEASE, Errand
from jobs.services.inquiries import Inquiry, claim_inquiries, conclude
from jobs.services.observe import apply
from jobs.services.receive import process_again, receive_event
from jobs.services.retry import retry_job
from jobs.services.verify import broken_links
from jobs.sweep import turn
from tests.house import PATIENCE, bring_to, submit, sweep_until
from tests.sweeping import ledger, let_lease_pass, runs_of

START_LEASE = timedelta(seconds=15)
SLOW = "Hi. [sandbox:slow]"

# ---- helpers ---------------------------------------------------------------------


def carry(courier: Courier, *errands: Errand | Inquiry) -> None:
    """To the provider and back; nothing is applied, nor what comes back with it."""
    courier.send(errands)
    until = time.monotonic() + PATIENCE
    missing = list(map(id, errands))
    while missing:
        assert time.monotonic() < until, "no reply came"
        back = set(map(id, courier.collect(wait=0.1, most=100)))
        missing = [one for one in missing if one not in back]


def start_unnoted(job: Job, courier: Courier) -> Errand:
    """The provider has accepted it, and we have not noted that yet."""
    Job.objects.filter(pk=job.pk).wake()
    (errand,) = claim_jobs(1)
    carry(courier, errand)
    assert isinstance(errand.reply, Snapshot), errand.reply
    return errand


def lose(job: Job, courier: Courier) -> str:
    """We died before noting its response id; gives the id, as an event would."""
    errand = start_unnoted(job, courier)
    let_lease_pass(job)
    assert claim_jobs(1) == []  # finds that it died
    # The next start is a while away, so that no test depends on the dice.
    later = timezone.now() + timedelta(minutes=5)
    Job.objects.filter(pk=job.pk, status="queued").update(wake_at=later)
    return errand.reply.response_id


def tell(response_id: str, kind: str = "response.completed") -> None:
    receive_event(ProviderEvent(f"wh_{uuid.uuid4()}", kind, response_id))


def inquire(courier: Courier) -> None:
    """One turn of the sweep, as far as it is about receipts."""
    inquiries = claim_inquiries(10)
    carry(courier, *inquiries)
    for inquiry in inquiries:
        conclude(inquiry)


def outcome_of(response_id: str) -> tuple[str, bool]:
    """What was said of it, and whether it will be asked for again."""
    receipt = WebhookReceipt.objects.get(response_id=response_id)
    return receipt.outcome, receipt.wake_at is not None


def at_provider(response_id: str, provider: Served) -> dict[str, Any]:
    return next(run for run in ledger(provider) if run["id"] == response_id)


def begun_elsewhere(provider: Served, **metadata: str) -> str:
    """A response that no attempt of ours began; it runs for a while."""
    body = {"model": "gpt-5.2", "input": SLOW, "background": True, "store": True}
    made = httpx2.post(
        f"{provider.base_url}/responses",
        headers={"Authorization": "Bearer sk-tests"},
        json=body | {"metadata": metadata},
        verify=False,
    )
    return made.json()["id"]


def only(job: Job, kind: str) -> str:
    """The note of its one event of this kind; its chain is whole."""
    assert broken_links(Job.objects.get(pk=job.pk)) == []
    return job.events.get(kind=kind).note


@pytest.fixture(scope="module")
def provider_server() -> Iterator[Served]:
    """One of our own: we begin responses that no other test should meet."""
    with serve(make_app(scale=0.0002)) as served:
        yield served


@pytest.fixture(scope="module")
def slow_server() -> Iterator[Served]:
    """Where nothing ends while a test looks, unless it is stopped."""
    with serve(make_app(scale=1)) as served:
        yield served


@pytest.fixture
def nothing_ends() -> None:
    """For tests of what is still at work."""


@pytest.fixture
def provider(request, provider_server, slow_server, settings) -> Served:
    slow = "nothing_ends" in request.fixturenames
    served: Served = slow_server if slow else provider_server
    settings.OPENAI_BASE_URL = served.base_url
    return served


@pytest.fixture
def missing_one(note, shop, courier) -> Job:
    """A job whose create was lost: events of unknown responses are looked at."""
    job = submit(shop)
    lose(job, courier)
    return job


# ---- when it is looked at --------------------------------------------------------


def test_while_nothing_was_lost_an_unknown_response_is_never_asked_for(
    job_awaiting_review, provider
):
    theirs = begun_elsewhere(provider, instance="another")

    tell(theirs)

    assert outcome_of(theirs) == ("not_ours", False)
    assert claim_inquiries(10) == []
    assert at_provider(theirs, provider)["retrieved"] == 0


@pytest.mark.parametrize(("age", "looked_at"), [(71, True), (73, False)])
def test_a_create_counts_as_lost_as_long_as_events_are_repeated(
    missing_one, age, looked_at
):
    begun = timezone.now() - timedelta(hours=age)
    Attempt.objects.filter(failure_class="lost").update(created_at=begun)

    tell("resp_x")

    assert outcome_of("resp_x") == (
        ("waits", True) if looked_at else ("not_ours", False)
    )


def test_a_create_that_was_refused_is_not_missed(missing_one):
    Attempt.objects.update(failure_class="malformed_input")

    tell("resp_x")

    assert outcome_of("resp_x") == ("not_ours", False)


def test_once_it_was_found_no_other_is_looked_for(note, shop, courier):
    found = lose(submit(shop), courier)
    tell(found)
    inquire(courier)

    tell("resp_x")

    assert outcome_of(found) == ("adopted", False)
    assert outcome_of("resp_x") == ("not_ours", False)


def test_a_known_event_kind_alone_is_looked_at(missing_one):
    tell("resp_x", "response.archived")

    assert outcome_of("resp_x") == ("unknown_type", False)


# ---- somebody else's -------------------------------------------------------------


@pytest.mark.usefixtures("nothing_ends")
@pytest.mark.parametrize("metadata", [{}, {"instance": "another"}, {"instance": ""}])
def test_a_response_without_our_name_is_never_touched(
    missing_one, courier, provider, metadata
):
    theirs = begun_elsewhere(provider, **metadata)
    tell(theirs)

    inquire(courier)

    assert outcome_of(theirs) == ("not_ours", False)
    run = at_provider(theirs, provider)
    assert (run["retrieved"], run["cancelled"]) == (1, False)


# ---- the event came before our own note ------------------------------------------


def test_an_event_that_overtakes_our_note_waits_for_it_and_wakes(
    note, shop, courier, provider
):
    errand = start_unnoted(submit(shop), courier)
    response_id = errand.reply.response_id
    tell(response_id)
    assert outcome_of(response_id) == ("waits", True)
    asked = at_provider(response_id, provider)["retrieved"]

    apply([errand])  # our own commit
    Job.objects.filter(status="running").update(wake_at=later())
    assert claim_inquiries(10) == []  # nobody needs to be asked

    assert outcome_of(response_id) in [("woke", False), ("known", False)]
    assert at_provider(response_id, provider)["retrieved"] == asked
    assert not Job.objects.filter(status="running", wake_at=later()).exists()


def later():
    return timezone.now() + timedelta(hours=1)


@pytest.mark.usefixtures("nothing_ends")
def test_a_note_that_comes_while_the_provider_is_asked_counts(
    note, shop, courier, provider
):
    job = submit(shop, SLOW)
    errand = start_unnoted(job, courier)
    tell(errand.reply.response_id)
    (inquiry,) = claim_inquiries(1)
    carry(courier, inquiry)

    apply([errand])
    conclude(inquiry)

    assert outcome_of(errand.reply.response_id) == ("woke", False)
    assert job.attempts.get().ended_at is None
    assert not at_provider(errand.reply.response_id, provider)["cancelled"]


@pytest.mark.usefixtures("nothing_ends")
def test_before_our_note_what_the_provider_says_is_the_answer(
    note, shop, courier, provider
):
    job = submit(shop, SLOW)
    errand = start_unnoted(job, courier)
    tell(errand.reply.response_id)

    inquire(courier)

    attempt = job.attempts.get()
    assert (attempt.response_id, attempt.ended_at) == (errand.reply.response_id, None)
    assert Job.objects.get(pk=job.pk).status == "running"
    assert outcome_of(attempt.response_id) == ("woke", False)

    apply([errand])  # and our own note, after all
    assert job.attempts.count() == 1
    moves = job.events.filter(kind="status").values_list("became", flat=True)
    assert list(moves) == ["queued", "running"]
    assert broken_links(Job.objects.get(pk=job.pk)) == []


@pytest.mark.usefixtures("nothing_ends")
def test_and_a_create_that_then_seems_to_fail_changes_nothing(note, shop, courier):
    job = submit(shop, SLOW)
    errand = start_unnoted(job, courier)
    tell(errand.reply.response_id)
    inquire(courier)

    errand.reply = ProviderFault("silence", phase=Phase.START, code="timed_out")
    apply([errand])

    assert Job.objects.get(pk=job.pk).status == "running"
    assert job.attempts.get().ended_at is None


@pytest.mark.usefixtures("nothing_ends")
def test_a_job_cancelled_before_the_note_has_its_response_stopped(
    note, shop, olivia, courier, provider
):
    job = submit(shop, SLOW)
    response_id = start_unnoted(job, courier).reply.response_id
    cancel_job(Job.objects.get(pk=job.pk), by=olivia)
    tell(response_id)

    inquire(courier)
    settle_all(courier)

    assert outcome_of(response_id) == ("orphan", False)
    assert at_provider(response_id, provider)["cancelled"]
    assert Job.objects.get(pk=job.pk).status == "cancelled"


def settle_all(courier: Courier) -> None:
    def settled() -> bool:
        Attempt.objects.exclude(wake_at=None).update(wake_at=timezone.now())
        known = Attempt.objects.exclude(response_id=None)
        return not known.filter(settled_at=None, ended_at__isnull=False).exists()

    sweep_until(courier, settled)


# ---- adopted ---------------------------------------------------------------------


@pytest.mark.parametrize("text", ["Say hello.", SLOW])
def test_a_lost_response_that_is_still_wanted_is_adopted(
    note, shop, courier, provider, text
):
    job = submit(shop, text)
    response_id = lose(job, courier)
    tell(response_id)

    inquire(courier)

    first, second = job.attempts.all()
    assert (first.failure_class, first.response_id) == ("lost", None)
    assert (second.reason, second.response_id) == ("adopted", response_id)
    assert (second.number, second.tries, second.follows) == (2, 1, first)
    assert second.accepted_at
    assert outcome_of(response_id) == ("adopted", False)
    moved = job.events.get(became="running")
    assert "attempt 1 lost was found, and adopted" in moved.note

    job = bring_to("awaiting_review", job, courier)
    assert job.attempts.count() == 2
    assert job.results.get().attempt == second
    assert len(runs_of(job, provider)) == 1  # it was paid for once
    assert broken_links(job) == []


def test_the_sweep_does_all_of_it(note, shop, courier):
    job = submit(shop)
    tell(lose(job, courier))

    until = time.monotonic() + PATIENCE
    while not job.attempts.filter(reason="adopted"):
        assert time.monotonic() < until, "it was not adopted"
        turn(courier, 0.05)


def test_an_adopted_response_that_failed_is_tried_again_like_any_other(
    note, shop, courier
):
    job = submit(shop, "Hi. [sandbox:flaky]")
    tell(lose(job, courier))
    inquire(courier)

    job = bring_to("awaiting_review", job, courier)

    reasons = list(job.attempts.values_list("reason", "tries"))
    assert reasons == [("first", 1), ("adopted", 1), ("retry", 2)]


def test_adopting_twice_is_adopting_once(note, shop, courier, olivia):
    job = submit(shop, SLOW)
    response_id = lose(job, courier)
    tell(response_id)
    (inquiry,) = claim_inquiries(1)
    carry(courier, inquiry)

    conclude(inquiry)
    conclude(inquiry)  # as if another sweep had come to the same
    process_again(WebhookReceipt.objects.get(), by=olivia)

    assert job.attempts.count() == 2
    assert outcome_of(response_id) == ("adopted", False)


# ---- no longer wanted ------------------------------------------------------------


def begin_again(job: Job, courier: Courier, **_: Any) -> None:
    """Its next attempt is under way, or done."""
    second = job.attempts.filter(number=2, response_id__isnull=False)
    sweep_until(courier, second.exists)


def cancelled(job: Job, olivia: Any, **_: Any) -> None:
    cancel_job(Job.objects.get(pk=job.pk), by=olivia)


def retried(job: Job, olivia: Any, **_: Any) -> None:
    """By a person, who may have changed what is asked."""
    cancelled(job, olivia)
    retry_job(Job.objects.get(pk=job.pk), by=olivia)


def corrected(job: Job, **_: Any) -> None:
    """Its input is another one by now: the lost attempt keeps what it had."""
    job.attempts.update(input=job.input)


def reviewed(job: Job, courier: Courier, **_: Any) -> None:
    bring_to("awaiting_review", job, courier)


@pytest.mark.parametrize(
    "meanwhile", [begin_again, cancelled, retried, corrected, reviewed]
)
def test_a_lost_response_that_nobody_wants_is_stopped_and_its_cost_noted(
    note, shop, olivia, courier, provider, meanwhile: Callable[..., None]
):
    job = submit(shop, SLOW)
    response_id = lose(job, courier)
    meanwhile(job, courier=courier, olivia=olivia)
    status = Job.objects.get(pk=job.pk).status
    tell(response_id)

    inquire(courier)

    lost = job.attempts.get(number=1)
    assert (lost.response_id, lost.failure_class) == (response_id, "lost")
    assert lost.settled_at or lost.wake_at <= timezone.now()
    assert outcome_of(response_id) == ("orphan", False)
    assert Job.objects.get(pk=job.pk).status == status
    assert "is stopped" in only(job, "orphan")
    settle_all(courier)
    lost.refresh_from_db()
    assert lost.provider_status == at_provider(response_id, provider)["status"]
    assert hasattr(lost, "raw")  # with what it cost
    assert job.attempts.filter(reason="adopted").count() == 0


# ---- ours, but not in our database -----------------------------------------------


@pytest.mark.usefixtures("nothing_ends")
@pytest.mark.parametrize(
    "names",
    [
        {"job": str(uuid.uuid4()), "attempt": str(uuid.uuid4())},
        {"job": "none", "attempt": "\N{GREEK SMALL LETTER ALPHA}"},
        {},
    ],
)
def test_a_response_that_only_a_lost_database_knew_is_stopped_and_listed(
    missing_one, courier, provider, settings, names
):
    response_id = begun_elsewhere(provider, instance=settings.INSTANCE_ID, **names)
    tell(response_id)

    inquire(courier)
    assert outcome_of(response_id) == ("orphan", True)  # to be stopped
    inquire(courier)

    assert outcome_of(response_id) == ("orphan", False)
    assert at_provider(response_id, provider)["cancelled"]
    assert "Ended as cancelled" in WebhookReceipt.objects.get().note


@pytest.mark.usefixtures("nothing_ends")
def test_a_job_of_ours_named_beside_a_foreign_attempt_is_left_alone(
    missing_one, courier, provider, settings
):
    attempt = missing_one.attempts.get()
    response_id = begun_elsewhere(
        provider,
        instance=settings.INSTANCE_ID,
        job=str(uuid.uuid4()),
        attempt=str(attempt.uuid),
    )
    tell(response_id)

    inquire(courier)

    assert missing_one.attempts.get().response_id is None
    assert outcome_of(response_id)[0] == "orphan"


@pytest.mark.usefixtures("nothing_ends")
def test_a_second_response_to_one_attempt_is_stopped(
    missing_one, note, shop, courier, provider, settings
):
    job = bring_to("running", submit(shop, SLOW), courier)
    attempt = job.attempts.get()
    twin = begun_elsewhere(
        provider,
        instance=settings.INSTANCE_ID,
        job=str(job.public_id),
        attempt=str(attempt.uuid),
    )
    tell(twin)

    inquire(courier)
    inquire(courier)

    assert at_provider(twin, provider)["cancelled"]
    assert outcome_of(twin) == ("orphan", False)
    assert job.attempts.get().response_id == attempt.response_id


# ---- when asking fails -----------------------------------------------------------


def fail(inquiry: Inquiry, http_status: int | None, code: str = "") -> None:
    inquiry.reply = ProviderFault(
        "no luck", phase=Phase.LOOK, http_status=http_status, code=code
    )
    conclude(inquiry)


@pytest.mark.parametrize(
    ("http_status", "age", "said"),
    [
        (404, timedelta(minutes=3), "The provider does not have it."),
        (500, timedelta(hours=73), "Asked in vain: no luck"),
    ],
)
def test_after_a_while_it_is_noted_and_asked_no_more(
    missing_one, http_status, age, said
):
    tell("resp_x")
    with time_machine.travel(timezone.now() + age):
        (inquiry,) = claim_inquiries(1)
        fail(inquiry, http_status)

    assert outcome_of("resp_x") == ("waits", False)
    assert WebhookReceipt.objects.get().note == said


@pytest.mark.parametrize(
    ("http_status", "age"),
    [
        (404, timedelta(minutes=1)),
        *[(status, timedelta(hours=71)) for status in (401, 429, 500, None)],
    ],
)
def test_until_then_it_is_asked_for_again(missing_one, http_status, age):
    tell("resp_x")
    with time_machine.travel(timezone.now() + age, tick=False):
        (inquiry,) = claim_inquiries(1)
        fail(inquiry, http_status, "timed_out" if http_status is None else "")
        wait = WebhookReceipt.objects.get().wake_at - timezone.now()

    assert outcome_of("resp_x") == ("waits", True)
    assert timedelta(0) < wait <= timedelta(minutes=10)


def test_what_cannot_be_asked_is_not_asked_again(missing_one):
    tell("resp_x")
    (inquiry,) = claim_inquiries(1)

    fail(inquiry, 400)

    assert outcome_of("resp_x") == ("waits", False)


def test_what_breaks_our_code_is_logged_and_asked_again(missing_one, courier):
    tell("resp_x")
    (inquiry,) = claim_inquiries(1)

    conclude(inquiry)  # without any reply

    assert outcome_of("resp_x") == ("waits", True)
    assert "broke" in WebhookReceipt.objects.get().note


def test_a_claimed_receipt_is_nobody_elses_until_its_lease_is_over(missing_one):
    tell("resp_x")
    (inquiry,) = claim_inquiries(1)

    assert claim_inquiries(1) == []
    with time_machine.travel(inquiry.lease + timedelta(seconds=1)):
        assert len(claim_inquiries(1)) == 1
    assert timedelta(seconds=12) < LEASE


def test_a_receipt_processed_again_in_the_meantime_is_not_overwritten(
    missing_one, olivia
):
    tell("resp_x")
    (inquiry,) = claim_inquiries(1)
    process_again(WebhookReceipt.objects.get(), by=olivia)

    fail(inquiry, 400)

    assert outcome_of("resp_x") == ("waits", True)


def test_no_room_no_inquiries(missing_one):
    tell("resp_x")

    assert claim_inquiries(0) == []
    assert len(claim_inquiries(1)) == 1

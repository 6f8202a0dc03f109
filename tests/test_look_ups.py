"""Look-ups: calls of the model that handlers answer by themselves, and no others."""

import json

import pytest
import time_machine
from django.core.checks import run_checks
from django.test import override_settings
from django.utils import timezone

from jobs.courier import Courier
from jobs.explain import explain
from jobs.models import EvidenceTrace, Job, ToolCall
from jobs.services import look_ups
from jobs.services.cancel import cancel_job
from jobs.services.claim import claim_jobs
from jobs.services.look_ups import LEASE, LookUp, claim_look_ups, note_look_up
from jobs.services.verify import broken_links
from jobs.sweep import turn
from reviews.services.answer_call import Said, answer_calls
from tests import look_up_handlers as handlers
from tests.house import (
    bring_to,
    courier_to,
    job_type,
    program,
    submit,
    sweep_until,
)

ASKS = "Where is order 7? [sandbox:function-call]"
TOOL = {
    "type": "function",
    "name": "find",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"query": {"type": "string"}},
        "required": ["query"],
        "additionalProperties": False,
    },
}


HANDLERS = {"find": "tests.look_up_handlers.find"}


@pytest.fixture
def lookups(settings) -> dict[str, str]:
    """The handlers there are, to be changed by a test."""
    settings.TOOL_HANDLERS = dict(HANDLERS)
    handlers.asked.clear()
    return settings.TOOL_HANDLERS


@pytest.fixture
def asking(lookups, shop, db) -> Job:
    """A job whose model will want `find` called."""
    job_type("ask", tools=[TOOL])
    return submit(shop, ASKS, of="ask")


@pytest.fixture(scope="module")
def standing_call(standing, provider_server) -> int:
    job_type("ask", tools=[TOOL])
    job = submit(program(), ASKS, of="ask")
    known = override_settings(TOOL_HANDLERS=HANDLERS)
    with known, courier_to(provider_server) as courier:
        return bring_to("requires_action", job, courier).pk


@pytest.fixture
def waiting(standing_call, lookups, db) -> Job:
    """It came to ask, and its sweep has not turned to the call yet."""
    return Job.objects.get(pk=standing_call)


def carried(courier: Courier) -> LookUp:
    """The one look-up that is due, with its replies; nothing is noted yet."""
    courier.send(claim_look_ups(10))
    (found,) = courier.collect(wait=10, most=10)
    return found


def test_a_look_up_answers_itself_and_the_run_goes_on(asking, courier):
    job = bring_to("awaiting_review", asking, courier)

    first, second = job.attempts.order_by("number")
    assert (second.reason, second.follows) == ("tool_outputs", first)
    call = ToolCall.objects.get()
    assert (call.answered_by, call.allowed, call.is_open) == (None, None, False)
    assert json.loads(call.answer) == {"found": handlers.asked[0], "atomic": False}
    (told,) = second.input
    assert told == {
        "type": "function_call_output",
        "call_id": call.call_id,
        "output": call.answer,
    }
    trace = EvidenceTrace.objects.filter(attempt=first).latest("position")
    assert (trace.kind, trace.label, trace.text) == (
        "tool_call",
        "find, looked up by its handler",
        call.answer,
    )
    event = job.events.get(kind="tool_call")
    assert (event.actor, event.note) == ("system", "find was looked up.")
    assert set(event.data) == {"call_sha256", "answer_sha256"}
    assert broken_links(job) == []


def test_a_handler_may_read_our_own_database(transactional_db, lookups, shop, courier):
    lookups["find"] = "tests.look_up_handlers.count_people"
    job_type("ask", tools=[TOOL])
    bring_to("awaiting_review", submit(shop, ASKS, of="ask"), courier)
    assert ToolCall.objects.get().answer == "1 people"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("tests.look_up_handlers.breaks", "LookupError: no such order"),
        ("tests.look_up_handlers.hangs", "no answer within"),
        ("tests.look_up_handlers.says_too_much", "more than 200,000 characters"),
        ("tests.look_up_handlers.changes", "not marked reads_only"),
        ("tests.look_up_handlers.missing", "cannot be imported"),
    ],
)
def test_what_gives_no_answer_is_left_to_a_person(
    lookups, asking, courier, monkeypatch, path, said
):
    monkeypatch.setattr("jobs.courier.SECONDS", 0.1)
    lookups["find"] = path
    job = bring_to("requires_action", asking, courier)
    sweep_until(courier, lambda: job.events.filter(kind="tool_call").exists())

    event = job.events.get(kind="tool_call")
    assert said in event.note
    assert "waits for a person" in event.note
    job, call = Job.objects.get(), ToolCall.objects.get()
    assert call.is_open
    assert call.handler_failed_at is not None
    assert (job.status, job.lease_until) == ("requires_action", None)
    assert job.wake_at == job.deadline_at
    turn(courier, 0.05)
    assert job.events.filter(kind="tool_call").count() == 1  # and not asked again


def test_arguments_that_are_no_object_are_left_to_a_person(lookups, shop, courier, db):
    job_type("ask", tools=[TOOL])
    half = submit(shop, "Where? [sandbox:bad-arguments]", of="ask")
    job = bring_to("requires_action", half, courier)
    sweep_until(courier, lambda: job.events.filter(kind="tool_call").exists())
    assert ToolCall.objects.get().is_open
    assert handlers.asked == []


def test_a_list_is_no_arguments(waiting, courier):
    ToolCall.objects.update(arguments="[1]")
    note_look_up(carried(courier))
    assert "no JSON object" in Job.objects.get().events.latest("seq").note


def test_a_function_that_its_type_does_not_offer_is_left_to_a_person(
    lookups, note, shop, courier
):
    lookups["look_up"] = lookups["find"]
    job = bring_to("requires_action", submit(shop, ASKS), courier)
    sweep_until(courier, lambda: job.events.filter(kind="tool_call").exists())
    assert "offers no function" in job.events.get(kind="tool_call").note
    assert ToolCall.objects.get().is_open
    assert handlers.asked == []


def test_an_approval_request_never_answers_itself(lookups, shop, note, courier):
    lookups["records · change_record"] = "tests.look_up_handlers.find"
    job = submit(shop, "Change it. [sandbox:mcp-approval]")
    job = bring_to("requires_action", job, courier)
    assert ToolCall.objects.get().name == "records · change_record"
    assert job.wake_at == job.deadline_at
    Job.objects.update(wake_at=timezone.now())
    assert claim_look_ups(10) == []


def test_should_we_die_its_handler_runs_once_more(waiting, courier):
    (lost,) = claim_look_ups(10)
    assert claim_look_ups(10) == []  # it is in our hands
    Job.objects.update(lease_until=timezone.now(), wake_at=timezone.now())
    note_look_up(carried(courier))

    job = Job.objects.get()
    assert (job.status, job.lost_leases, job.lease_until) == ("queued", 0, None)
    lost.replies = ["too late"]
    note_look_up(lost)
    assert ToolCall.objects.get().answer != "too late"


def test_a_handler_that_kills_workers_is_not_asked_a_third_time(waiting):
    for _ in range(2):
        assert len(claim_look_ups(10)) == 1
        Job.objects.update(lease_until=timezone.now(), wake_at=timezone.now())
    assert claim_look_ups(10) == []
    assert ToolCall.objects.get().handler_failed_at is not None
    job = Job.objects.get()
    assert (job.status, job.lease_until) == ("requires_action", None)
    assert "died, twice" in job.events.latest("seq").note


def test_a_lapsed_lease_gives_the_answer_to_whoever_claimed_it_since(waiting, courier):
    late = carried(courier)
    Job.objects.update(lease_until=timezone.now(), wake_at=timezone.now())
    with time_machine.travel(timezone.now() + LEASE):
        (newer,) = claim_look_ups(10)
    note_look_up(late)
    assert ToolCall.objects.get().is_open
    newer.replies = ["now"]
    note_look_up(newer)
    assert ToolCall.objects.get().answer == "now"


def test_a_person_who_is_quicker_than_a_handler_is_heard(waiting, courier, ann):
    first = ToolCall.objects.select_related("attempt__job").get()
    ToolCall.objects.create(
        attempt=first.attempt,
        call_id="call_2",
        kind="function",
        name="find",
        arguments="{}",
        call_hash="0" * 64,
    )
    found = carried(courier)
    said = Said(first.call_id, "answer", first.call_hash, "By ann.")
    answer_calls(first.attempt.job, [said], by=ann)
    note_look_up(found)
    given = dict(ToolCall.objects.values_list("call_id", "answer"))
    assert given[first.call_id] == "By ann."
    assert json.loads(given["call_2"])["found"] == {}
    assert Job.objects.get().status == "queued"


def test_cancelled_meanwhile_it_stays_cancelled(waiting, courier, olivia):
    found = carried(courier)
    cancel_job(Job.objects.get(), by=olivia)
    note_look_up(found)
    assert Job.objects.get().status == "cancelled"
    assert ToolCall.objects.get().is_open


def test_a_model_that_asks_without_end_waits_for_a_person(
    waiting, courier, monkeypatch
):
    monkeypatch.setattr(look_ups, "MOST_TURNS", 0)
    assert claim_look_ups(10) == []
    assert "asked 0 times already" in Job.objects.get().events.latest("seq").note


def test_without_handlers_nothing_answers_itself(lookups, asking, courier):
    lookups.clear()
    job = bring_to("requires_action", asking, courier)
    assert job.wake_at == job.deadline_at
    assert explain(job).sentence == "The model asks for an answer before it goes on."


def test_a_handler_that_was_taken_away_leaves_its_calls_to_people(waiting, lookups):
    lookups.clear()
    assert waiting.wake_at <= timezone.now()
    assert claim_jobs(10) == []
    job = Job.objects.get()
    assert (job.status, job.wake_at) == ("requires_action", job.deadline_at)


def test_past_the_deadline_nothing_is_looked_up(waiting, courier):
    Job.objects.update(deadline_at=timezone.now())
    turn(courier, 0.05)
    assert Job.objects.get().status == "expired"
    assert handlers.asked == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("tests.look_up_handlers.find", ""),
        ("tests.look_up_handlers.changes", "not marked reads_only"),
        ("tests.look_up_handlers.nothing", "no function"),
        ("tests.look_up_handlers.missing", "cannot be imported"),
        ("nonsense", "cannot be imported"),
        ("", "cannot be imported"),
    ],
)
def test_a_handler_that_may_not_answer_is_told_at_start(lookups, path, said):
    lookups["find"] = path
    found = [str(error) for error in run_checks() if error.id == "bgreview.E008"]
    assert len(found) == bool(said)
    assert all(said in error for error in found)

"""Calls of the model that wait for a person: answered, allowed or refused, once."""

import json
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction
from django.utils import timezone

from jobs.explain import explain
from jobs.kit.canonical import digest_of, sha256_hex
from jobs.lifecycle import MoveRefused
from jobs.models import EvidenceTrace, Job, ToolCall
from jobs.services.cancel import cancel_job
from jobs.services.claim import claim_jobs
from jobs.services.retry import retry_job
from jobs.services.submit import InvalidInput
from jobs.services.supply import ANSWER_WITHIN, AlreadyAnswered
from jobs.services.verify import broken_links
from reviews.models import ReviewPolicy, ToolDecision
from reviews.services.answer_call import Said, answer_calls
from reviews.services.decide import StalePage
from reviews.services.reopen import reopen_review
from tests.house import (
    api,
    bring_to,
    browser,
    courier_to,
    job_type,
    person,
    problem,
    program,
    submit,
)
from tests.test_pages import assert_strict, path_to

ANSWERED = '{"order": 7, "state": "sent"}'


@pytest.fixture(scope="module")
def standing_call(standing, provider_server) -> None:
    job_type()
    with courier_to(provider_server) as courier:
        job = submit(program(), "Hi. [sandbox:function-call]")
        bring_to("requires_action", job, courier)


@pytest.fixture
def call(standing_call, db) -> ToolCall:
    """A function call that waits for ann or bob."""
    return ToolCall.objects.select_related("attempt__job").get()


@pytest.fixture
def approval(note, shop, courier) -> ToolCall:
    """A request to be let use a tool."""
    bring_to("requires_action", submit(shop, "Hi. [sandbox:mcp-approval]"), courier)
    return ToolCall.objects.select_related("attempt__job").get()


@pytest.fixture
def pair(call) -> tuple[ToolCall, ToolCall]:
    """Two calls of one run."""
    more = {"call_id": "call_2", "kind": "function", "name": "look_up"}
    hashed = digest_of(["look_up", "{}"])
    other = ToolCall.objects.create(
        attempt=call.attempt, arguments="{}", call_hash=hashed, **more
    )
    return call, other


def say(call: ToolCall, by, verdict="answer", text=ANSWERED, **more):
    said = Said(call.call_id, verdict, more.pop("seen", call.call_hash), text)
    return answer_calls(call.attempt.job, [said], by=by, **more)


# ---- the service -----------------------------------------------------------------


def test_an_answer_is_a_decision_on_the_call_as_seen_and_the_run_goes_on(
    call, ann, courier
):
    (decision,) = say(call, ann, via="api")

    assert (decision.verdict, decision.by, decision.via) == ("answer", ann, "api")
    assert (
        decision.call_hash == call.call_hash == digest_of([call.name, call.arguments])
    )
    assert decision.answer_hash == sha256_hex(ANSWERED)
    call.refresh_from_db()
    assert (call.answer, call.answered_by, call.allowed) == (ANSWERED, ann, None)
    job = Job.objects.get()
    assert (job.status, job.next_reason) == ("queued", "tool_outputs")
    told, moved = job.events.order_by("-seq")[:2][::-1]
    assert (told.kind, told.actor, told.note) == (
        "tool_call",
        "ann",
        "look_up was answered.",
    )
    assert told.data == {
        "call_sha256": call.call_hash,
        "answer_sha256": decision.answer_hash,
    }
    assert (moved.became, moved.actor) == ("queued", "ann")
    assert broken_links(job) == []
    assert EvidenceTrace.objects.filter(label="look_up, answered by ann").exists()

    job = bring_to("awaiting_review", job, courier)
    last = job.attempts.latest("number")
    assert (last.reason, last.follows) == ("tool_outputs", call.attempt)
    assert last.input == [
        {"type": "function_call_output", "call_id": call.call_id, "output": ANSWERED}
    ]


@pytest.mark.parametrize(
    ("verdict", "text", "told"),
    [
        ("allow", "", {"approve": True}),
        ("allow", "Once.", {"approve": True, "reason": "Once."}),
        ("refuse", "Not ours.", {"approve": False, "reason": "Not ours."}),
    ],
)
def test_an_approval_request_is_allowed_or_refused(
    approval, ann, courier, verdict, text, told
):
    say(approval, ann, verdict, text)
    approval.refresh_from_db()
    assert approval.allowed is (verdict == "allow")
    job = bring_to("awaiting_review", Job.objects.get(), courier)
    whose = {
        "type": "mcp_approval_response",
        "approval_request_id": approval.call_id,
    }
    assert job.attempts.latest("number").input == [whose | told]
    word = "allowed" if verdict == "allow" else "refused"
    assert job.events.get(kind="tool_call").note.endswith(f"was {word}.")


def test_of_a_refused_function_the_model_is_told_why(call, ann, courier):
    say(call, ann, "refuse", "We do not tell.")
    job = bring_to("awaiting_review", Job.objects.get(), courier)
    (told,) = job.attempts.latest("number").input
    assert "refused by a person" in told["output"]
    assert "We do not tell." in told["output"]
    assert ToolDecision.objects.get().verdict == "refuse"


def test_it_goes_on_only_when_nothing_is_open(pair, ann, bob):
    first, other = pair
    say(first, ann)
    assert Job.objects.get().status == "requires_action"
    say(other, bob, text="[]")
    job = Job.objects.get()
    assert job.status == "queued"
    assert [item["output"] for item in job.next_input] == [ANSWERED, "[]"]


def test_several_are_answered_together_or_not_at_all(pair, ann):
    first, other = pair
    both = [
        Said(first.call_id, "answer", first.call_hash, "1"),
        Said(other.call_id, "answer", "0" * 64, "2"),
    ]
    with pytest.raises(StalePage):
        answer_calls(first.attempt.job, both, by=ann)
    assert ToolCall.objects.filter(answered_at=None).count() == 2
    assert not ToolDecision.objects.exists()
    assert not EvidenceTrace.objects.filter(label__contains="answered by").exists()


def test_a_call_is_answered_once(pair, ann, bob):
    first, _ = pair
    say(first, ann)
    with pytest.raises(AlreadyAnswered, match="ann was first"):
        say(first, bob, text="Something else")
    first.refresh_from_db()
    assert first.answer == ANSWERED
    assert ToolDecision.objects.count() == 1


@pytest.mark.parametrize("change", ["seen", "arguments", "name"])
def test_what_is_not_what_was_shown_is_not_answered(call, ann, change):
    seen = "0" * 64 if change == "seen" else call.call_hash
    if change != "seen":
        ToolCall.objects.update(**{change: "other"})
    with pytest.raises(StalePage, match="not the call that was shown"):
        say(call, ann, seen=seen)
    assert ToolCall.objects.get().is_open


def test_who_lacks_the_right_answers_nothing(call, olivia):
    with pytest.raises(PermissionDenied, match="answer_toolcall"):
        say(call, olivia)
    assert ToolCall.objects.get().is_open


def test_the_terms_of_the_type_hold_for_calls_too(call, ann, bob):
    job = call.attempt.job
    group = Group.objects.create(name="Clerks")
    ReviewPolicy.objects.create(version=job.version, group=group, four_eyes=True)
    ann.groups.add(group)
    with pytest.raises(PermissionDenied, match="Only members of Clerks"):
        say(call, bob)
    Job.objects.update(requester=ann)
    with pytest.raises(PermissionDenied, match="another person"):
        say(call, ann)


def test_what_does_not_fit_the_call_is_refused(call, ann):
    for verdict, text, said in [
        ("allow", "", "Say answer or refuse"),
        ("answer", "  ", "Say what the model is told"),
        ("refuse", "", "Say why"),
        ("answer", "x\0", "can be stored"),
        ("answer", "x" * 200_001, "At most"),
    ]:
        with pytest.raises(InvalidInput, match=said):
            say(call, ann, verdict, text)
    assert ToolCall.objects.get().is_open


def test_what_the_job_did_not_ask_cannot_be_answered(call, ann):
    said = Said("call_unheard_of", "answer", call.call_hash, "1")
    with pytest.raises(InvalidInput, match="made no such call"):
        answer_calls(call.attempt.job, [said], by=ann)


def test_what_an_earlier_run_asked_is_waited_for_no_more(call, ann, olivia, courier):
    job = cancel_job(Job.objects.get(), by=olivia)
    retry_job(job, by=person("otto", "Operators"))
    job = bring_to("requires_action", Job.objects.get(), courier)
    newer = ToolCall.objects.latest("pk")
    assert list(ToolCall.objects.open()) == [newer]
    with pytest.raises(InvalidInput, match="made no such call"):
        say(call, ann)
    say(newer, ann)
    assert Job.objects.get().status == "queued"


@pytest.mark.both_databases
@pytest.mark.parametrize("verb", ["update", "delete"])
def test_a_decision_on_a_call_is_never_changed(call, ann, verb):
    say(call, ann)
    rows = ToolDecision.objects.all()
    change = {"update": lambda: rows.update(verdict="refuse"), "delete": rows.delete}
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        change[verb]()


# ---- nobody comes ----------------------------------------------------------------


def when_due(**fields) -> Job:
    Job.objects.update(wake_at=timezone.now(), **fields)
    assert claim_jobs(10) == []
    return Job.objects.get()


def test_past_its_deadline_it_expires(call):
    assert when_due(deadline_at=timezone.now()).status == "expired"


def test_before_its_time_it_goes_on_waiting(call):
    job = when_due()
    assert (job.status, job.wake_at) == ("requires_action", job.deadline_at)


def test_an_answer_to_what_is_over_is_refused(call, ann, olivia):
    cancel_job(Job.objects.get(), by=olivia)
    with pytest.raises(MoveRefused, match="waits for no answers"):
        say(call, ann)
    assert ToolCall.objects.get().is_open


@pytest.fixture
def abandoned(note, shop, courier) -> ToolCall:
    """Nobody came for a day to a call of a job that has a week."""
    asks = "Hi. [sandbox:function-call]"
    job = submit(shop, asks, deadline_seconds=7 * 86_400)
    job = bring_to("requires_action", job, courier)
    assert timezone.now() < job.wake_at <= timezone.now() + ANSWER_WITHIN
    with time_machine.travel(job.wake_at + timedelta(seconds=1)):
        assert when_due().status == "abandoned"
    return ToolCall.objects.select_related("attempt__job").get()


def test_nobody_came_and_it_can_be_reopened_and_answered(abandoned, ann, courier):
    job = abandoned.attempt.job
    assert "reopen it" in explain(Job.objects.get()).what
    with pytest.raises(MoveRefused):
        say(abandoned, ann)

    reopen_review(Job.objects.get(), by=ann, note="Still wanted.")

    job = Job.objects.get()
    assert (job.status, job.finished_at) == ("requires_action", None)
    assert job.wake_at > timezone.now()
    assert job.deadline_at > job.wake_at
    job = when_due()
    assert job.status == "requires_action"  # the time counts from its reopening
    say(abandoned, ann)
    assert bring_to("awaiting_review", job, courier).reviews.get().round == 1


def test_what_was_abandoned_is_reopened_over_the_api(abandoned, ann, shop):
    path = f"/api/v1/jobs/{abandoned.attempt.job.public_id}/reopen/"
    problem(api(shop).post(path), 403)
    assert api(ann).post(path).json()["status"] == "requires_action"


# ---- the pages -------------------------------------------------------------------


def path_of(call: ToolCall) -> str:
    return path_to("jobs_toolcall_change", call.pk)


def post(page, call: ToolCall, verdict: str, text: str = ANSWERED, **more):
    given = {"verdict": verdict, "text": text, "seen": call.call_hash}
    return page.post(path_of(call), given | more)


def test_a_call_is_answered_on_its_page(pair, ann):
    first, other = pair
    page = browser(ann)
    shown = page.get(path_of(first))
    html = shown.content.decode()
    assert "look_up" in html
    assert f'value="{first.call_hash}"' in html
    assert_strict(shown)

    answer = post(page, first, "answer", "one\r\ntwo")
    assert answer["Location"] == path_of(other)
    answer = post(page, other, "refuse", "Not ours.")
    assert answer["Location"] == path_to("jobs_job_change", first.attempt.job_id)
    first.refresh_from_db()
    assert first.answer == "one\ntwo"
    assert Job.objects.get().status == "queued"
    assert "It waits for no answers" in page.get(path_of(first)).content.decode()


def test_an_approval_request_is_allowed_on_its_page(approval, ann):
    page = browser(ann)
    html = page.get(path_of(approval)).content.decode()
    assert "records · change_record" in html
    assert 'value="allow"' in html
    assert 'value="answer"' not in html
    assert post(page, approval, "allow", "").status_code == 302
    assert ToolCall.objects.get().allowed is True


def test_hostile_names_and_arguments_are_inert(call, ann):
    name, arguments = "<script>x</script>", '{"a": "<img src=x>\u202e", "a": 1}'
    ToolCall.objects.update(name=name, arguments=arguments)
    job = call.attempt.job
    for path in (
        path_of(call),
        path_to("jobs_job_change", job.pk),
        path_to("jobs_toolcall_changelist"),
    ):
        shown = browser(ann).get(path)
        html = shown.content.decode()
        assert "<script>x" not in html
        assert "<img src=x" not in html
        assert_strict(shown)
    html = browser(ann).get(path_of(call)).content.decode()
    assert "U+202E" in html
    assert html.count("&quot;a&quot;") == 2  # a name that stands twice hides nothing


def test_what_is_wrong_stands_at_its_field_and_the_text_comes_back(call, ann):
    page = browser(ann)
    answer = post(page, call, "refuse", " ")
    assert answer.status_code == 422
    assert "Say why" in answer.content.decode()
    answer = post(page, call, "allow", "My words.")
    assert answer.status_code == 422
    assert "My words." in answer.content.decode()
    assert post(page, call, "nonsense").status_code == 422
    assert ToolCall.objects.get().is_open


def test_who_comes_second_is_told_and_keeps_the_text(pair, ann, bob):
    first, _ = pair
    say(first, bob)
    answer = post(browser(ann), first, "answer", "My words.")
    assert answer.status_code == 409
    html = answer.content.decode()
    assert "bob was first" in html
    assert "My words." in html


def test_the_page_is_for_those_with_the_right(call, olivia, shop, ann):
    assert browser(olivia).get(path_of(call)).status_code == 200  # may see, not say
    assert 'name="verdict"' not in browser(olivia).get(path_of(call)).content.decode()
    assert post(browser(olivia), call, "answer").status_code == 403
    assert browser(ann).get(path_to("jobs_toolcall_change", 0)).status_code == 404
    apart = person("apart")  # may decide, but does not see the jobs of others
    rights = Permission.objects.filter(codename="answer_toolcall")
    apart.user_permissions.set(rights)
    assert browser(apart).get(path_of(call)).status_code == 404
    assert post(browser(apart), call, "answer").status_code == 404
    blind = person("blind", "Integrations")
    assert browser(blind).get(path_of(call)).status_code == 403
    assert ToolCall.objects.get().is_open


def test_under_four_eyes_the_page_says_why_not(call, ann):
    ReviewPolicy.objects.create(version=call.attempt.job.version, four_eyes=True)
    Job.objects.update(requester=ann)
    html = browser(ann).get(path_of(call)).content.decode()
    assert "another person decides on it" in html
    assert 'name="verdict"' not in html
    assert post(browser(ann), call, "answer").status_code == 403


def test_the_way_to_the_call_is_on_the_front_page_the_list_and_the_job(call, ann):
    page, listed = browser(ann), path_to("jobs_toolcall_changelist")
    assert f'href="{listed}"' in page.get(path_to("index")).content.decode()
    assert path_of(call) in page.get(listed).content.decode()
    html = page.get(path_to("jobs_job_change", call.attempt.job_id)).content.decode()
    assert "Answer it" in html
    assert "Calls the model waits for" in html
    say(call, ann)
    assert "Nothing to answer" in page.get(listed).content.decode()


# ---- the API ---------------------------------------------------------------------


def outputs(call: ToolCall) -> str:
    return f"/api/v1/jobs/{call.attempt.job.public_id}/tool-outputs/"


def given(call: ToolCall, **said) -> dict:
    return {
        "outputs": [{"call_id": call.call_id, "call_sha256": call.call_hash} | said]
    }


def test_a_program_answers_with_a_persons_token(call, ann):
    (shown,) = api(ann).get(outputs(call)).json()
    assert shown["call_sha256"] == call.call_hash
    assert (shown["name"], shown["arguments"]) == (call.name, call.arguments)
    said = {"call_id": shown["call_id"], "call_sha256": shown["call_sha256"]}
    answer = api(ann).post(
        outputs(call), {"outputs": [said | {"output": {"state": "sent"}}]}
    )
    assert answer.status_code == 200
    assert answer.json()["status"] == "queued"
    assert json.loads(ToolCall.objects.get().answer) == {"state": "sent"}
    assert ToolDecision.objects.get().via == "api"
    assert api(ann).get(outputs(call)).json() == []


def test_over_the_api_an_approval_is_allowed_or_refused(approval, ann):
    said = given(approval, approve=False, reason="No.")
    assert api(ann).post(outputs(approval), said).status_code == 200
    assert ToolCall.objects.get().allowed is False


def test_what_is_wrong_with_outputs_is_said_by_field(call, ann):
    for said, field in [
        ({"outputs": []}, "outputs"),
        (given(call), "outputs.0.output"),
        (given(call, output="x", refuse=True), "outputs.0.output"),
        (given(call, refuse=False), "outputs.0.output"),
        (given(call, outptu="x"), "outputs.0.outptu"),
        (given(call, approve=True), call.call_id),
        (given(call, refuse=True), call.call_id),
    ]:
        answer = problem(api(ann).post(outputs(call), said), 400)
        assert list(answer["errors"]) == [field]
    assert ToolCall.objects.get().is_open


def test_over_the_api_the_same_guards_hold(call, ann, bob, olivia, shop):
    problem(api(shop).post(outputs(call), given(call, output="x")), 403)
    problem(api(olivia).get(outputs(call)), 403)
    problem(api(person("eve", "Integrations")).get(outputs(call)), 404)
    stale = given(call, output="x")
    stale["outputs"][0]["call_sha256"] = "0" * 64
    problem(api(ann).post(outputs(call), stale), 409)
    say(call, bob)
    problem(api(ann).post(outputs(call), given(call, output="x")), 409)
    assert ToolDecision.objects.count() == 1


def test_a_service_account_answers_nothing_whatever_its_rights(call):
    for name, fields in [("program", {"is_staff": False}), ("robot", {})]:
        account = person(name, "Reviewers", **fields)
        if name == "robot":
            account.set_unusable_password()
            account.save()
        answer = api(account).post(outputs(call), given(call, output="x"))
        assert "service account" in problem(answer, 403)["detail"]
    assert ToolCall.objects.get().is_open

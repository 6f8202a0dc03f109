"""What a fault means, when to try again, when to look, and what an answer is worth."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from jsonschema import Draft202012Validator

from jobs.policy.failures import RULES, FailureClass, class_of_code, class_of_fault
from jobs.policy.outcomes import (
    Completed,
    Failed,
    Progress,
    RequiresAction,
    Stopped,
    judge,
    judge_look,
    judge_start,
)
from jobs.policy.polling import next_look_at
from jobs.policy.progress import estimate
from jobs.policy.retries import next_try_at
from jobs.provider.base import Call, Phase, ProviderFault, Snapshot, State

NOW = datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)  # daylight saving begins in Europe
HIGHEST = 0.999  # of the dice: all but one


def seconds(at: datetime) -> float:
    return (at - NOW).total_seconds()


# ---- what a fault means ----------------------------------------------------------

BY_CODE = {
    "transient": """
        server_error rate_limit_exceeded slow_down not_connected
    """,
    "locked": "conversation_locked",
    "timeout": "vector_store_timeout",
    "malformed_input": """
        invalid_prompt invalid_json_schema context_length_exceeded model_not_found
        unknown_parameter image_too_large invalid_image failed_to_download_image
        image_parse_error unsupported_image_media_type
    """,
    "policy": """
        bio_policy misalignment_policy_violation content_policy_violation
        content_filter image_content_policy_violation
    """,
    "auth": "invalid_api_key account_deactivated",
    "quota": "insufficient_quota project_spend_limit_exceeded",
}
CODES = [(code, name) for name, codes in BY_CODE.items() for code in codes.split()]


@pytest.mark.parametrize(("code", "expected"), CODES)
@pytest.mark.parametrize("phase", [Phase.START, Phase.LOOK])
def test_a_known_code_tells_the_class_whatever_the_http_status(code, expected, phase):
    for http_status in (None, 400, 429, 500):
        fault = ProviderFault("", phase=phase, code=code, http_status=http_status)
        assert class_of_fault(fault) == expected


@pytest.mark.parametrize("code", ["", "brand_new_code"])
@pytest.mark.parametrize(
    ("http_status", "expected"),
    [
        *[(400, "malformed_input"), (404, "malformed_input"), (413, "malformed_input")],
        *[(422, "malformed_input"), (418, "malformed_input")],
        *[(401, "auth"), (403, "auth")],
        *[(408, "timeout"), (409, "transient"), (429, "transient")],
        *[(None, "unknown"), (302, "unknown")],
    ],
)
def test_an_unknown_code_leaves_it_to_the_http_status(code, http_status, expected):
    fault = ProviderFault("", phase=Phase.START, code=code, http_status=http_status)
    assert class_of_fault(fault) == expected


@pytest.mark.parametrize("http_status", [500, 502, 503, 504, 529, 599])
def test_a_start_that_a_gateway_failed_may_have_got_through(http_status):
    at_start = ProviderFault("", phase=Phase.START, http_status=http_status)
    assert class_of_fault(at_start) is FailureClass.LOST
    looked = ProviderFault("", phase=Phase.LOOK, http_status=http_status)
    assert class_of_fault(looked) is FailureClass.TRANSIENT


@pytest.mark.parametrize(
    "code", ["timed_out", "no_connection", "not_a_response", "too_large"]
)
def test_a_start_without_an_answer_may_have_been_accepted(code):
    """No retry as if nothing had happened: it would be paid for twice, untraced."""
    at_start = ProviderFault("", phase=Phase.START, code=code)
    assert class_of_fault(at_start) is FailureClass.LOST
    for phase in (Phase.LOOK, Phase.CANCEL, Phase.PROBE):
        fault = ProviderFault("", phase=phase, code=code)
        assert class_of_fault(fault) is not FailureClass.LOST


def test_a_start_that_reached_nobody_was_not_accepted():
    fault = ProviderFault("", phase=Phase.START, code="not_connected")
    assert class_of_fault(fault) is FailureClass.TRANSIENT


@pytest.mark.parametrize("phase", [Phase.LOOK, Phase.CANCEL])
@pytest.mark.parametrize("code", ["", "model_not_found"])
def test_a_response_that_is_not_found_is_gone(phase, code):
    fault = ProviderFault("", phase=phase, code=code, http_status=404)
    assert class_of_fault(fault) is FailureClass.GONE


@pytest.mark.parametrize("code", ["", "brand_new_code", "Server_Error"])
def test_a_code_that_is_not_known_has_no_class(code):
    assert class_of_code(code) is None


@pytest.mark.parametrize(
    ("follow", "classes"),
    {
        "retry": "transient timeout lost",
        "fail": "malformed_input policy poison unknown",
        "review": "review_required",
        "pause": "auth quota",
        "expire": "gone",
    }.items(),
)
def test_every_class_has_what_follows_and_advice(follow, classes):
    assert {c for c in FailureClass if RULES[c].follow == follow} == {*classes.split()}
    assert all(RULES[c].advice.endswith(".") for c in FailureClass)


# ---- when to try again -----------------------------------------------------------


def again_after(
    tries: int,
    *,
    failure: str = "transient",
    max_tries: int = 99,
    retry_after: float | None = None,
    dice: float = HIGHEST,
) -> float | None:
    at = next_try_at(
        FailureClass(failure),
        tries=tries,
        max_tries=max_tries,
        now=NOW,
        retry_after=retry_after,
        dice=lambda: dice,
    )
    return None if at is None else seconds(at)


@pytest.mark.parametrize(
    ("tries", "longest"),
    [(1, 2), (2, 4), (3, 8), (4, 16), (5, 32), (6, 64), (7, 128)],
)
def test_the_longest_wait_doubles_and_the_shortest_is_none(tries, longest):
    assert again_after(tries, dice=0) == 0
    assert again_after(tries, dice=0.5) == longest / 2
    assert 0.99 * longest < again_after(tries) < longest


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        (0, 0),
        (30.5, 30.5),
        (3_600, 3_600),
        (3_601, 3_600),
        (86_400, 3_600),
        (1e15, 3_600),
        (1e308, 3_600),
        (float("inf"), 3_600),
        (-5, 0),
    ],
)
def test_what_the_provider_asks_for_is_honoured_within_reason(asked, waited):
    assert again_after(1, retry_after=asked, dice=0) == waited


def test_our_own_wait_is_not_cut_short_by_what_the_provider_asks():
    assert again_after(6, retry_after=1, dice=0.5) == 32


@pytest.mark.parametrize(
    ("failure", "most"), [("transient", 8), ("timeout", 3), ("lost", 5)]
)
def test_tries_come_to_an_end(failure, most):
    assert again_after(most - 1, failure=failure) is not None
    assert again_after(most, failure=failure) is None
    assert again_after(most + 1, failure=failure) is None


@pytest.mark.parametrize("failure", ["transient", "timeout", "lost"])
def test_a_type_may_want_fewer_tries_but_not_more(failure):
    assert again_after(1, failure=failure, max_tries=2) is not None
    assert again_after(2, failure=failure, max_tries=2) is None
    assert again_after(1, failure=failure, max_tries=1) is None
    assert again_after(8, failure=failure, max_tries=50) is None


@pytest.mark.parametrize(
    "failure",
    [
        *["malformed_input", "policy", "review_required", "poison"],
        *["auth", "quota", "gone", "unknown"],
    ],
)
def test_what_would_fail_again_is_not_tried_again(failure):
    assert again_after(0, failure=failure) is None


# ---- when to look again ----------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "wait"),
    [
        *[(0, 2), (1, 2), (20, 2), (21, 2.1), (100, 10), (600, 60), (601, 60)],
        *[(86_400, 60), (-30, 2)],  # by a clock that was set back
    ],
)
def test_the_next_look_is_a_tenth_of_the_age_away_within_bounds(age, wait):
    began = NOW - timedelta(seconds=age)
    assert seconds(next_look_at(began, NOW)) == pytest.approx(wait)


# ---- how far it is ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("elapsed", "usual", "percent"),
    [
        *[(0, 60, 1), (0.1, 3_600, 1), (15, 60, 25), (30, 60, 50), (59, 60, 95)],
        *[(60, 60, 95), (6_000, 60, 95), (-5, 60, 1)],
    ],
)
def test_percent_are_of_the_usual_duration_never_none_and_never_all(
    elapsed, usual, percent
):
    known = estimate(
        elapsed=timedelta(seconds=elapsed), usual=timedelta(seconds=usual), steps=4
    )
    assert (known.percent, known.basis) == (percent, "usual duration")
    assert "4 steps so far" in known.note


@pytest.mark.parametrize("usual", [None, timedelta(0)])
def test_without_a_usual_duration_percent_are_unknown(usual):
    minute = timedelta(minutes=1)
    blind = estimate(elapsed=minute, usual=usual, steps=0)
    assert (blind.percent, blind.basis) == (None, "unknown")
    one = estimate(elapsed=minute, usual=usual, steps=1)
    assert (one.percent, one.basis, one.note) == (None, "steps", "1 step so far")


@pytest.mark.parametrize(
    ("usual", "said"),
    [(0.2, "1 s"), (89, "89 s"), (90, "2 min"), (3_600, "60 min"), (7_200, "2.0 h")],
)
def test_durations_are_spoken_as_people_do(usual, said):
    told = estimate(elapsed=timedelta(0), usual=timedelta(seconds=usual), steps=0)
    assert told.note == f"usually takes {said}"


# ---- what an answer is worth -----------------------------------------------------

PRICE = Draft202012Validator(
    {
        "type": "object",
        "properties": {"price": {"type": "number"}, "note": {"type": "string"}},
        "required": ["price"],
        "additionalProperties": False,
    }
)


def snapshot(state: str = "completed", **said) -> Snapshot:
    known = {"response_id": "resp_1", "said": state, "raw": "{}"}
    return Snapshot(state=State(state), **(known | said))


def test_one_that_works_is_not_judged():
    assert judge(snapshot("working", text="So far"), PRICE) == Progress()


def test_a_whole_answer_has_no_flags():
    assert judge(snapshot(text="Hello."), None) == Completed("Hello.", [])


def test_an_answer_that_obeys_its_schema_is_taken_apart():
    outcome = judge(snapshot(text=' {"price": 4.50, "note": "ä"}\n'), PRICE)
    assert outcome == Completed({"price": 4.5, "note": "ä"}, [])


@pytest.mark.parametrize(
    "text",
    [
        *["Four euros.", '{"price": 4', '```json\n{"price": 4}\n```'],
        *['{"price": "4"}', '{"note": "no price"}', '{"price": 4, "vat": 1}'],
        *["[]", "4", "null"],
        *['{"price": NaN}', '{"price": Infinity}', '{"price": -Infinity}'],
        '{"price": 1e999}',
        '{"price": 4, "note": "half a pair: \\ud800"}',
        f'{{"price": {"9" * 5_000}}}',
        "[" * 100_000,
    ],
    ids=lambda text: text[:30],
)
def test_an_answer_off_its_schema_goes_to_a_person_as_it_came(text):
    assert judge(snapshot(text=text), PRICE) == Completed(text, ["off_schema"])


def test_a_refusal_is_the_answer():
    declined = snapshot(refusal="I can't help with that.")
    assert judge(declined, None) == Completed("I can't help with that.", ["refused"])
    flags = ["refused", "off_schema"]
    assert judge(declined, PRICE) == Completed("I can't help with that.", flags)


def test_a_refusal_beside_a_text_leaves_the_text():
    half = snapshot(text="It says: ", refusal="No more.")
    assert judge(half, None) == Completed("It says: ", ["refused"])


def test_what_was_cut_short_goes_to_a_person():
    cut = snapshot("incomplete", text="Once", incomplete_reason="max_output_tokens")
    assert judge(cut, None) == Completed("Once", ["partial"])


def test_what_was_cut_by_the_content_filter_says_so():
    cut = snapshot("incomplete", text="Once", incomplete_reason="content_filter")
    assert judge(cut, None) == Completed("Once", ["partial", "moderated"])


def test_what_moderation_flagged_goes_to_a_person():
    flagged = snapshot(text="Fine.", moderated=True)
    assert judge(flagged, None) == Completed("Fine.", ["moderated"])


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_an_answer_that_says_nothing_is_flagged(text):
    assert judge(snapshot(text=text), None) == Completed(text, ["empty"])
    assert judge(snapshot(text=text), PRICE) == Completed(text, ["empty", "off_schema"])


def test_one_that_waits_for_answers_is_not_completed():
    call = Call("call_1", "function", "look_up", json.dumps({"id": 7}))
    assert judge(snapshot(text="One moment.", calls=(call,)), None) == RequiresAction()


def test_one_that_somebody_else_stopped_is_not_a_failure():
    assert judge(snapshot("cancelled"), None) == Stopped()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        *[("server_error", "transient"), ("rate_limit_exceeded", "transient")],
        *[("vector_store_timeout", "timeout"), ("invalid_prompt", "malformed_input")],
        *[("image_content_policy_violation", "policy"), ("brand_new", "unknown")],
    ],
)
def test_a_failed_one_is_classed_by_its_code(code, expected):
    outcome = judge(snapshot("failed", error_code=code, error_message="Sorry."), None)
    assert outcome == Failed(FailureClass(expected), code, "Sorry.")


def test_a_failed_one_without_a_reason_says_that():
    outcome = judge(snapshot("failed"), None)
    assert isinstance(outcome, Failed)
    assert (outcome.failure, outcome.code) == ("unknown", "no_code")
    assert "no reason" in outcome.message


@pytest.mark.parametrize("word", ["paused", ""])
def test_a_status_that_is_not_known_goes_to_a_person(word):
    outcome = judge(snapshot("unknown", said=word, text="Done."), None)
    assert isinstance(outcome, Failed)
    assert (outcome.failure, outcome.code) == ("unknown", "unknown_status")
    assert (word or "nothing") in outcome.message


# ---- what a call that failed is worth --------------------------------------------


def look_failed(**said) -> ProviderFault:
    return ProviderFault("Sorry.", phase=Phase.LOOK, **said)


@pytest.mark.parametrize("age", [0, 33, 59.9])
def test_a_fresh_response_may_be_unknown_to_a_replica(age):
    since = NOW - timedelta(seconds=age)
    outcome = judge_look(look_failed(http_status=404), missing_since=since, now=NOW)
    assert outcome == Progress(missing=True)


def test_a_response_that_is_missing_for_the_first_time_is_not_gone_yet():
    outcome = judge_look(look_failed(http_status=404), missing_since=None, now=NOW)
    assert outcome == Progress(missing=True)


def test_a_response_that_stays_missing_is_gone():
    since = NOW - timedelta(seconds=60)
    outcome = judge_look(look_failed(http_status=404), missing_since=since, now=NOW)
    assert isinstance(outcome, Failed)
    assert (outcome.failure, outcome.code) == ("gone", "not_found")


def test_an_answer_that_is_too_large_to_be_read_is_never_asked_for_again():
    fault = look_failed(code="too_large")
    outcome = judge_look(fault, missing_since=None, now=NOW)
    assert isinstance(outcome, Failed)
    assert outcome.failure == "poison"


@pytest.mark.parametrize(
    "said",
    [
        *[{"code": "timed_out"}, {"code": "no_connection"}, {"code": "not_connected"}],
        *[{"code": "not_a_response"}, {"http_status": 500}, {"http_status": 429}],
        *[{"http_status": 401, "code": "invalid_api_key"}, {"http_status": 400}],
        *[{"http_status": 429, "code": "insufficient_quota"}, {"code": "our_bug"}],
    ],
)
def test_a_look_that_failed_says_nothing_of_the_response(said):
    outcome = judge_look(look_failed(**said), missing_since=None, now=NOW)
    assert outcome == Progress()


def test_a_look_that_came_too_soon_says_when_to_come_back():
    fault = look_failed(http_status=429, retry_after=7.0)
    outcome = judge_look(fault, missing_since=None, now=NOW)
    assert outcome == Progress(retry_after=7.0)


def test_a_start_that_failed_says_why_and_when_to_come_back():
    busy = ProviderFault(
        "Slow down.", phase=Phase.START, http_status=429, retry_after=7.0
    )
    expected = Failed(FailureClass.TRANSIENT, "http_429", "Slow down.", 7.0)
    assert judge_start(busy) == expected


def test_a_start_that_is_refused_keeps_the_providers_words():
    bad = ProviderFault(
        "Invalid prompt.", phase=Phase.START, code="invalid_prompt", http_status=400
    )
    expected = Failed(FailureClass.MALFORMED_INPUT, "invalid_prompt", "Invalid prompt.")
    assert judge_start(bad) == expected

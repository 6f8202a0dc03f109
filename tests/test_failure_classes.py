"""Every failure that the SDK's own types name has its class, and so have new ones."""

import asyncio
from typing import get_args

import httpx2
import openai
import pytest
from openai.types.responses import ResponseError
from openai.types.responses.response import IncompleteDetails

from jobs.policy.failures import class_of_code, class_of_fault
from jobs.policy.outcomes import Completed, Failed, Flag, judge
from jobs.provider.base import Phase, ProviderFault, Snapshot, State
from jobs.provider.openai import told_as_faults

REQUEST = httpx2.Request("GET", "http://127.0.0.1/v1/responses/resp_1")

# What a run that failed says of itself: ResponseError.code.
RUN_ERRORS = {
    "server_error": "transient",
    "rate_limit_exceeded": "transient",
    "invalid_prompt": "malformed_input",
    "data_residency_mismatch": "malformed_input",
    "bio_policy": "policy",
    "misalignment_policy_violation": "policy",
    "vector_store_timeout": "timeout",
    "invalid_image": "malformed_input",
    "invalid_image_format": "malformed_input",
    "invalid_base64_image": "malformed_input",
    "invalid_image_url": "malformed_input",
    "image_too_large": "malformed_input",
    "image_too_small": "malformed_input",
    "image_parse_error": "malformed_input",
    "image_content_policy_violation": "policy",
    "invalid_image_mode": "malformed_input",
    "image_file_too_large": "malformed_input",
    "unsupported_image_media_type": "malformed_input",
    "empty_image_file": "malformed_input",
    "failed_to_download_image": "malformed_input",
    "image_file_not_found": "malformed_input",
}
# Why an answer is incomplete: IncompleteDetails.reason. All go to a person.
INCOMPLETE = {
    "max_output_tokens": [Flag.PARTIAL],
    "max_messages": [Flag.PARTIAL],
    "content_filter": [Flag.PARTIAL, Flag.MODERATED],
    "steered": [Flag.PARTIAL],
}
# Each exception that a call can raise, by phase: at a start, and at a look.
EXCEPTIONS = {
    "APIConnectionError": ("lost", "transient"),
    "APITimeoutError": ("lost", "transient"),
    "APIResponseValidationError": ("lost", "transient"),
    "APIError": ("lost", "transient"),
    "OpenAIError": ("lost", "transient"),
    "BadRequestError": ("malformed_input", "malformed_input"),
    "AuthenticationError": ("auth", "auth"),
    "OAuthError": ("auth", "auth"),
    "PermissionDeniedError": ("auth", "auth"),
    "NotFoundError": ("malformed_input", "gone"),
    "ConflictError": ("transient", "transient"),
    "UnprocessableEntityError": ("malformed_input", "malformed_input"),
    "RateLimitError": ("transient", "transient"),
    "InternalServerError": ("lost", "transient"),
    "APIStatusError": ("malformed_input", "malformed_input"),
    # Of streams, sockets and parsing helpers, which we do not use.
    "ContentFilterFinishReasonError": ("lost", "transient"),
    "LengthFinishReasonError": ("lost", "transient"),
    "SubjectTokenProviderError": ("lost", "transient"),
    "WebSocketConnectionClosedError": ("lost", "transient"),
    "WebSocketQueueFullError": ("lost", "transient"),
}
STATUSES = {
    "BadRequestError": 400,
    "AuthenticationError": 401,
    "OAuthError": 401,
    "PermissionDeniedError": 403,
    "NotFoundError": 404,
    "ConflictError": 409,
    "APIStatusError": 418,
    "UnprocessableEntityError": 422,
    "RateLimitError": 429,
    "InternalServerError": 500,
}


def literals(model: type, field: str) -> set[str]:
    """The values that the SDK's type names for this field."""
    hint = model.model_fields[field].annotation
    inner = [get_args(part) for part in get_args(hint) if get_args(part)]
    return set(inner[0] if inner else get_args(hint))


def error_of(name: str) -> Exception:
    """One of the SDK's exceptions, made as the SDK makes it."""
    kind = getattr(openai, name, None) or getattr(openai._exceptions, name)
    response = httpx2.Response(STATUSES.get(name, 200), request=REQUEST)
    match name:
        case "OAuthError":
            return kind(response=response, body={"error": "invalid_grant"})
        case _ if name in STATUSES:
            return kind("no", response=response, body=None)
        case "APIResponseValidationError":
            return kind(response, None)
        case "APIError":
            return kind("no", REQUEST, body=None)
        case "APIConnectionError" | "APITimeoutError":
            return kind(request=REQUEST)
        case "SubjectTokenProviderError" | "OpenAIError":
            return kind("no")
        case _:  # of streams and sockets, with arguments of their own
            return kind.__new__(kind)


async def fault_of(error: Exception, phase: Phase) -> ProviderFault:
    try:
        async with told_as_faults(phase, key="sk-tests"):
            raise error
    except ProviderFault as fault:
        return fault


def test_the_tables_name_all_that_the_sdk_names():
    assert literals(ResponseError, "code") == set(RUN_ERRORS)
    assert literals(IncompleteDetails, "reason") == set(INCOMPLETE)
    named = vars(openai._exceptions).values()
    errors = [e for e in named if isinstance(e, type) and issubclass(e, Exception)]
    ours = {e.__name__ for e in errors if issubclass(e, openai.OpenAIError)}
    assert ours == set(EXCEPTIONS)


@pytest.mark.parametrize(("code", "expected"), RUN_ERRORS.items())
def test_a_run_that_failed_has_the_class_of_its_code(code, expected):
    assert class_of_code(code) == expected
    outcome = judge(snapshot(State.FAILED, error_code=code), None)
    assert isinstance(outcome, Failed)
    assert (outcome.failure, outcome.code) == (expected, code)


@pytest.mark.parametrize("code", ["", "brand_new_code"])
def test_a_run_that_failed_for_an_unknown_reason_goes_to_a_person(code):
    outcome = judge(snapshot(State.FAILED, error_code=code), None)
    assert isinstance(outcome, Failed)
    assert outcome.failure == "unknown"


@pytest.mark.parametrize(("reason", "flags"), INCOMPLETE.items())
def test_an_incomplete_answer_goes_to_a_person_with_its_flags(reason, flags):
    said = snapshot(State.INCOMPLETE, incomplete_reason=reason, text="So far")
    outcome = judge(said, None)
    assert outcome == Completed("So far", flags)


def test_an_answer_that_is_incomplete_for_an_unknown_reason_is_partial():
    said = snapshot(State.INCOMPLETE, incomplete_reason="brand_new", text="So far")
    assert judge(said, None) == Completed("So far", [Flag.PARTIAL])


@pytest.mark.parametrize(("name", "classes"), EXCEPTIONS.items())
def test_every_exception_of_a_call_has_its_class(name, classes):
    found = [
        class_of_fault(asyncio.run(fault_of(error_of(name), phase)))
        for phase in (Phase.START, Phase.LOOK)
    ]
    assert tuple(found) == classes


@pytest.mark.parametrize("error", [ValueError("new"), KeyError("id"), OSError()])
def test_any_other_exception_is_no_answer(error):
    """At a start it may have got through; a look is simply done again."""
    at_start = asyncio.run(fault_of(error, Phase.START))
    assert class_of_fault(at_start) == "lost"
    looking = asyncio.run(fault_of(error, Phase.LOOK))
    assert class_of_fault(looking) == "transient"


def snapshot(state: State, **said: str) -> Snapshot:
    return Snapshot(response_id="resp_1", state=state, said=str(state), raw="", **said)

"""What a fault means, and what follows from it: the table of failure classes."""

from dataclasses import dataclass
from enum import StrEnum

from jobs.provider.base import Phase, ProviderFault


class FailureClass(StrEnum):
    """Why a run did not bring an answer."""

    TRANSIENT = "transient"
    TIMEOUT = "timeout"
    LOST = "lost"
    MALFORMED_INPUT = "malformed_input"
    POLICY = "policy"
    REVIEW_REQUIRED = "review_required"
    POISON = "poison"
    AUTH = "auth"
    QUOTA = "quota"
    LOCKED = "locked"
    GONE = "gone"
    UNKNOWN = "unknown"


class Follow(StrEnum):
    """What is done about it."""

    RETRY = "retry"
    FAIL = "fail"
    REVIEW = "review"
    PAUSE = "pause"
    WAIT = "wait"
    EXPIRE = "expire"


@dataclass(frozen=True)
class Rule:
    """What follows, how many tries at the most, and what a person is told.

    A pause or a wait costs no try. Where the key proves good and the same job is
    refused all the same, it is the job's own fault: after so many refusals it fails.
    """

    follow: Follow
    tries: int
    advice: str


ENDLESS = 2**31
C, F = FailureClass, Follow
RULES = {
    C.TRANSIENT: Rule(F.RETRY, 8, "The provider did not manage it; retry it later."),
    C.TIMEOUT: Rule(F.RETRY, 3, "Retry it with more time, or as a smaller task."),
    C.LOST: Rule(F.RETRY, 5, "Its starts were not answered; look, then retry it."),
    C.MALFORMED_INPUT: Rule(F.FAIL, 1, "Correct the input and retry it."),
    C.POLICY: Rule(F.FAIL, 1, "The provider declines this; inspect the request."),
    C.REVIEW_REQUIRED: Rule(F.REVIEW, 1, "A person looks at what there is."),
    C.POISON: Rule(F.FAIL, 1, "Handling it stops workers; inspect it."),
    C.AUTH: Rule(F.PAUSE, 3, "Check what the provider's key may do, then retry it."),
    C.QUOTA: Rule(F.PAUSE, ENDLESS, "Raise the provider's quota, then retry it."),
    C.LOCKED: Rule(F.WAIT, ENDLESS, "Another response is at work in its thread."),
    C.GONE: Rule(F.EXPIRE, 1, "The provider has it no more; retry it if wanted."),
    C.UNKNOWN: Rule(F.FAIL, 1, "An answer we do not know; inspect it."),
}

CODES = {
    **dict.fromkeys(
        [
            "server_error",
            "rate_limit_exceeded",
            "slow_down",
            "server_is_overloaded",
            "not_a_response",
            "not_connected",
            "no_connection",
        ],
        C.TRANSIENT,
    ),
    **dict.fromkeys(["timed_out", "vector_store_timeout"], C.TIMEOUT),
    "too_large": C.POISON,
    "conversation_locked": C.LOCKED,
    **dict.fromkeys(
        [
            "invalid_prompt",
            "invalid_json_schema",
            "context_length_exceeded",
            "model_not_found",
            "unknown_parameter",
            "data_residency_mismatch",
            "previous_response_not_found",
        ],
        C.MALFORMED_INPUT,
    ),
    **dict.fromkeys(
        [
            "bio_policy",
            "misalignment_policy_violation",
            "content_policy_violation",
            "content_filter",
            "image_content_policy_violation",
        ],
        C.POLICY,
    ),
    **dict.fromkeys(["invalid_api_key", "account_deactivated"], C.AUTH),
    **dict.fromkeys(
        [
            "insufficient_quota",
            "credit_balance_exhausted",
            "organization_spend_limit_exceeded",
            "project_spend_limit_exceeded",
            "organization_usage_limit_exceeded",
        ],
        C.QUOTA,
    ),
}  # other codes that speak of an image: malformed input
# After these a create may have been accepted all the same.
UNANSWERED = {"timed_out", "no_connection", "not_a_response", "too_large"}
HTTP = {
    400: C.MALFORMED_INPUT,
    401: C.AUTH,
    403: C.AUTH,
    404: C.MALFORMED_INPUT,
    408: C.TIMEOUT,
    409: C.TRANSIENT,
    413: C.MALFORMED_INPUT,
    422: C.MALFORMED_INPUT,
    429: C.TRANSIENT,
}  # 5xx: transient; other 4xx: malformed input


def class_of_fault(fault: ProviderFault) -> FailureClass:
    """The class of a call that did not succeed."""
    if fault.phase is Phase.START and fault.code in UNANSWERED:
        return C.LOST
    if fault.http_status == 404 and fault.phase in (Phase.LOOK, Phase.CANCEL):
        return C.GONE
    if known := class_of_code(fault.code):
        return known
    status = fault.http_status or 0
    if fault.phase is Phase.START and status >= 500:
        return C.LOST  # said by who stands between, of what may have got through
    if status in HTTP:
        return HTTP[status]
    if status >= 500:
        return C.TRANSIENT
    return C.MALFORMED_INPUT if status >= 400 else C.UNKNOWN


def class_of_code(code: str) -> FailureClass | None:
    """The class of an error code in a body; None where the code is not known."""
    if code in CODES:
        return CODES[code]
    if "image" in code:
        return C.MALFORMED_INPUT
    return None

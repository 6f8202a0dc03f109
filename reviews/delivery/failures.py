"""What a try that did not arrive means, and what follows: the table of its classes."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What one try came to."""

    DELIVERED = "delivered"
    AGAIN = "again"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    REFUSED = "refused"


class FailureClass(StrEnum):
    """Why a delivery did not arrive."""

    TRANSIENT = "transient"
    MALFORMED = "malformed"
    GONE = "gone"
    FORBIDDEN = "forbidden"
    RECIPIENTS_REFUSED = "recipients_refused"
    PARTLY_REFUSED = "partly_refused"
    LOST = "lost"
    POISON = "poison"
    OUR_BUG = "our_bug"
    NOT_AS_APPROVED = "not_as_approved"


@dataclass(frozen=True)
class Rule:
    """What follows, and what a person is told when it is their turn."""

    follow: Outcome
    advice: str


C, Then = FailureClass, Outcome
RULES = {
    C.TRANSIENT: Rule(
        Then.AGAIN,
        "It is tried again for about three days; then see to the receiver and resend.",
    ),
    C.MALFORMED: Rule(
        Then.FAILED,
        "The receiver does not take it and would not next time: correct the "
        "destination and approve it anew, or withdraw it.",
    ),
    C.GONE: Rule(
        Then.FAILED,
        "The receiver is gone for good and was switched off: give the destination "
        "another address and approve it anew, or withdraw it.",
    ),
    C.FORBIDDEN: Rule(
        Then.FAILED,
        "We do not send to this address: correct the destination and approve it "
        "anew, or withdraw it.",
    ),
    C.RECIPIENTS_REFUSED: Rule(
        Then.FAILED,
        "Nobody got the mail: correct the addresses and approve it anew, or resend.",
    ),
    C.PARTLY_REFUSED: Rule(
        Then.UNCERTAIN,
        "Some have it and some do not: confirm it when that is enough, or resend it "
        "to all of them, or withdraw it.",
    ),
    C.LOST: Rule(
        Then.UNCERTAIN,
        "It may have arrived: ask there, then confirm it, resend it or withdraw it.",
    ),
    C.POISON: Rule(
        Then.FAILED,
        "Sending it stopped us three times in a row: look into the logs before you "
        "resend it.",
    ),
    C.OUR_BUG: Rule(
        Then.FAILED,
        "A mistake of ours, or what is stored cannot be sent: look into the logs, "
        "then resend it or withdraw it.",
    ),
    C.NOT_AS_APPROVED: Rule(
        Then.REFUSED,
        "It is not what was approved, or its destination is not: put that right and "
        "approve it anew, or withdraw it.",
    ),
}

DEATHS = 3  # tries in a row that died between sending and noting: poison
AGAIN = {408, 425, 429}  # and every 5xx


def class_of_status(http_status: int) -> FailureClass | None:
    """None: a 2xx is delivery. A redirect or another 4xx will not change by itself."""
    if 200 <= http_status < 300:
        return None
    if http_status in AGAIN or http_status >= 500:
        return C.TRANSIENT
    return C.GONE if http_status == 410 else C.MALFORMED


def class_of_reply(smtp_code: int) -> FailureClass:
    """Of a mail server that refused the mail: a 4xx, as greylisting has it, passes."""
    return C.TRANSIENT if smtp_code < 500 else C.MALFORMED


def class_of_refusals(smtp_codes: list[int]) -> FailureClass:
    """Of a mail server that refused every recipient."""
    if all(code < 500 for code in smtp_codes):
        return C.TRANSIENT
    return C.RECIPIENTS_REFUSED


def advice_on(name: str) -> str:
    """What a person is told of this class; empty where there is none."""
    return RULES[FailureClass(name)].advice if name in set(FailureClass) else ""

"""What can go wrong at the provider, to order: one table."""

from __future__ import annotations

from dataclasses import dataclass

from . import plays
from .answers import answer
from .breakage import Reset, Silence, html

CONVERSATIONS = (
    *("new-conversation", "conversation", "delete-conversation"),
    *("items", "delete-item"),
)
CALLS = ("create", "retrieve", "cancel", "delete", "models", *CONVERSATIONS)
ON_ONE = ("retrieve", "cancel", "delete")
SHOWN = ("create", "retrieve", "cancel")
WEBHOOK = ("webhook",)

DECADE = str(10 * 365 * 24 * 3600)


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, how it is played, and the calls on which it can be."""

    says: str
    play: plays.Play
    on: tuple[str, ...] = CALLS
    fits: plays.Test = lambda call: True


def of_webhooks(says: str) -> Fault:
    """One that the sender plays."""
    return Fault(says, plays.Call.answer, WEBHOOK)


FAULTS = {
    # Nothing is done.
    "rate-limit": Fault("429, without a word on when to come back", plays.rate_limit()),
    "rate-limit-seconds": Fault(
        "429, come back in 20 seconds", plays.rate_limit(plays.in_seconds)
    ),
    "rate-limit-date": Fault(
        "429, come back at a date", plays.rate_limit(plays.as_date)
    ),
    "rate-limit-decade": Fault(
        "429, come back in ten years", plays.rate_limit(lambda call: DECADE)
    ),
    "rate-limit-negative": Fault(
        "429, come back a minute ago", plays.rate_limit(lambda call: "-60")
    ),
    "rate-limit-garbage": Fault(
        "429, come back at some time", plays.rate_limit(lambda call: "soon; \xff")
    ),
    "no-quota": Fault(
        "429, the credit is used up",
        plays.refuse(
            429,
            "insufficient_quota",
            "You exceeded your current quota, please check your plan and billing "
            "details.",
            kind="insufficient_quota",
        ),
    ),
    "wrong-key": Fault(
        "401, the key is not taken any more",
        plays.refuse(401, "invalid_api_key", "Incorrect API key provided: sk-****."),
    ),
    "server-error": Fault("500", plays.fail),
    "bad-gateway": Fault("502 with a page", plays.instead(lambda call: html(502))),
    "overloaded": Fault(
        "503",
        plays.refuse(
            503,
            "server_is_overloaded",
            "Our servers are currently overloaded. Please try again later.",
            kind="service_unavailable_error",
        ),
    ),
    "reset-before": Fault(
        "The connection is reset", plays.instead(lambda call: Reset())
    ),
    "silence-before": Fault(
        "No answer ever comes", plays.instead(lambda call: Silence())
    ),
    # It is done, but the answer is lost or of no use.
    "bad-gateway-after": Fault(
        "It is done, then 502 with a page", plays.replaced(lambda: html(502))
    ),
    "reset-after": Fault("It is done, then a reset", plays.replaced(Reset)),
    "silence-after": Fault("It is done, but no answer comes", plays.replaced(Silence)),
    "broken-off": Fault("A reset amid the answer", plays.spoiled(plays.break_off)),
    "drip": Fault("One byte a second", plays.spoiled(plays.drip)),
    "truncated-json": Fault("Half of the JSON", plays.spoiled(plays.truncate)),
    "html": Fault("200 with a page", plays.replaced(lambda: html(200))),
    "gzip-bomb": Fault("200 kB that become 200 MB", plays.bomb),
    "huge-body": Fault("40 MB", plays.spoiled(plays.make_huge)),
    "empty-object": Fault("200 {}", plays.replaced(lambda: answer({}))),
    "empty-list": Fault("200 []", plays.replaced(lambda: answer([]))),
    "wrong-type": Fault("JSON called text", plays.spoiled(plays.call_it_text)),
    # The answer is well-formed, and wrong.
    "unknown-status": Fault(
        "A status that nobody knows",
        plays.changed(lambda call: {"status": "paused"}),
        SHOWN,
    ),
    "same-id": Fault(
        "The id of the create before",
        plays.changed(plays.other_id),
        ("create",),
        plays.has_other,
    ),
    "other-id": Fault(
        "The id of another response",
        plays.changed(plays.other_id),
        ("retrieve", "cancel"),
        plays.has_other,
    ),
    "early-404": Fault(
        "Not known yet, for 30 seconds after the create",
        plays.instead(plays.not_found_yet),
        ON_ONE,
        plays.is_young,
    ),
    "gone": Fault(
        "Forgotten for good, ten minutes after its end",
        plays.forget,
        ON_ONE,
        plays.is_old,
    ),
    "relapse": Fault(
        "In progress again after it was shown completed",
        plays.work_again,
        ("retrieve",),
        plays.is_known_to_be_completed,
    ),
    "late-completion": Fault(
        "Cancelled, and completed at its time all the same",
        plays.cancel_in_vain,
        ("cancel",),
        plays.can_be_cancelled,
    ),
    "cancel-400": Fault(
        "400, what has ended cannot be cancelled",
        plays.refuse(400, "invalid_request", "Cannot cancel a completed response."),
        ("cancel",),
        plays.has_ended,
    ),
    "cancel-409": Fault(
        "409, what has ended cannot be cancelled",
        plays.refuse(409, "response_already_ended", "The response has already ended."),
        ("cancel",),
        plays.has_ended,
    ),
    # The sender plays these.
    "webhook-drop": of_webhooks("An event that is never sent"),
    "webhook-duplicate": of_webhooks("An event that is sent twice at once"),
    "webhook-delay": of_webhooks("An event that comes a minute late"),
    "webhook-reorder": of_webhooks("An event that lets another one pass"),
    "webhook-forge": of_webhooks("Before it, one that a stranger signed"),
    "webhook-stale": of_webhooks("A try whose timestamp is an hour old"),
}

"""What a snapshot or a fault means for an attempt."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from jsonschema.protocols import Validator

from jobs.kit.canonical import canonical_json
from jobs.policy.failures import FailureClass, class_of_code, class_of_fault
from jobs.provider.base import ProviderFault, Snapshot, State

# A fresh response may be unknown to a replica for a while (33 s were measured).
REPLICA_LAG = timedelta(seconds=60)


class Flag(StrEnum):
    """Why a person must look twice at a result."""

    PARTIAL = "partial"
    REFUSED = "refused"
    OFF_SCHEMA = "off_schema"
    MODERATED = "moderated"
    EMPTY = "empty"


@dataclass(frozen=True)
class Progress:
    """Still at work; or not to be judged by this answer."""


@dataclass(frozen=True)
class Completed:
    """There is an answer: a text, or a structured value; flags want a person."""

    content: Any
    flags: Sequence[Flag] = field(default_factory=list)


@dataclass(frozen=True)
class RequiresAction:
    """It asks for answers before it can go on."""


@dataclass(frozen=True)
class Failed:
    """No answer; the class tells what follows."""

    failure: FailureClass
    code: str
    message: str
    retry_after: float | None = None


@dataclass(frozen=True)
class Stopped:
    """It was cancelled at the provider, not by us."""


Outcome = Progress | Completed | RequiresAction | Failed | Stopped


def judge(snapshot: Snapshot, validator: Validator | None) -> Outcome:
    """The outcome of an answer; `validator` where the type has an output schema."""
    match snapshot.state:
        case State.WORKING:
            return Progress()
        case State.COMPLETED if snapshot.calls:
            return RequiresAction()
        case State.COMPLETED | State.INCOMPLETE:
            return _answered(snapshot, validator)
        case State.CANCELLED:
            return Stopped()
        case State.FAILED:
            known = class_of_code(snapshot.error_code)
            return Failed(
                known or FailureClass.UNKNOWN,
                snapshot.error_code or "no_code",
                snapshot.error_message or "The provider gave no reason.",
            )
        case _:
            said = snapshot.said or "nothing"
            message = f"The provider says {said!r}, a status that is not known."
            return Failed(FailureClass.UNKNOWN, "unknown_status", message)


def judge_fault(
    fault: ProviderFault, *, accepted_at: datetime | None, now: datetime
) -> Outcome:
    """The outcome of a call that failed."""
    failure = class_of_fault(fault)
    message = fault.message
    if accepted_at is not None:
        # A look that failed says nothing of the response, unless it is not there.
        if failure is not FailureClass.GONE or now - accepted_at < REPLICA_LAG:
            return Progress()
        message = "The provider has this response no more."
    code = fault.code or f"http_{fault.http_status or 0}"
    return Failed(failure, code, message, fault.retry_after)


def _answered(snapshot: Snapshot, validator: Validator | None) -> Completed:
    flags = []
    if snapshot.state is State.INCOMPLETE:
        flags.append(Flag.PARTIAL)
    if snapshot.refusal:
        flags.append(Flag.REFUSED)
    if snapshot.moderated or snapshot.incomplete_reason == "content_filter":
        flags.append(Flag.MODERATED)
    text = snapshot.text or snapshot.refusal
    if not text.strip():
        flags.append(Flag.EMPTY)
    if validator is None:
        return Completed(text, flags)
    try:
        content = json.loads(text, parse_constant=_no_constants)
        validator.validate(content)
        canonical_json(content).encode()
    except Exception:  # whatever is wrong with it, a person sees the text as it came
        return Completed(text, [*flags, Flag.OFF_SCHEMA])
    return Completed(content, flags)


def _no_constants(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")

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

# A response may be unknown to a replica for a while (33 s were measured).
REPLICA_LAG = timedelta(seconds=60)
CONVERSATION_GONE = "conversation_gone"  # the code of a start without its thread's


class Flag(StrEnum):
    """Why a person must look twice at a result."""

    PARTIAL = "partial"
    REFUSED = "refused"
    OFF_SCHEMA = "off_schema"
    MODERATED = "moderated"
    EMPTY = "empty"


@dataclass(frozen=True)
class Progress:
    """Still at work; or not to be judged by this answer.

    `missing`: the provider did not find it; `retry_after`: seconds it asks us to wait.
    """

    missing: bool = False
    retry_after: float | None = None


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


def judge_start(fault: ProviderFault) -> Failed:
    """The outcome of a start that failed."""
    code = fault.code or f"http_{fault.http_status or 0}"
    return Failed(class_of_fault(fault), code, fault.message, fault.retry_after)


def judge_start_in(
    fault: ProviderFault, *, made_at: datetime | None, now: datetime
) -> Failed:
    """The outcome of a start that failed in a conversation made at `made_at`.

    What is not found is the conversation, where no code says otherwise: somebody
    deleted it at the provider, unless it is so young that a replica may not know it.
    """
    if fault.http_status != 404 or class_of_code(fault.code):
        return judge_start(fault)
    if now - (made_at or now) < REPLICA_LAG:
        return Failed(FailureClass.TRANSIENT, "not_found", fault.message)
    said = (
        f"Its thread's conversation is not at the provider any more: {fault.message} "
        "The next job there begins another one, without what was said in this one."
    )
    return Failed(FailureClass.GONE, CONVERSATION_GONE, said)


def judge_look(
    fault: ProviderFault, *, missing_since: datetime | None, now: datetime
) -> Outcome:
    """The outcome of a look that failed.

    It says nothing of the response itself, unless that is not found for longer than a
    replica may lag, or cannot be read.
    """
    failure = class_of_fault(fault)
    if failure is FailureClass.GONE:
        if now - (missing_since or now) < REPLICA_LAG:
            return Progress(missing=True)
        said = "The provider has this response no more."
        return Failed(failure, "not_found", said)
    if failure is FailureClass.POISON:
        return Failed(failure, fault.code, fault.message)
    return Progress(retry_after=fault.retry_after)


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

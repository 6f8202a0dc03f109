"""Submitting: check it against its type, store it, have the sweep find it."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from jsonschema import validators
from jsonschema.exceptions import ValidationError

from jobs.kit.rights import name_of, require
from jobs.kit.strict_json import flaws, place
from jobs.lifecycle import Line, add_events
from jobs.models import Job, JobType, JobTypeVersion
from jobs.services.invalid import InvalidInput, by_field
from jobs.services.joining import OnActive, join_thread

LONGEST_DEADLINE = 30 * 86_400  # seconds
TITLE = 200  # characters; Job.title
LONGEST_URL = 2_000  # characters; Job.callback_url
CallbackCheck = Callable[[Collection[str]], Mapping[str, str]]
_callback_checks: list[CallbackCheck] = []


def checks_callbacks(check: CallbackCheck) -> CallbackCheck:
    """Register who says of some URLs which may not be called back, and why."""
    if check not in _callback_checks:
        _callback_checks.append(check)
    return check


@transaction.atomic
def submit_job(
    *,
    by: User,
    type_name: str,
    given: dict[str, Any],
    title: str = "",
    metadata: dict[str, str] | None = None,
    attempt_seconds: int | None = None,
    deadline_seconds: int | None = None,
    callback_url: str = "",
    thread: str = "",
    on_active: str = OnActive.QUEUE,
) -> Job:
    """Store a job for this input; if it is bad, InvalidInput is raised instead.

    `thread`: the key of the thread that it runs in; raises ThreadBusy as `on_active`
    has it, and MoveRefused where that thread is closed.
    """
    require(by, "jobs.submit_job")
    version = _version(type_name)
    errors = check_input(version, given)
    limits = {"attempt_seconds": attempt_seconds, "deadline_seconds": deadline_seconds}
    errors |= check_rest(title, metadata or {}, limits)
    if errors := errors | check_callbacks([callback_url]).get(callback_url, {}):
        raise InvalidInput(errors)
    now = timezone.now()
    job = Job(
        version=version,
        title=title,
        input=given,
        metadata=metadata or {},
        callback_url=callback_url,
        thread=join_thread(by=by, key=thread, on_active=on_active) if thread else None,
        requester=by,
        **limits,
        **times(version, deadline_seconds, now),
    )
    job.save(force_insert=True)
    submitted = Line(job.history, "status", became=job.status)
    add_events([submitted], actor=name_of(by), now=now)
    return job


def times(
    version: JobTypeVersion, deadline_seconds: int | None, now: datetime
) -> dict[str, datetime]:
    """When a new job is made, is looked at first, and is given up."""
    seconds = deadline_seconds or version.deadline_seconds
    deadline = now + timedelta(seconds=seconds)
    return {"created_at": now, "wake_at": now, "deadline_at": deadline}


def check_input(version: JobTypeVersion, given: Any) -> dict[str, list[str]]:
    """What is wrong with this input, by field; empty when nothing is."""
    schema = version.input_schema
    kind = validators.validator_for(schema)
    validator = kind(schema, format_checker=kind.FORMAT_CHECKER)
    return check_value(given, validator, name="input")


def check_value(value: Any, validator: Any, *, name: str) -> dict[str, list[str]]:
    """What is wrong with a value, by field, which begin with `name`.

    Without a validator anything will do that can be stored.
    """
    if errors := by_field(flaws(value, name)):
        return errors
    found = validator.iter_errors(value) if validator else ()
    return by_field(said for error in found for said in _said(error, name))


def _version(type_name: str) -> JobTypeVersion:
    job_type = JobType.objects.filter(name=type_name, is_active=True).first()
    version = job_type.current if job_type else None
    if version is None:
        names = JobType.objects.filter(is_active=True).values_list("name", flat=True)
        known = ", ".join(names) or "none yet"
        raise InvalidInput(
            {"type": [f"There is no job type {type_name!r}. Known: {known}."]}
        )
    return version


def _said(error: ValidationError, name: str) -> list[tuple[str, str]]:
    """The field an error belongs to, in dots, and a sentence about it."""
    path = (name, *error.absolute_path)
    if error.validator == "required":
        missing = [each for each in error.validator_value if each not in error.instance]
        return [(place(*path, each), "This field is required.") for each in missing]
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        unknown = [each for each in error.instance if each not in known]
        return [(place(*path, each), "This field is not known.") for each in unknown]
    return [(place(*path), _sentence(error))]


def _sentence(error: ValidationError) -> str:
    """Without the value itself, which may be long, and may be secret."""
    limit = error.validator_value
    match error.validator:
        case "type":
            return f"This must be of type {limit}."
        case "minLength" if limit == 1:
            return "This must not be empty."
        case "minLength":
            return f"This must have at least {limit} characters."
        case "maxLength":
            return f"This must have at most {limit} characters."
        case "minItems":
            return f"This must have at least {limit} entries."
        case "maxItems":
            return f"This must have at most {limit} entries."
        case "enum":
            return f"This must be one of {', '.join(map(str, limit))}."
        case "minimum" | "exclusiveMinimum":
            return f"This must not be less than {limit}."
        case "maximum" | "exclusiveMaximum":
            return f"This must not be more than {limit}."
        case "pattern":
            return f"This must match {limit}."
        case "format":
            return f"This must be a valid {limit}."
    return f"This does not satisfy {error.validator}."


def check_rest(
    title: str, metadata: dict[str, str], limits: dict[str, int | None]
) -> dict[str, list[str]]:
    """What is wrong with the other fields of a submission."""
    errors = by_field([*flaws(title, "title"), *flaws(metadata, "metadata")])
    if len(title) > TITLE:
        errors["title"] = [f"This must have at most {TITLE} characters."]
    for name, seconds in limits.items():
        if seconds is not None and not 1 <= seconds <= LONGEST_DEADLINE:
            errors[name] = [f"This must be from 1 to {LONGEST_DEADLINE}."]
    return errors


def check_callbacks(urls: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """What is wrong with each of these, as errors; those that will do are left out."""
    wanted = set(urls) - {""}
    long = {url for url in wanted if len(url) > LONGEST_URL}
    why = dict.fromkeys(long, f"This must have at most {LONGEST_URL} characters.")
    for check in _callback_checks:
        why |= check(wanted - why.keys())
    if not _callback_checks:
        why |= dict.fromkeys(wanted, "No callbacks are sent from here.")
    return {url: {"callback_url": [said]} for url, said in why.items()}

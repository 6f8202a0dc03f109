"""Recording: how a job's runs went at the provider, for the sandbox to play again."""

import re
from collections.abc import Iterator
from typing import Any

from jobs.models import Attempt, Job, JobTypeVersion
from jobs.policy.failures import CODES, FailureClass
from jobs.policy.outcomes import Flag
from jobs.provider.redacting import JSON, Redactor, redact

FORMAT = 1
SAID_AS = re.compile(r"http_([45]\d\d)")  # where the provider gave no code
# With which status a create is refused for such a reason.
STATUS: dict[str, int] = {
    FailureClass.MALFORMED_INPUT: 400,
    FailureClass.POLICY: 400,
    FailureClass.AUTH: 401,
    FailureClass.QUOTA: 429,
    FailureClass.TIMEOUT: 408,
    FailureClass.TRANSIENT: 503,
}


class NothingRecorded(Exception):
    """The job left no traffic that could be played again; says why."""


def record_job(job: Job, *, keep_text: bool = False) -> JSON:
    """Its runs as a recording without ids, and without its texts unless they are kept.

    NothingRecorded: it had none, or its content was deleted.
    """
    if job.erased_at:
        raise NothingRecorded(f"The content of {job} was deleted: its traffic, too.")
    redactor = Redactor(keep_text, frozenset(_names(job.version)), CODES)
    attempts = job.attempts.select_related("raw").prefetch_related("results")
    found = [_run(one, redactor) for one in attempts.order_by("number")]
    runs = [run for run in found if run]
    if not runs:
        raise NothingRecorded(f"No run of {job} was answered by the provider yet.")
    return {"recording": FORMAT, "says": ", ".join(map(_said, runs)), "runs": runs}


def _run(attempt: Attempt, redactor: Redactor) -> JSON | None:
    """How it went; None of one that was never answered, or not to its end."""
    raw = getattr(attempt, "raw", None)
    if raw is not None:
        run = redact(raw.body, redactor)
        if _is_structured(attempt) and not redactor.keep_text:
            run["output"] = [_to_be_written(item) for item in run["output"]]
        return run
    status = STATUS.get(attempt.failure_class)
    if attempt.response_id or status is None:
        return None
    told = SAID_AS.fullmatch(attempt.failure_code)
    code = redactor.code(attempt.failure_code)
    message = redactor.text(attempt.failure_message)
    if told:
        status, code = int(told[1]), ""
    elif code == "rate_limit_exceeded":
        status = 429
    return {"refused": {"status": status, "code": code, "message": message}}


def _is_structured(attempt: Attempt) -> bool:
    """Whether its answer obeyed the schema of its type."""
    wanted = attempt.job.version.output_schema is not None
    return wanted and any(
        Flag.OFF_SCHEMA not in result.flags for result in attempt.results.all()
    )


def _to_be_written(item: JSON) -> JSON:
    """Filler would not obey the schema: the sandbox writes what does."""
    if item["type"] != "message":
        return item
    written: JSON = {"text": None, "annotations": []}
    parts = item.get("content") or ()
    return item | {"content": [p | written if "text" in p else p for p in parts]}


def _names(version: JobTypeVersion) -> Iterator[str]:
    """What the type calls its functions, servers and fields."""
    yield from _fields(version.output_schema)
    for tool in version.tools:
        yield from (str(tool[key]) for key in ("name", "server_label") if key in tool)
        yield from _fields(tool.get("parameters"))


def _fields(schema: Any) -> Iterator[str]:
    for name, value in schema.items() if isinstance(schema, dict) else ():
        if name == "properties" and isinstance(value, dict):
            yield from value
        yield from _fields(value)
    for one in schema if isinstance(schema, list) else ():
        yield from _fields(one)


def _said(run: JSON) -> str:
    if "refused" in run:
        return f"refused ({run['refused']['status']})"
    code = (run.get("error") or {}).get("code")
    return f"{run['status']} ({code})" if code else str(run["status"])

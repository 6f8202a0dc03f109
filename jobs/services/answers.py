"""The rows that an answer leaves behind: result, citations, steps, raw body."""

from dataclasses import asdict
from datetime import datetime

from jobs.kit.canonical import digest_of
from jobs.models import (
    Attempt,
    Citation,
    EvidenceTrace,
    RawResponse,
    Result,
    ToolCall,
)
from jobs.policy.outcomes import Completed
from jobs.policy.passages import passage_of
from jobs.provider.base import Snapshot, Source

TITLE = Citation._meta.get_field("title").max_length
FILE = Citation._meta.get_field("file").max_length
NAME = 200  # characters; ToolCall.name and call_id


def result_of(
    attempt: Attempt, outcome: Completed, number: int, now: datetime
) -> Result:
    result = Result(
        job=attempt.job,
        number=number,
        attempt=attempt,
        flags=[flag.value for flag in outcome.flags],
        created_at=now,
    )
    result.set_content(outcome.content)
    return result


def citations_of(result: Result, snapshot: Snapshot) -> list[Citation]:
    """Spans index the text, so a structured result has none."""
    if not isinstance(result.content, str):
        return []
    citations: list[Citation] = []
    after = 0
    for position, cited in enumerate(snapshot.citations, start=1):
        start, end = passage_of(snapshot.text, cited.start, cited.end, after=after)
        after = cited.end
        citations.append(
            Citation(
                result=result,
                position=position,
                start=start,
                end=cited.end,
                quote=snapshot.text[start:end].strip(),
                title=cited.source.title[:TITLE],
                url=cited.source.url,
                file=cited.source.file[:FILE],
            )
        )
    return citations


def traces_of(attempt: Attempt, snapshot: Snapshot) -> list[EvidenceTrace]:
    return [
        EvidenceTrace(
            attempt=attempt,
            position=position,
            kind=step.kind,
            label=step.label,
            text=step.text,
            sources=[_source(source) for source in step.sources],
        )
        for position, step in enumerate(snapshot.steps, start=1)
    ]


def raw_of(attempt: Attempt, snapshot: Snapshot, now: datetime) -> RawResponse:
    return RawResponse(attempt=attempt, body=snapshot.raw, received_at=now)


def tool_calls_of(attempt: Attempt, snapshot: Snapshot) -> list[ToolCall]:
    unique = {call.call_id[:NAME]: call for call in snapshot.calls}
    return [
        ToolCall(
            attempt=attempt,
            call_id=call_id,
            kind=call.kind,
            name=call.name[:NAME],
            arguments=call.arguments,
            call_hash=digest_of([call.name[:NAME], call.arguments]),
        )
        for call_id, call in unique.items()
    ]


def _source(source: Source) -> dict[str, str]:
    return {name: value for name, value in asdict(source).items() if value}

"""Objects in answers that are no rows: their shapes, for the schema."""

from typing import Any

Shape = dict[str, Any]
TEXT: Shape = {"type": "string"}
TEXT_OR_NULL: Shape = {"type": ["string", "null"]}
COUNT: Shape = {"type": "integer", "minimum": 0}
MOMENT_OR_NULL: Shape = {"type": ["string", "null"], "format": "date-time"}


def record(**properties: Shape) -> Shape:
    """An object with these properties, all of them there."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def or_null(shape: Shape) -> Shape:
    return {**shape, "type": [shape["type"], "null"]}


PROGRESS = record(
    percent={"type": ["integer", "null"], "minimum": 0, "maximum": 100},
    basis=TEXT,
    note=TEXT,
)
ATTEMPT = or_null(record(number=COUNT, reason=TEXT, retries=COUNT, revisions=COUNT))
FAILURE = or_null(record(**{"class": TEXT, "code": TEXT, "message": TEXT}))
THREAD = or_null(record(id={**TEXT, "format": "uuid"}, key=TEXT))
NEXT_ACTION = or_null(record(what=TEXT, who=TEXT))
WAITING = or_null(
    record(
        **{"for": TEXT},
        since=MOMENT_OR_NULL,
        by=MOMENT_OR_NULL,
        next_check_at=MOMENT_OR_NULL,
    )
)

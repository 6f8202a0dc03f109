"""Reading a file of jobs, CSV or JSON lines: each row what is wanted, or why not."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.utils.datastructures import MultiValueDict
from jsonschema import Draft202012Validator

from jobs.forms import InputForm
from jobs.kit.schemas import in_order
from jobs.kit.strict_json import read_json
from jobs.models import JobTypeVersion
from jobs.services.submit import LONGEST_DEADLINE, TITLE, check_value
from jobs.services.submit_many import MOST, Wanted, check_many

SECONDS = {"type": "integer", "minimum": 1, "maximum": LONGEST_DEADLINE}
FIELDS: dict[str, Any] = {
    "title": {"type": "string", "maxLength": TITLE},
    "metadata": {
        "type": "object",
        "maxProperties": 16,
        "propertyNames": {"maxLength": 64},
        "additionalProperties": {"type": "string", "maxLength": 512},
    },
    "attempt_seconds": SECONDS,
    "deadline_seconds": SECONDS,
    "callback_url": {"type": "string"},
}
ROW = Draft202012Validator(
    {
        "type": "object",
        "properties": {"input": {}, **FIELDS},
        "required": ["input"],
        "additionalProperties": False,
    }
)
SEPARATORS = ",;\t"
YES_OR_NO = {"true": "true", "yes": "true", "false": "false", "no": "false"}
NUMBERS = ("attempt_seconds", "deadline_seconds")
Errors = dict[str, list[str]]


class Unreadable(Exception):
    """The file is none that we can read; says why."""


@dataclass
class Row:
    """One job of the file; `number` is where people find it."""

    number: int
    given: dict[str, Any] = field(default_factory=dict)
    errors: Errors = field(default_factory=dict)

    def wanted(self, type_name: str) -> Wanted:
        rest = {name: value for name, value in self.given.items() if name != "input"}
        return Wanted(type_name, self.given.get("input"), **rest)


def read_file(raw: bytes, version: JobTypeVersion) -> list[Row]:
    """Its rows, each checked as a submission is; raises Unreadable."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        raise Unreadable("It is not UTF-8 text.") from wrong
    is_json = text.lstrip().startswith("{")
    found = read_lines(text) if is_json else _read_csv(text, version)
    rows: list[Row] = []
    for row in found:
        if len(rows) == MOST:
            raise Unreadable(f"It has more than {MOST:,} rows: split it.")
        rows.append(row)
    if not rows:
        raise Unreadable("There are no rows in it.")
    return check_rows(rows, version)


def check_rows(rows: list[Row], version: JobTypeVersion) -> list[Row]:
    """Note what is wrong with each; a row that cannot be read is not looked into."""
    name = version.job_type.name
    for row in rows:
        if not row.errors:
            found = check_value(row.given, ROW, name="row")
            row.errors = {
                place.removeprefix("row."): said for place, said in found.items()
            }
    readable = [row for row in rows if not row.errors]
    errors = check_many([row.wanted(name) for row in readable], {name: version})
    for position, said in errors.items():
        readable[position].errors = said
    return rows


def read_lines(text: str) -> Iterator[Row]:
    """JSON lines: one object each, as a submission's body without its type."""
    for number, each in enumerate(text.split("\n"), 1):
        if not each.strip():
            continue
        try:
            yield Row(number, read_json(each.encode()))
        except ValueError as wrong:
            yield Row(number, errors={"row": [f"This is not JSON: {wrong}"]})


def as_lines(rows: list[Row]) -> str:
    """The same rows as JSON lines."""
    return "\n".join(json.dumps(row.given, ensure_ascii=False) for row in rows)


def _read_csv(text: str, version: JobTypeVersion) -> Iterator[Row]:
    """CSV: a heading, then a job on each row; what is left empty is left out."""
    heading = text.split("\n", 1)[0]
    separator = max(SEPARATORS, key=heading.count)
    reader = csv.DictReader(
        io.StringIO(text, newline=""), delimiter=separator, strict=True
    )
    try:
        _check_heading(list(reader.fieldnames or []), version.input_schema)
        for number, cells in enumerate(reader, 2):  # as spreadsheets count
            yield _row(number, cells, version.input_schema)
    except csv.Error as wrong:
        raise Unreadable(f"After line {reader.line_num}: {wrong}.") from wrong


def _row(number: int, cells: dict[str, Any], schema: dict[str, Any]) -> Row:
    if None in cells:
        return Row(number, errors={"row": ["It has more cells than the heading."]})
    row, typed = Row(number), MultiValueDict[str, Any]()
    properties = schema.get("properties", {})
    for name, text in cells.items():
        bare = name.removeprefix("input.")
        if name in FIELDS and name != "metadata":
            _note(row, name, text)
        elif name.startswith("metadata."):
            if text:
                metadata = row.given.setdefault("metadata", {})
                metadata[name.removeprefix("metadata.")] = text
        elif bare in properties and text:
            typed[f"input.{bare}"] = _cell(row, name, text, properties[bare])
    form = InputForm(schema, typed)
    if form.is_valid():
        # A box that stands in no column is no box left unchecked.
        named = {name for name in form.given() if f"input.{name}" in typed}
        row.given["input"] = {name: form.given()[name] for name in named}
    row.errors |= {name: [str(e) for e in said] for name, said in form.errors.items()}
    return row


def _cell(row: Row, name: str, text: str, part: dict[str, Any]) -> str:
    """As a form has it; what is true or false is said so."""
    if part.get("type") != "boolean":
        return text
    said = YES_OR_NO.get(text.strip().lower())
    if said is None:
        row.errors[name] = ["This must be true or false."]
    return said or text


def _note(row: Row, name: str, text: str | None) -> None:
    if not text:
        return
    is_number = name in NUMBERS and text.strip().isdecimal() and len(text) < 10
    row.given[name] = int(text) if is_number else text


def headings(schema: dict[str, Any]) -> list[str]:
    """What a column may be called; a part of the input may go by its whole name."""
    ours = [name for name in FIELDS if name != "metadata"]
    parts = in_order(schema.get("properties", {}), schema)
    theirs = [f"input.{name}" if name in ours else name for name in parts]
    return [*theirs, *ours, "metadata.NAME"]


def _check_heading(names: list[str], schema: dict[str, Any]) -> None:
    if len(set(names)) < len(names):
        raise Unreadable("Two columns have the same heading.")
    known = {*headings(schema), *(f"input.{n}" for n in schema.get("properties", {}))}
    for name in names:
        if name not in known and not name.startswith("metadata."):
            said = ", ".join(headings(schema))
            raise Unreadable(f"No field is called {name!r}. Known are: {said}.")

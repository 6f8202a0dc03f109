"""A form made from the JSON schema of a job type's input.

It only translates: text into values on the way in, errors to fields on the way back.
Whether an input is good is said in one place, the schema, by submit_job.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from django import forms

from jobs.kit.schemas import in_order

SHORT = 200  # characters; a longer text gets room to be written in
LINE_END = re.compile(r"\r\n?")
Schema = dict[str, Any]


class TextField(forms.CharField):
    """Text as it was written: browsers send every line end as CRLF, we keep LF."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strip=False, **kwargs)

    def to_python(self, value: Any) -> Any:
        return LINE_END.sub("\n", super().to_python(value) or "")


class Typed(str):
    """What stands in a field as it was typed, and not a value to be written out."""


class JsonField(forms.CharField):
    """Lists and objects, written as JSON."""

    widget = forms.Textarea(attrs={"rows": 8, "class": "code", "spellcheck": "false"})

    def bound_data(self, data: Any, initial: Any) -> Any:
        return Typed(data or "")

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        if not text.strip():
            return None
        try:
            return json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError) as wrong:
            raise forms.ValidationError(f"This is not JSON: {wrong}") from wrong

    def prepare_value(self, value: Any) -> Any:
        if value is None or isinstance(value, Typed):
            return value
        return json.dumps(value, indent=2, ensure_ascii=False)


def _no_constant(name: str) -> None:
    """NaN and infinity, which JSON knows only by hearsay."""
    raise ValueError(f"{name} is no value")


class LinesField(forms.CharField):
    """A list of strings, one on each line."""

    widget = forms.Textarea(attrs={"rows": 4})

    def to_python(self, value: Any) -> Any:
        lines = [line.strip() for line in (super().to_python(value) or "").splitlines()]
        return [line for line in lines if line] or None

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value


class InputForm(forms.Form):
    """A field named "input.x" for each property x; `given`: what stands in them."""

    ROOT = "input"  # what errors call the whole

    def __init__(
        self,
        schema: Schema,
        *args: Any,
        given: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        known = given or {}
        parts = schema.get("properties", {})
        self.properties: dict[str, Schema] = {
            name: parts[name] for name in in_order(parts, schema)
        }
        required = set(schema.get("required", []))
        for name, part in self.properties.items():
            field = field_for(part)
            field.required = False  # the schema says it, with everything else
            field.label = part.get("title") or name.replace("_", " ").capitalize()
            field.help_text = part.get("description", "")
            field.initial = known.get(name, part.get("default", field.initial))
            if name in required:
                field.widget.attrs["aria-required"] = "true"
            self.fields[f"{self.ROOT}.{name}"] = field

    @property
    def input_fields(self) -> list[forms.BoundField]:
        return [self[f"{self.ROOT}.{name}"] for name in self.properties]

    def given(self) -> dict[str, Any]:
        """The input as it is submitted: what was left empty is left out."""
        cleaned = self.cleaned_data
        values = {n: cleaned.get(f"{self.ROOT}.{n}") for n in self.properties}
        return {name: v for name, v in values.items() if not _is_empty(v)}

    def add_errors(self, errors: dict[str, list[str]]) -> None:
        """Put each error where it belongs; deeper ones name their place."""
        for key, messages in errors.items():
            field = self._field_of(key)
            rest = key.removeprefix(field or "").strip(".")
            for message in messages:
                self.add_error(field, f"{rest}: {message}" if rest else message)

    def _field_of(self, key: str) -> str | None:
        if key == "deadline_seconds":
            return "deadline_hours"
        fitting = [n for n in self.fields if key == n or key.startswith(f"{n}.")]
        return max(fitting, key=len) if fitting else None


class SubmitForm(InputForm):
    """The input, with a title, a deadline and whom to tell."""

    title = forms.CharField(
        required=False,
        max_length=200,
        help_text="How people will find it; made from the type when left empty.",
    )
    deadline_hours = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=720,
        label="Deadline in hours",
        help_text="When it is given up; the type's own deadline when left empty.",
    )
    callback_url = forms.CharField(
        required=False,
        label="Callback URL",
        widget=forms.URLInput,
        help_text="Told how the job goes on; under a destination that takes callbacks.",
    )
    thread = forms.CharField(
        required=False,
        max_length=200,
        label="Thread",
        help_text="A key such as user:42; jobs of a thread share a conversation.",
    )
    on_active = forms.ChoiceField(
        choices=[
            ("queue", "Wait for its turn"),
            ("reject", "Do not submit this job"),
            ("cancel", "Cancel that one and take its place"),
        ],
        required=False,
        label="While another job is at work there",
    )


class RetryForm(InputForm):
    """The input to correct, and why; `before`: what the job was given."""

    note = forms.CharField(
        required=False,
        max_length=2_000,
        label="Why",
        help_text="Kept in the job's history.",
    )

    def __init__(
        self, schema: Schema, *args: Any, before: dict[str, Any], **kwargs: Any
    ) -> None:
        super().__init__(schema, *args, **kwargs)
        self.before = before
        for name in self.properties:
            field, value = self.fields[f"input.{name}"], before.get(name)
            field.initial = value
            if isinstance(value, str) and "\n" in value:
                field.widget = _roomy()  # an input of one line would drop the rest

    def changes(self) -> dict[str, Any]:
        """The properties that somebody changed, with what stands in them now."""
        values = {n: self.cleaned_data.get(f"input.{n}") for n in self.properties}
        return {n: v for n, v in values.items() if not _are_same(v, self._untouched(n))}

    def given(self) -> dict[str, Any]:
        """What the job was given, with those changes; emptied ones are left out."""
        changes = self.changes()
        return {
            name: value
            for name, value in (self.before | changes).items()
            if name not in changes or not _is_empty(value)
        }

    def _untouched(self, name: str) -> Any:
        """What becomes of a value that was shown and sent back as it was."""
        field, value = self.fields[f"input.{name}"], self.before.get(name)
        try:
            return field.clean(field.prepare_value(value))
        except forms.ValidationError:
            return value


class ContinueForm(forms.Form):
    """What the model is told as it goes on from its last response."""

    continue_with = TextField(
        max_length=100_000,
        label="Tell the model",
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    note = RetryForm.base_fields["note"]


def _is_empty(value: Any) -> bool:
    return value is None or value == ""


def _are_same(one: Any, other: Any) -> bool:
    """As JSON has it, where 1 is not true."""
    return json.dumps(one) == json.dumps(other)


def field_for(part: Schema) -> forms.Field:
    """The field for one property."""
    if "enum" in part:
        return _choice(part)
    make = MAKERS.get(_type_of(part), lambda _: JsonField())
    return make(part)


def _type_of(part: Schema) -> str:
    named = part.get("type", "")
    if isinstance(named, list):
        return str(next((name for name in named if name != "null"), ""))
    return str(named)


def _text(part: Schema) -> forms.Field:
    if part.get("maxLength", SHORT + 1) <= SHORT or part.get("format"):
        return TextField()
    return TextField(widget=_roomy())


def _roomy() -> forms.Textarea:
    return forms.Textarea(attrs={"rows": 6})


def _choice(part: Schema) -> forms.Field:
    values = {str(value): value for value in part["enum"]}
    return forms.TypedChoiceField(
        choices=[("", "Choose…"), *((text, text) for text in values)],
        coerce=lambda text: values.get(text, text),
        empty_value=None,
    )


def _list(part: Schema) -> forms.Field:
    if _type_of(part.get("items", {})) == "string":
        field = LinesField()
        field.widget.attrs["placeholder"] = "One on each line"
        return field
    return JsonField()


MAKERS: dict[str, Callable[[Schema], forms.Field]] = {
    "string": _text,
    "integer": lambda _: forms.IntegerField(),
    "number": lambda _: forms.FloatField(),
    "boolean": lambda _: forms.BooleanField(),
    "array": _list,
}

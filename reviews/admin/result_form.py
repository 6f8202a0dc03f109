"""The form in which a result is edited: its text, its fields, or its JSON.

It only translates; whether the content is good is said by edit_result.
"""

import json
from typing import Any

from django import forms

from jobs.forms import InputForm, JsonField, Schema, Typed
from jobs.kit.canonical import canonical_json
from jobs.models import Result
from reviews.services.decide import LONGEST_COMMENT

CONTENT = "content"
SEEN = forms.CharField(max_length=64, widget=forms.HiddenInput)
COMMENT = forms.CharField(
    required=False,
    max_length=LONGEST_COMMENT,
    label="Why",
    help_text="Kept in the job's history.",
)


def plain_breaks(text: str) -> str:
    """Browsers send line breaks as two characters."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


class TextForm(forms.Form):
    """A text as it is written, in Markdown."""

    seen = SEEN
    content = forms.CharField(
        strip=False,
        required=False,  # edit_result says it
        label="Text",
        help_text="Markdown. Citations move along while their passages stand.",
        widget=forms.Textarea(attrs={"rows": 24, "class": "code"}),
    )
    comment = COMMENT

    def __init__(self, result: Result, data: Any = None) -> None:
        super().__init__(data, initial={CONTENT: result.content})

    @property
    def shown_fields(self) -> list[forms.BoundField]:
        return [self[CONTENT], self["comment"]]

    def edited(self) -> Any:
        return plain_breaks(self.cleaned_data[CONTENT])

    def add_errors(self, errors: dict[str, list[str]]) -> None:
        for key, messages in errors.items():
            place = key.removeprefix(CONTENT).strip(".")
            for said in messages:
                self.add_error(CONTENT, f"{place}: {said}" if place else said)


class JsonForm(TextForm):
    """Whatever has no form: as JSON. What was no JSON comes as the text it is."""

    content = JsonField(
        required=False,
        label="JSON",
        widget=forms.Textarea(
            attrs={"rows": 24, "class": "code", "spellcheck": "false"}
        ),
    )

    def __init__(self, result: Result, data: Any = None) -> None:
        super().__init__(result, data)
        if isinstance(result.content, str):
            self.initial[CONTENT] = Typed(result.content)

    def edited(self) -> Any:
        return self.cleaned_data[CONTENT]


class FieldsForm(InputForm):
    """The fields of a structured result. What was not touched stays as it is."""

    ROOT = CONTENT
    seen = SEEN
    comment = COMMENT

    def __init__(self, schema: Schema, result: Result, data: Any = None) -> None:
        self.was: dict[str, Any] = result.content
        super().__init__(schema, data, given=self.was)
        for name in self.properties:
            key = f"{CONTENT}.{name}"
            if name in self.was and not _keeps(self.fields[key], self.was[name]):
                self.fields[key] = _as_json(self.fields[key], self.was[name])
            elif name not in self.was:
                self.fields[key].initial = None

    @property
    def shown_fields(self) -> list[forms.BoundField]:
        return [*self.input_fields, self["comment"]]

    def edited(self) -> dict[str, Any]:
        """The content with what was changed; an emptied field is empty as it may be."""
        content = dict(self.was)
        for name, part in self.properties.items():
            bound = self[f"{CONTENT}.{name}"]
            value = self.cleaned_data[bound.name]
            if isinstance(value, str):
                value = plain_breaks(value)
            if _same(value, _read(bound.field, bound.initial)):
                continue
            content[name] = value if value not in (None, "") else _empty(part)
            if content[name] is None and "null" not in _types(part):
                del content[name]
        return content


def form_for(result: Result, data: Any = None) -> TextForm | FieldsForm:
    """Text for text, fields for an object with a schema, else JSON."""
    schema, content = result.job.version.output_schema, result.content
    if schema is None:
        return TextForm(result, data)
    if isinstance(content, dict) and schema.get("properties"):
        return FieldsForm(schema, result, data)
    return JsonForm(result, data)


# ---- what a field makes of a value -------------------------------------------------


def _read(field: forms.Field, initial: Any) -> Any:
    """What the field would give back if nobody touched it."""
    shown = field.prepare_value(initial)
    return field.to_python("" if shown is None else shown)


def _keeps(field: forms.Field, value: Any) -> bool:
    """Whether the field shows all of this value: a list of texts with breaks, no."""
    try:
        read = _read(field, value)
    except forms.ValidationError:
        return False
    return _same(read, value) or value in (None, "", [])


def _same(one: Any, other: Any) -> bool:
    if one in (None, "") and other in (None, ""):
        return True
    if isinstance(one, float) and isinstance(other, int):
        return one == other and not isinstance(other, bool)
    return canonical_json(one) == canonical_json(other)


def _as_json(field: forms.Field, value: Any) -> forms.Field:
    made = JsonField(required=False, label=field.label)
    made.initial = json.dumps(value, indent=2, ensure_ascii=False)
    return made


def _empty(part: Schema) -> Any:
    types = _types(part)
    if "null" in types:
        return None
    if "string" in types:
        return ""
    return [] if "array" in types else None


def _types(part: Schema) -> list[str]:
    named = part.get("type", [])
    return list(named) if isinstance(named, list) else [named]

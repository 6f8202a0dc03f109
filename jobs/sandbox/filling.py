"""Filling a JSON schema with what the prompt states, validly in any case."""

from __future__ import annotations

import json
from typing import Any

from .facts import Facts, fact, facts_of, labels_in, name_terms
from .items import Item, message, reasoning
from .leaves import MISSING, find_leaf, is_prose
from .limits import blank_leaf
from .prompts import Prompt
from .rows import find_lines, find_rows
from .words import words

Schema = dict[str, Any]

DEEPEST = 16
# A schema may refer to itself more than once, and so branch without end.
MOST_STEPS = 10_000
MOST_LINES = 5


def write_structured(prompt: Prompt) -> list[Item]:
    """An answer in JSON, as the request's schema wants it."""
    schema, facts = prompt.schema, facts_of(prompt)
    answer = Filler(schema).fill(schema, "", facts) if schema else told(prompt, facts)
    thought = f"**Reading the input**\n\n{len(facts.pairs)} labelled values found."
    return [reasoning(thought), message(json.dumps(answer, ensure_ascii=False))]


def fill(schema: Schema, prompt: Prompt) -> Any:
    """A value that obeys the schema, as far as may be with what the prompt states."""
    return Filler(schema).fill(schema, "", facts_of(prompt))


def told(prompt: Prompt, facts: Facts) -> dict[str, Any]:
    """What there is to say when no schema asks for anything in particular."""
    objects = [value for value in prompt.values if isinstance(value, dict)]
    labels = {"_".join(words(name)): value for name, value in labels_in(facts.text)}
    return {name: value for one in [labels, *objects] for name, value in one.items()}


class Filler:
    """Fills the parts of one schema."""

    def __init__(self, root: Schema) -> None:
        self.root = root
        self.steps = 0

    def fill(self, schema: Schema, name: str, facts: Facts, depth: int = 0) -> Any:
        """A value from the facts, or a blank one."""
        found = self.find(schema, name, facts, depth)
        return self.blank(schema, depth) if found is MISSING else found

    def find(self, schema: Schema, name: str, facts: Facts, depth: int) -> Any:
        """A value from the facts, or MISSING."""
        self.steps += 1
        if depth > DEEPEST or self.steps > MOST_STEPS:
            return MISSING
        for option in self.options(schema):
            value = self.find_one(option, name, facts, depth + 1)
            if value is not MISSING:
                return value
        return MISSING

    def find_one(self, schema: Schema, name: str, facts: Facts, depth: int) -> Any:
        if "const" in schema or "enum" in schema:
            return find_leaf(schema, "", name, facts)
        kind = kind_of(schema)
        if kind == "object":
            return self.find_object(schema, name, facts, depth)
        if kind == "array":
            return self.find_array(schema, name, facts, depth)
        return MISSING if kind == "null" else find_leaf(schema, kind, name, facts)

    def find_object(self, schema: Schema, name: str, facts: Facts, depth: int) -> Any:
        own = next((v for v in facts.named(name) if isinstance(v, dict)), None)
        inner = facts.inside(own) if own and name else facts
        # Inside the object's own facts its name says nothing more.
        prefix = "" if inner is not facts else f"{name} "
        properties: dict[str, Schema] = schema.get("properties", {})
        choices, found = facts.case.choices, {}
        chosen_before = len(choices)
        for key in sorted(properties, key=lambda key: turn_of(properties[key])):
            found[key] = self.find(properties[key], prefix + key, inner, depth)
            if "enum" in properties[key] and isinstance(found[key], str):
                choices.append(found[key])
        del choices[chosen_before:]
        told = [key for key in found if found[key] is not MISSING]
        if not any("const" not in properties[key] for key in told):
            return MISSING
        wanted = set(schema.get("required", ())) | set(told)
        return {
            key: self.blank(part, depth) if found[key] is MISSING else found[key]
            for key, part in properties.items()
            if key in wanted
        }

    def find_array(self, schema: Schema, name: str, facts: Facts, depth: int) -> Any:
        part = next(iter(self.options(schema.get("items", {}))), {})
        kind = kind_of(part)
        if kind == "object":
            rows = find_rows(part, name, facts)
            inners = [facts.inside(row) for row in rows]
            values = [self.find_object(part, "", inner, depth) for inner in inners]
        elif kind == "array":
            return MISSING
        else:
            listed = list_values(part, name, facts)
            values = [find_leaf(part, kind, name, fact(name, one)) for one in listed]
        values = [value for value in values if value is not MISSING]
        return self.trim(schema, values, depth) if values else MISSING

    def trim(self, schema: Schema, values: list[Any], depth: int) -> list[Any]:
        if schema.get("uniqueItems"):
            values = [v for place, v in enumerate(values) if v not in values[:place]]
        lacking = schema.get("minItems", 0) - len(values)
        blanks = [self.blank(schema.get("items", {}), depth) for _ in range(lacking)]
        return [*values, *blanks][: schema.get("maxItems")]

    def blank(self, schema: Schema, depth: int) -> Any:
        """A value that says nothing: null where it may be."""
        options = self.options(schema)
        self.steps += 1
        too_far = depth > 2 * DEEPEST or self.steps > 2 * MOST_STEPS
        if too_far or len(options) < len(self.variants(schema)):
            return None
        part = options[0] if options else {}
        kind = kind_of(part)
        if kind == "object":
            properties = part.get("properties", {})
            wanted = [key for key in part.get("required", ()) if key in properties]
            return {key: self.blank(properties[key], depth + 1) for key in wanted}
        return (
            self.trim(part, [], depth + 1)
            if kind == "array"
            else blank_leaf(part, kind)
        )

    def options(self, schema: Schema) -> list[Schema]:
        """What the value may be, null apart."""
        variants = self.variants(schema)
        plain = [one for one in variants if one.get("type") != "null"]
        if len(plain) == len(variants):
            return plain
        return [one | {"nullable": True} for one in plain]

    def variants(self, schema: Schema) -> list[Schema]:
        """The schema as a list of plain ones: one type each, no references."""
        schema = self.resolve(schema)
        if several := schema.get("anyOf") or schema.get("oneOf"):
            return [one for part in several for one in self.variants(part)]
        kind = schema.get("type")
        if not isinstance(kind, list):
            return [schema]
        return [narrow(schema, one) for one in kind]

    def resolve(self, schema: Schema) -> Schema:
        for _ in range(DEEPEST):
            if "$ref" not in schema:
                return schema
            schema = self.target(schema["$ref"])
        return {}

    def target(self, reference: str) -> Schema:
        found: Any = self.root
        for step in reference.removeprefix("#").split("/")[1:]:
            found = found.get(step) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}


def turn_of(schema: Schema) -> int:
    """When a property is filled: choices first, then what rests on them."""
    return 0 if "enum" in schema else 1


def kind_of(schema: Schema) -> str:
    """The type of a plain schema, said or implied."""
    implied = "object" if "properties" in schema else "string"
    return str(schema.get("type", "array" if "items" in schema else implied))


def narrow(schema: Schema, kind: str) -> Schema:
    """The schema for one of its types alone."""
    if "enum" in schema and kind != "null":
        options = [one for one in schema["enum"] if one is not None]
        return schema | {"type": kind, "enum": options}
    return {**schema, "type": kind}


def list_values(part: Schema, name: str, facts: Facts) -> list[Any]:
    """What may stand in a list of plain values."""
    for value in facts.named(name):
        if isinstance(value, list) and value:
            return value
    if "enum" in part:
        held = name_terms(facts.text)
        return [one for one in part["enum"] if name_terms(str(one)) <= held]
    return list_texts(name, facts)


def list_texts(name: str, facts: Facts) -> list[str]:
    """Values with commas between, or lines under the name, or sentences on it."""
    for value in facts.exactly(name):
        if isinstance(value, str):
            return [one.strip() for one in value.replace(";", ",").split(",")]
    if lines := find_lines(name, facts.text):
        return lines
    return facts.telling(name, of_question=is_prose(name))[:MOST_LINES]

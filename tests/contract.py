"""The API's contract: docs/openapi.yaml, and what would break whoever relies on it.

    python -m tests.contract      writes it anew, unless that breaks somebody

What may come at any time: calls, optional parameters and fields, fields of answers.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import yaml

CONTRACT = Path(__file__).resolve().parent.parent / "docs" / "openapi.yaml"
UPPER = ("maximum", "maxLength", "maxItems", "maxProperties")
LOWER = ("minimum", "minLength", "minItems", "minProperties")
Shape = dict[str, Any]


def generated() -> Shape:
    """As it is served, in plain values."""
    from drf_spectacular.generators import SchemaGenerator
    from drf_spectacular.renderers import OpenApiJsonRenderer

    made = SchemaGenerator().get_schema(request=None, public=True)
    return json.loads(OpenApiJsonRenderer().render(made, renderer_context={}))


def committed() -> Shape:
    if not CONTRACT.exists():
        return {}
    # In C, which takes a tenth of the time.
    return yaml.load(CONTRACT.read_text(), yaml.CSafeLoader)


def as_text(schema: Shape) -> str:
    return yaml.safe_dump(schema, sort_keys=False, allow_unicode=True, width=88)


def breaks(old: Shape, new: Shape) -> list[str]:
    """What somebody who goes by `old` would stumble over in `new`, in words."""
    if old.get("info", {}).get("version") != new["info"]["version"]:
        return []
    return list(_Comparison(old, new).run())


class _Comparison:
    def __init__(self, old: Shape, new: Shape) -> None:
        self.old, self.new = old, new
        self.seen: set[tuple[str, str, str]] = set()

    def run(self) -> Iterator[str]:
        for path, calls in self.old.get("paths", {}).items():
            for method, call in calls.items():
                now = self.new["paths"].get(path, {}).get(method)
                where = f"{method.upper()} {path}"
                if now is None:
                    yield f"{where} is gone"
                else:
                    yield from self.call(where, call, now)

    def call(self, where: str, was: Shape, now: Shape) -> Iterator[str]:
        before, after = self.parameters(was, self.old), self.parameters(now, self.new)
        for key in before.keys() - after.keys():
            yield f"{where}: the parameter {key[1]} is gone"
        for key, parameter in after.items():
            if key not in before:
                if parameter.get("required"):
                    yield f"{where}: the new parameter {key[1]} is required"
                continue
            place = f"{where}: {key[1]}"
            if parameter.get("required") and not before[key].get("required"):
                yield f"{place} has become required"
            yield from self.sent(place, before[key]["schema"], parameter["schema"])
        yield from self.body(where, was, now)
        for code, answer in was["responses"].items():
            if code[0] == "2":
                yield from self.answer(f"{where}: {code}", answer, now, code)

    def body(self, where: str, was: Shape, now: Shape) -> Iterator[str]:
        if "requestBody" not in now:
            if "requestBody" in was:
                yield f"{where}: its body is gone"
            return
        after = now["requestBody"]["content"]["application/json"]["schema"]
        if "requestBody" in was:
            before = was["requestBody"]["content"]["application/json"]["schema"]
            yield from self.sent(f"{where}: body", before, after)
        elif now["requestBody"].get("required"):
            yield f"{where}: it has come to need a body"

    def answer(self, where: str, was: Shape, now: Shape, code: str) -> Iterator[str]:
        if code not in now["responses"]:
            yield f"{where} is gone"
            return
        after = now["responses"][code].get("content", {})
        for kind, content in was.get("content", {}).items():
            if kind not in after:
                yield f"{where}: {kind} is gone"
            else:
                yield from self.told(where, content["schema"], after[kind]["schema"])

    def sent(self, where: str, was: Any, now: Any) -> Iterator[str]:
        """What was taken before is taken still."""
        if self.is_known("sent", was, now):
            return
        was, now = self.whole(was, self.old), self.whole(now, self.new)
        if _types(now) and not _types(was) <= _types(now):
            yield f"{where}: takes {_types(now)}, no longer {_types(was)}"
        if "enum" in now and not set(was.get("enum", ["?"])) <= set(now["enum"]):
            yield f"{where}: some of its values are gone"
        for name in UPPER:
            if name in now and now[name] < was.get(name, float("inf")):
                yield f"{where}: {name} is less"
        for name in LOWER:
            if name in now and now[name] > was.get(name, 0):
                yield f"{where}: {name} is more"
        for name in set(now.get("required", [])) - set(was.get("required", [])):
            yield f"{where}.{name} has become required"
        yield from self.inside(where, was, now, self.sent)

    def told(self, where: str, was: Any, now: Any) -> Iterator[str]:
        """What was told before is told still, in the same shape."""
        if self.is_known("told", was, now):
            return
        was, now = self.whole(was, self.old), self.whole(now, self.new)
        if _types(was) and not (_types(now) and _types(now) <= _types(was)):
            yield f"{where}: tells {_types(now)}, no longer only {_types(was)}"
        for name in set(was.get("required", [])) - set(now.get("required", [])):
            yield f"{where}.{name} may be missing"
        yield from self.inside(where, was, now, self.told)

    def inside(self, where: str, was: Any, now: Any, compare: Any) -> Iterator[str]:
        after = now.get("properties", {})
        for name, part in was.get("properties", {}).items():
            if name not in after:
                yield f"{where}.{name} is gone"
            else:
                yield from compare(f"{where}.{name}", part, after[name])
        if isinstance(was.get("items"), dict) and isinstance(now.get("items"), dict):
            yield from compare(f"{where}[]", was["items"], now["items"])

    def is_known(self, way: str, was: Any, now: Any) -> bool:
        """Shapes that are named are compared once in each direction."""
        names = (way, was.get("$ref", ""), now.get("$ref", ""))
        if not names[1] and not names[2]:
            return False
        known = names in self.seen
        self.seen.add(names)
        return known

    def parameters(self, call: Shape, of: Shape) -> dict[tuple[str, str], Shape]:
        found = [self.whole(each, of) for each in call.get("parameters", [])]
        return {(each["in"], each["name"]): each for each in found}

    def whole(self, shape: Shape, of: Shape) -> Shape:
        """The shape that a reference leads to; of one alternative, that."""
        while "$ref" in shape or len(shape.get("allOf", [])) == 1:
            shape = shape["allOf"][0] if "allOf" in shape else shape
            if "$ref" in shape:
                _, *path = shape["$ref"].split("/")
                shape = of
                for name in path:
                    shape = shape[name]
        return shape


def _types(shape: Shape) -> set[str]:
    named = shape.get("type", [])
    return {named} if isinstance(named, str) else set(named)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bgreview.settings")
    django.setup()
    new = generated()
    if found := breaks(committed(), new):
        print("This would break programs that rely on it:", *found, sep="\n  ")
        print("Take it back; or make a new version, under an address of its own.")
        sys.exit(1)
    CONTRACT.write_text(as_text(new))
    print(f"Written: {CONTRACT.name}")


if __name__ == "__main__":
    main()

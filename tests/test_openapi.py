"""The contract: as committed, kept, and with all in it that a caller must know."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import jsonschema
import pytest

from tests import contract

Shape = dict[str, Any]


@pytest.fixture(scope="module")
def schema() -> Shape:
    return contract.generated()


def calls(schema: Shape) -> Iterator[tuple[str, str, Shape]]:
    for path, methods in schema["paths"].items():
        for method, call in methods.items():
            yield path, method, call


def test_the_committed_schema_is_the_one_we_serve(schema: Shape) -> None:
    assert contract.committed() == schema, "after a change: make schema"


def test_nothing_that_programs_rely_on_has_changed(schema: Shape) -> None:
    assert contract.breaks(contract.committed(), schema) == []


# ---- what would be told as a break ----------------------------------------------

JOBS, JOB = "/api/v1/jobs/", "/api/v1/jobs/{public_id}/"
KEY = "#/components/parameters/IdempotencyKey"


def shape(schema: Shape, name: str) -> Shape:
    return schema["components"]["schemas"][name]


def parameter(schema: Shape, name: str) -> Shape:
    found = schema["paths"][JOBS]["get"]["parameters"]
    return next(each for each in found if each["name"] == name)


def require(schema: Shape, name: str) -> None:
    shape(schema, "Submission").setdefault("required", []).append(name)


BREAKS: dict[str, Callable[[Shape], object]] = {
    "a call is gone": lambda s: s["paths"].pop(f"{JOB}cancel/"),
    "a method is gone": lambda s: s["paths"][JOBS].pop("post"),
    "a filter is gone": lambda s: s["paths"][JOBS]["get"]["parameters"].pop(0),
    "a header is gone": lambda s: s["paths"][JOBS]["post"]["parameters"].remove(
        {"$ref": KEY}
    ),
    "a filter is required": lambda s: parameter(s, "text").update(required=True),
    "a new filter is required": lambda s: s["paths"][JOBS]["get"]["parameters"].append(
        {"in": "query", "name": "x", "required": True, "schema": {}}
    ),
    "a filter has other values": lambda s: parameter(s, "status")["schema"]["items"][
        "enum"
    ].remove("failed"),
    "a number is bounded": lambda s: parameter(s, "page_size")["schema"].update(
        maximum=100
    ),
    "a text is bounded": lambda s: shape(s, "Submission")["properties"]["title"].update(
        maxLength=100
    ),
    "a field is taken no longer": lambda s: shape(s, "Submission")["properties"].pop(
        "title"
    ),
    "a field is required": lambda s: require(s, "title"),
    "a new field is required": lambda s: require(s, "colour"),
    "a field takes another type": lambda s: shape(s, "Submission")["properties"][
        "title"
    ].update(type="integer"),
    "a field is told no longer": lambda s: shape(s, "JobDetail")["properties"].pop(
        "revision"
    ),
    "a field may be missing": lambda s: shape(s, "JobBrief")["required"].remove("id"),
    "a field may be null": lambda s: shape(s, "JobDetail")["properties"]["id"].update(
        type=["string", "null"]
    ),
    "a part of a field is gone": lambda s: shape(s, "JobDetail")["properties"][
        "progress"
    ]["properties"].pop("percent"),
    "another code": lambda s: s["paths"][JOBS]["post"]["responses"].update(
        {"202": s["paths"][JOBS]["post"]["responses"].pop("201")}
    ),
    "another media type": lambda s: s["paths"][JOB]["get"]["responses"]["200"].update(
        content={}
    ),
    "a body is gone": lambda s: s["paths"][JOBS]["post"].pop("requestBody"),
}
HARMLESS: dict[str, Callable[[Shape], object]] = {
    "nothing": lambda s: None,
    "a new call": lambda s: s["paths"].update({"/new/": s["paths"][JOBS]}),
    "a new filter": lambda s: s["paths"][JOBS]["get"]["parameters"].append(
        {"in": "query", "name": "x", "schema": {}}
    ),
    "a new field is taken": lambda s: shape(s, "Submission")["properties"].update(x={}),
    "a new field is told": lambda s: shape(s, "JobDetail")["properties"].update(x={}),
    "more is taken": lambda s: parameter(s, "page_size")["schema"].update(maximum=500),
    "another version": lambda s: (s["info"].update(version="2"), s["paths"].clear()),
}


@pytest.mark.parametrize("change", BREAKS.values(), ids=list(BREAKS))
def test_what_would_break_a_program_is_found(schema: Shape, change: Any) -> None:
    changed = deepcopy(schema)
    change(changed)

    assert contract.breaks(schema, changed) != []


@pytest.mark.parametrize("change", HARMLESS.values(), ids=list(HARMLESS))
def test_what_breaks_nobody_is_let_through(schema: Shape, change: Any) -> None:
    changed = deepcopy(schema)
    change(changed)

    assert contract.breaks(schema, changed) == []


# ---- what it says ---------------------------------------------------------------


def test_every_call_says_what_it_does_and_what_can_go_wrong(schema: Shape) -> None:
    for path, method, call in calls(schema):
        codes = {"400", "401", "403", "404", "406", "429", "500"}
        if method == "post":
            codes |= {"409", "410", "413", "415"}
        assert codes <= call["responses"].keys(), (method, path)
        assert call.get("description"), (method, path)


def test_every_post_takes_a_key(schema: Shape) -> None:
    posts = [call for _, method, call in calls(schema) if method == "post"]

    assert len(posts) > 15
    assert all({"$ref": KEY} in call["parameters"] for call in posts)


def test_every_request_has_an_example_that_is_one(schema: Shape) -> None:
    for path, _, call in calls(schema):
        if "requestBody" in call:
            body = call["requestBody"]["content"]["application/json"]["schema"]
            name = body["$ref"].rpartition("/")[2]
            (example,) = shape(schema, name)["examples"]
            jsonschema.validate(example, schema | body), path


def test_every_answer_has_an_example_that_is_one(schema: Shape) -> None:
    for path, method, call in calls(schema):
        for name in answered(schema, call):
            (example,) = shape(schema, name)["examples"]
            found = schema | {"$ref": f"#/components/schemas/{name}"}
            jsonschema.validate(example, found), (method, path)
            assert example.keys() == shape(schema, name)["properties"].keys(), name


def answered(schema: Shape, call: Shape) -> Iterator[str]:
    """The shapes of what it answers; of a list, those of what is listed."""
    for code, answer in call["responses"].items():
        content = answer.get("content", {}).get("application/json")
        if code.startswith("2") and content:
            said = content["schema"]
            if "$ref" in said and "Paginated" in said["$ref"]:
                listed = shape(schema, said["$ref"].rpartition("/")[2])
                said = listed["properties"]["results"]
            yield said.get("items", said)["$ref"].rpartition("/")[2]


def test_every_problem_has_an_example_that_is_one(schema: Shape) -> None:
    for answer in schema["components"]["responses"].values():
        (content,) = answer["content"].values()
        jsonschema.validate(content["example"], schema | content["schema"])


def test_links_lead_to_calls_that_are_there(schema: Shape) -> None:
    known = {call["operationId"]: call for _, _, call in calls(schema)}
    for _, _, call in calls(schema):
        for answer in call["responses"].values():
            for link in answer.get("links", {}).values():
                names = {
                    each.get("name")
                    for each in known[link["operationId"]]["parameters"]
                }
                assert link["parameters"].keys() <= names

"""What a version of a job type may say to the provider, as its form has it."""

import json

import pytest

from jobs.admin.job_type import VersionForm

GOOD = {
    "model": "gpt-5.2",
    "prompt_template": "$text",
    "completion_window": "soonest",
    "max_output_tokens": 8_000,
    "max_tries": 5,
    "on_lost": "retry",
    "in_thread": "goes_on",
    "attempt_seconds": 3_600,
    "deadline_seconds": 86_400,
}


MODERATION = {"model": "omni-moderation-latest"}
LIMITS = (
    "max_tool_calls",
    "max_output_tokens",
    "max_tries",
    "attempt_seconds",
    "deadline_seconds",
)


def errors(**said: object) -> dict[str, list[str]]:
    texts = {k: json.dumps(v) if isinstance(v, dict) else v for k, v in said.items()}
    return VersionForm(GOOD | texts).errors


def test_all_of_the_providers_options_are_taken():
    modes = {"input": {"mode": "score"}, "output": {"mode": "block"}}
    assert not errors(moderation=MODERATION | {"policy": {}})
    assert not errors(
        completion_window="2h",
        attempt_seconds=7_201,
        moderation=MODERATION | {"policy": modes},
        tools='[{"type": "web_search"}]',
        max_tool_calls=3,
        sends_safety_identifier="on",
        options={"truncation": "auto", "text": {"verbosity": "low"}},
    )


@pytest.mark.parametrize(
    ("said", "field", "words"),
    [
        ({"options": {"store": False}}, "options", "store"),
        ({"options": {"background": False, "tools": []}}, "options", "background"),
        ({"options": {"metadata": {}}}, "options", "metadata"),
        ({"moderation": {"policy": {}}}, "moderation", "moderation model"),
        ({"completion_window": "1h"}, "completion_window", "1h"),
        ({"completion_window": "2h"}, "attempt_seconds", "more than 7200"),
        (
            {"completion_window": "8h", "deadline_seconds": 28_800},
            "deadline_seconds",
            "more than 28800",
        ),
        *(({name: 0}, name, "greater than or equal to 1") for name in LIMITS),
        *(({name: -1}, name, "greater than or equal to") for name in LIMITS),
        ({"moderation": {"model": 5}}, "moderation", "moderation model"),
        ({"moderation": MODERATION | {"policy": "x"}}, "moderation", "score or block"),
        (
            {"moderation": MODERATION | {"policy": {"output": "block"}}},
            "moderation",
            "score or block",
        ),
        (
            {"moderation": MODERATION | {"policy": {"input": {"mode": ["score"]}}}},
            "moderation",
            "score or block",
        ),
        ({"tools": {"a": 1}}, "tools", "list of objects"),
        ({"tools": "[7]"}, "tools", "list of objects"),
        ({"tools": '[{"type": ""}]'}, "tools", "list of objects"),
        ({"options": {"prompt": {"id": "pmpt_1"}}}, "options", "prompt"),
        (
            {"output_schema": {"type": "object"}, "options": {"text": {}}},
            "options",
            "output schema",
        ),
    ],
)
def test_what_would_not_do_is_named(said, field, words):
    assert words in " ".join(errors(**said)[field])


@pytest.mark.parametrize("options", ["[]", "7", '"text"'])
def test_options_are_an_object(options):
    found = VersionForm(GOOD | {"options": options}).errors
    assert "object" in " ".join(found["options"])

"""Submitting by hand: the form its schema makes, and what it does with bad input."""

from typing import Any

import pytest
from django import forms
from django.contrib.auth.models import User
from django.test import Client
from django.utils.html import escape

from jobs.forms import JsonField, LinesField, SubmitForm
from jobs.models import Job, JobType
from reviews.models import Destination
from tests.house import browser, job_type, webhook
from tests.test_pages import path_to

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["question"],
    "additionalProperties": False,
    "properties": {
        "question": {"type": "string", "minLength": 10, "title": "Your question"},
        "team": {"type": "string", "maxLength": 40},
        "tone": {"type": "string", "enum": ["warm", "plain"]},
        "words": {"type": "integer", "minimum": 100},
        "share": {"type": "number"},
        "urgent": {"type": "boolean"},
        "hints": {"type": "array", "items": {"type": "string"}},
        "rows": {"type": "array", "items": {"type": "object"}},
        "maybe": {"type": ["string", "null"]},
    },
}
WHOLE = {
    "input.question": "Which teas grow\r\nabove 2,000 m?",
    "input.tone": "warm",
    "input.words": "200",
    "input.share": "0.5",
    "input.urgent": "on",
    "input.hints": "Assam\n\n Nepal ",
    "input.rows": '[{"a": 1}]',
    "title": "High teas",
    "deadline_hours": "2",
}


@pytest.fixture
def brief(db: None) -> JobType:
    return job_type("brief", input_schema=SCHEMA)


@pytest.fixture
def page(olivia: User) -> Client:
    return browser(olivia)


@pytest.fixture
def path(brief: JobType) -> str:
    return path_to("jobs_job_submit_type", brief.name)


def test_each_property_gets_a_fitting_field() -> None:
    fields = SubmitForm(SCHEMA).fields
    assert isinstance(fields["input.question"].widget, forms.Textarea)
    assert isinstance(fields["input.team"].widget, forms.TextInput)
    assert isinstance(fields["input.tone"], forms.TypedChoiceField)
    assert isinstance(fields["input.words"], forms.IntegerField)
    assert isinstance(fields["input.urgent"], forms.BooleanField)
    assert isinstance(fields["input.hints"], LinesField)
    assert isinstance(fields["input.rows"], JsonField)
    assert fields["input.question"].label == "Your question"


def test_a_good_form_becomes_a_job(page: Client, path: str, olivia: User) -> None:
    response = page.post(path, WHOLE)
    job = Job.objects.get()
    assert response.url == path_to("jobs_job_change", job.pk)
    assert job.requester == olivia
    assert job.title == "High teas"
    assert job.input == {
        "question": "Which teas grow\nabove 2,000 m?",
        "tone": "warm",
        "words": 200,
        "share": 0.5,
        "urgent": True,
        "hints": ["Assam", "Nepal"],
        "rows": [{"a": 1}],
    }
    assert (job.deadline_at - job.created_at).total_seconds() == 7_200


def test_bad_input_names_its_fields_keeps_the_text_and_stores_nothing(
    page: Client, path: str
) -> None:
    response = page.post(
        path, WHOLE | {"input.question": "Tea?", "input.words": "7", "title": "Mine"}
    )
    form = response.context["form"]
    assert response.status_code == 422
    assert form["input.question"].errors == ["This must have at least 10 characters."]
    assert form["input.words"].errors == ["This must not be less than 100."]
    html = response.content.decode()
    assert "Tea?</textarea>" in html
    assert 'value="Mine"' in html
    assert "Nepal" in html
    assert not Job.objects.exists()


def test_whom_to_tell_is_asked_for_and_stored(page: Client, path: str) -> None:
    desk = webhook("https://desk.example/hooks", name="desk")
    Destination.objects.filter(pk=desk.pk).update(takes_callbacks=True)

    page.post(path, WHOLE | {"callback_url": "https://desk.example/hooks/7"})

    assert Job.objects.get().callback_url == "https://desk.example/hooks/7"


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/hooks",
        "http://user@desk.example/hooks",
        "/hooks",
        "https://desk.example/" + "h" * 2_000,
        'x"><script>',
    ],
)
def test_an_address_that_cannot_be_told_comes_back_with_the_reason(
    page: Client, path: str, url: str
) -> None:
    desk = webhook("https://desk.example/hooks", name="desk")
    Destination.objects.filter(pk=desk.pk).update(takes_callbacks=True)

    response = page.post(path, WHOLE | {"callback_url": url})

    assert response.status_code == 422
    form = response.context["form"]
    assert form["callback_url"].errors
    assert form["callback_url"].value() == url
    assert escape(url) in response.content.decode()
    assert not Job.objects.exists()


def test_what_is_required_is_asked_for(page: Client, path: str) -> None:
    response = page.post(path, {"title": "Nothing"})
    assert response.context["form"]["input.question"].errors == [
        "This field is required."
    ]


@pytest.mark.parametrize("text", ["[{", "not json", "[NaN]", "[" * 50_000])
def test_broken_json_is_kept_and_named(page: Client, path: str, text: str) -> None:
    response = page.post(path, WHOLE | {"input.rows": text})
    assert "This is not JSON" in response.content.decode()
    assert text in response.content.decode()
    assert not Job.objects.exists()


def test_a_deeper_error_names_its_place(page: Client, path: str) -> None:
    response = page.post(path, WHOLE | {"input.rows": '["text"]'})
    assert response.context["form"]["input.rows"].errors == [
        "0: This must be of type object."
    ]


def test_an_operator_chooses_among_types_that_are_active(
    page: Client, brief: JobType
) -> None:
    job_type("retired")
    JobType.objects.filter(name="retired").update(is_active=False)
    html = page.get(path_to("jobs_job_submit")).content.decode()
    assert path_to("jobs_job_submit_type", "brief") in html
    assert path_to("jobs_job_submit_type", "retired") not in html


def test_a_reviewer_may_not_submit(ann: User, path: str) -> None:
    page = browser(ann)
    assert page.get(path).status_code == 403
    assert page.post(path, WHOLE).status_code == 403
    assert not Job.objects.exists()

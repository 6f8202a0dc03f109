"""Many jobs from a file: looked at row by row, then stored, all or nothing."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from jobs.admin.upload_file import check_rows
from jobs.models import Job, JobType
from tests.house import job_type, person
from tests.test_pages import assert_strict, browser

PAGE = "/admin/jobs/job/submit/order/upload/"
SCHEMA = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "minLength": 1},
        "count": {"type": "integer", "minimum": 1},
        "gift": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "kind": {"enum": ["new", "old"]},
        "title": {"type": "string"},
    },
    "required": ["text"],
    "additionalProperties": False,
}


@pytest.fixture
def order(db: None) -> JobType:
    return job_type("order", input_schema=SCHEMA)


@pytest.fixture
def desk(order: JobType, olivia: User) -> Client:
    """An operator's browser."""
    return browser(olivia)


def upload(desk: Client, *lines: str | bytes | dict[str, Any]) -> Any:
    """What the page says of a file with these lines."""
    raw = b"\n".join(
        line
        if isinstance(line, bytes)
        else (line if isinstance(line, str) else json.dumps(line)).encode()
        for line in lines
    )
    return desk.post(PAGE, {"file": SimpleUploadedFile("jobs", raw)})


def submit(desk: Client, looked: Any) -> Any:
    """Press the button of that page."""
    context = looked.context
    return desk.post(PAGE, {"rows": context["payload"], "key": str(context["key"])})


def inputs() -> list[Any]:
    return [job.input for job in Job.objects.order_by("pk")]


def errors(looked: Any) -> dict[int, dict[str, list[str]]]:
    assert looked.status_code == 422
    assert not Job.objects.exists()
    assert "payload" not in looked.context or not looked.context["payload"]
    return {row["number"]: dict(row["errors"]) for row in looked.context["rows"]}


# ---- what becomes of a file -----------------------------------------------------


def test_a_csv_is_looked_at_and_then_becomes_jobs(desk: Client, olivia: User) -> None:
    assert_strict(desk.get(PAGE))
    looked = upload(
        desk,
        "text,count,gift,tags,kind,title,input.title,deadline_seconds,metadata.ticket",
        'One,3,yes,"a\nb",new,First,Inner,60,4711',
        '"Two, and\nmore",,,,,,,,',
    )

    assert_strict(looked)
    assert looked.status_code == 200
    assert not Job.objects.exists()
    answer = submit(desk, looked)

    assert answer.status_code == 302
    assert inputs() == [
        {
            "text": "One",
            "count": 3,
            "gift": True,
            "tags": ["a", "b"],
            "kind": "new",
            "title": "Inner",
        },
        {"text": "Two, and\nmore"},
    ]
    first = Job.objects.earliest("pk")
    assert (first.title, first.deadline_seconds) == ("First", 60)
    assert first.metadata == {"ticket": "4711"}
    assert first.requester == olivia
    assert "2 jobs were submitted." in desk.get(answer.url).content.decode()


def test_json_lines_become_jobs(desk: Client) -> None:
    looked = upload(
        desk,
        {"input": {"text": "No"}, "title": "First", "metadata": {"a": "b"}},
        "",
        {"input": {"text": "Two", "gift": False}},
    )
    submit(desk, looked)

    assert inputs() == [{"text": "No"}, {"text": "Two", "gift": False}]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_spreadsheets_of_all_countries_are_read(desk: Client, separator: str) -> None:
    heading, cells = separator.join(["text", "count"]), separator.join(["Öl", "2"])
    submit(desk, upload(desk, b"\xef\xbb\xbf" + heading.encode(), cells, ""))

    assert inputs() == [{"text": "Öl", "count": 2}]


@pytest.mark.parametrize("said", ["No", "false", "0", "null", " padded ", "=1+1"])
def test_a_text_stays_what_it_says(desk: Client, said: str) -> None:
    submit(desk, upload(desk, "text,count", f'"{said}",1'))

    assert inputs() == [{"text": said, "count": 1}]


# ---- what is wrong with it ------------------------------------------------------


def test_errors_are_told_by_row_and_nothing_is_stored(desk: Client) -> None:
    looked = upload(
        desk,
        "text,count,gift,title",
        "Good,1,no,",
        ",1,,",
        "x,many,perhaps,",
        "x,0,," + "t" * 201,
        "x,1,no,a,b",
    )
    assert_strict(looked)
    found = errors(looked)

    assert {line: set(said) for line, said in found.items()} == {
        3: {"input.text"},
        4: {"input.count", "gift"},
        5: {"title"},
        6: {"row"},
    }
    assert "4 of 5 rows cannot be submitted" in looked.content.decode()
    assert "Submit 1 job" not in looked.content.decode()


def test_errors_of_json_lines_are_told_by_line(desk: Client) -> None:
    found = errors(
        upload(
            desk,
            {"input": {"text": "Good"}},
            '{"input": ',
            {"input": {}},
            {"title": "No input"},
            {"input": {"text": "x"}, "metadata": {"a": 1}, "thread": "user:42"},
            "[1]",
            {"input": {"text": "x"}, "title": "\0"},
        )
    )

    assert {line: set(said) for line, said in found.items()} == {
        2: {"row"},
        3: {"input.text"},
        4: {"input"},
        5: {"metadata.a", "thread"},
        6: {"row"},
        7: {"title"},
    }


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "The submitted file is empty."),
        (["text"], "There are no rows in it."),
        ([b"text", b"\xff\xfe"], "It is not UTF-8 text."),
        (["text,text", "a,b"], "Two columns have the same heading."),
        (["text,colour", "a,b"], "No field is called &#x27;colour&#x27;. Known are:"),
        (["text,thread", "a,b"], "input.title, title, attempt_"),
        (["text", *["x"] * 1_001], "It has more than 1,000 rows: split it."),
        (["text", "x" * 1_500_000], "It is too large: split it."),
        (["text", '"One', "Two"], "After line 1: unexpected end of data."),
        (["text", "x" * 200_000], "After line 1: field larger than"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    desk: Client, lines: list[Any], said: str
) -> None:
    answer = upload(desk, *lines)

    assert answer.status_code == 422
    assert said in str(answer.context["form"].errors)
    assert not Job.objects.exists()


def test_what_is_hostile_in_a_file_is_shown_and_does_nothing(desk: Client) -> None:
    page = upload(desk, {"input": {"text": "<script>alert(1)</script>"}})

    assert_strict(page)
    assert "<script>alert(1)" not in page.content.decode()


# ---- the button -----------------------------------------------------------------


def test_a_second_click_submits_nothing_more(desk: Client) -> None:
    looked = upload(desk, "text", "One")

    assert {submit(desk, looked).status_code for _ in range(2)} == {302}
    assert inputs() == [{"text": "One"}]


def test_what_fits_no_more_is_told_and_not_stored(desk: Client, order: JobType) -> None:
    looked = upload(desk, "text", "One")
    stricter = {**SCHEMA, "required": ["text", "kind"]}
    order.versions.model(
        job_type=order, model="m", prompt_template="$text", input_schema=stricter
    ).save()

    assert errors(submit(desk, looked)) == {
        1: {"input.kind": ["This field is required."]}
    }


def test_other_rows_under_a_key_are_refused_and_why_is_told(desk: Client) -> None:
    looked = upload(desk, "text", "One")
    submit(desk, looked)
    other = json.dumps({"input": {"text": "Two"}})

    answer = desk.post(PAGE, {"rows": other, "key": str(looked.context["key"])})

    assert (answer.status_code, answer.url) == (302, PAGE)
    assert "confirmed before, with other rows" in desk.get(PAGE).content.decode()
    assert inputs() == [{"text": "One"}]


def test_a_type_that_changes_in_that_moment_takes_nothing(
    desk: Client, order: JobType, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = upload(desk, "text", "One")
    stricter = {**SCHEMA, "required": ["text", "kind"]}

    def check_and_lose(*given: Any) -> Any:
        rows = check_rows(*given)
        order.versions.model(
            job_type=order, model="m", prompt_template="$text", input_schema=stricter
        ).save()
        return rows

    monkeypatch.setattr("jobs.admin.upload.check_rows", check_and_lose)
    answer = submit(desk, looked)

    assert (answer.status_code, answer.url) == (302, PAGE)
    assert "has just changed: nothing was submitted" in desk.get(PAGE).content.decode()
    assert not Job.objects.exists()


@pytest.mark.parametrize("body", [{"rows": "x"}, {"rows": "{}", "key": "1"}])
def test_what_the_page_did_not_send_is_refused(desk: Client, body: Any) -> None:
    assert desk.post(PAGE, body).status_code == 403
    assert not Job.objects.exists()


def test_without_the_right_there_is_no_page(order: JobType) -> None:
    audrey = browser(person("audrey", "Auditors"))

    assert audrey.get(PAGE).status_code == 403
    assert upload(audrey, "text", "One").status_code == 403
    assert not Job.objects.exists()


def test_a_kind_that_takes_no_jobs_has_no_page(desk: Client, order: JobType) -> None:
    JobType.objects.update(is_active=False)

    assert desk.get(PAGE).status_code == 404

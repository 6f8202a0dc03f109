"""The API of jobs: who sees and does what, lists and their pages, and every part."""

import json
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
import time_machine
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from jobs.courier import Courier
from jobs.kit.canonical import digest_of
from jobs.models import ApiToken, Attempt, Job, JobType, JobTypeVersion, Result, Thread
from jobs.sandbox.app import make_app
from jobs.sandbox.serving import serve
from jobs.services.cancel import cancel_job
from jobs.services.claim import claim_jobs
from reviews.models import Review
from reviews.services.decide import approve
from tests.house import (
    api,
    bring_to,
    job_type,
    person,
    problem,
    seen,
    submit,
    sweep_until,
)

JOBS = "/api/v1/jobs/"
READS = ["", "result/", "evidence/", "attempts/", "events/"]
VERBS = ["cancel/", "retry/", "check/"]
CALLS = [*(("get", part) for part in READS), *(("post", part) for part in VERBS)]
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def path(job: Job, part: str = "") -> str:
    return f"{JOBS}{job.public_id}/{part}"


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def id_of(job: Job) -> str:
    return str(job.public_id)


@pytest.fixture
def job(note: JobType, shop: User) -> Job:
    """A queued job of the shop's."""
    return submit(shop)


@pytest.fixture
def program(shop: User) -> APIClient:
    return api(shop)


@pytest.fixture
def operator(olivia: User) -> APIClient:
    return api(olivia)


# ---- who comes in ---------------------------------------------------------------

NOT_A_KEY = {
    "nothing": lambda token: "",
    "the word alone": lambda token: "Token",
    "another scheme": lambda token: f"Bearer {token}",
    "a password": lambda token: "Basic " + b64encode(b"shop:shop").decode(),
    "no token": lambda token: "Token open-sesame",
    "an empty token": lambda token: 'Token ""',
    "two tokens": lambda token: f"Token {token} {token}",
    "half of one": lambda token: f"Token {token[:32]}",
    "its beginning with another end": lambda token: f"Token {token[:-8]}00000000",
    "bytes that are no text": lambda token: "Token \xff\xfe",
    "a very long one": lambda token: "Token " + "f" * 8_000,
}


@pytest.mark.parametrize("shown", NOT_A_KEY.values(), ids=list(NOT_A_KEY))
def test_without_a_right_token_nobody_comes_in(
    job: Job, shop: User, shown: Callable[[str], str]
) -> None:
    _, token = ApiToken.objects.create(user=shop)
    client = APIClient()
    right = client.get(JOBS, HTTP_AUTHORIZATION=f"Token {token}")
    assert right.status_code == 200

    answer = client.get(JOBS, HTTP_AUTHORIZATION=shown(token))

    problem(answer, 401)
    assert answer["WWW-Authenticate"] == "Token"


def test_an_expired_token_is_refused_and_gone(job: Job, shop: User) -> None:
    program = api(shop)
    with time_machine.travel(timezone.now() + timedelta(days=366), tick=False):
        problem(program.get(JOBS), 401)

    assert not ApiToken.objects.exists()


def test_a_user_who_was_switched_off_is_refused(program: APIClient, shop: User) -> None:
    User.objects.filter(pk=shop.pk).update(is_active=False)

    problem(program.get(JOBS), 401)


def test_a_session_of_the_admin_is_no_key(job: Job, olivia: User) -> None:
    browser = APIClient()
    browser.force_login(olivia)

    problem(browser.get(JOBS), 401)
    problem(browser.post(path(job, "cancel/")), 401)


def test_every_part_of_a_job_asks_for_a_token(job: Job) -> None:
    for method, part in CALLS:
        problem(getattr(APIClient(), method)(path(job, part)), 401)


@pytest.mark.parametrize("address", [JOBS, "/api/v1/job-types/"])
def test_lists_and_submitting_ask_for_a_token(db: None, address: str) -> None:
    problem(APIClient().get(address), 401)
    problem(APIClient().post(JOBS, {}, format="json"), 401)


@pytest.mark.parametrize(
    ("before", "after", "noted"),
    [
        (None, NOON, True),
        (NOON, NOON + timedelta(seconds=60), False),
        (NOON, NOON + timedelta(seconds=61), True),
    ],
    ids=["the first time", "within a minute", "after a minute"],
)
def test_the_last_use_of_a_token_is_noted_once_a_minute(
    program: APIClient, before: datetime | None, after: datetime, noted: bool
) -> None:
    ApiToken.objects.update(last_used_at=before, expiry=None)

    with time_machine.travel(after, tick=False):
        assert program.get(JOBS).status_code == 200

    assert ApiToken.objects.get().last_used_at == (after if noted else before)


# ---- who may what ---------------------------------------------------------------


def test_a_job_of_another_is_as_if_it_were_not_there(job: Job) -> None:
    mill = api(person("mill", "Integrations"))

    for method, part in CALLS:
        call = getattr(mill, method)
        nowhere = call(f"{JOBS}{uuid4()}/{part}")
        assert problem(call(path(job, part)), 404) == problem(nowhere, 404)
    assert Job.objects.get().status == "queued"


def test_a_program_lists_its_own_jobs_and_no_others(
    job: Job, program: APIClient
) -> None:
    mill = person("mill", "Integrations")
    theirs = submit(mill)

    assert ids(program.get(JOBS)) == [id_of(job)]
    assert ids(api(mill).get(JOBS)) == [id_of(theirs)]


@pytest.mark.parametrize("group", ["Operators", "Reviewers", "Managers", "Auditors"])
def test_staff_see_every_job(job: Job, group: str) -> None:
    staff = api(person("sam", group))

    assert ids(staff.get(JOBS)) == [id_of(job)]
    for part in ("", "evidence/", "attempts/", "events/"):
        assert staff.get(path(job, part)).status_code == 200


MAY = {  # who may submit, cancel, retry and have checked, of what they see
    "Operators": ["submit", "cancel/", "retry/", "check/"],
    "Reviewers": [],
    "Managers": ["submit", "cancel/"],
    "Auditors": [],
    "Integrations": ["submit", "cancel/"],
    "nobody's": [],
}


@pytest.mark.parametrize("group", MAY)
def test_each_group_does_what_it_may_and_no_more(note: JobType, group: str) -> None:
    sam = person("sam", group)
    boss = person("boss", is_superuser=True)
    staff = api(sam)

    for verb in ["submit", *VERBS]:
        job = submit(boss)
        Job.objects.filter(pk=job.pk).update(requester=sam)
        if verb == "retry/":
            cancel_job(job, by=boss)
        was = Job.objects.get(pk=job.pk)
        if verb == "submit":
            answer = staff.post(JOBS, {"type": "note", "input": {"text": "Hello"}})
        else:
            answer = staff.post(path(job, verb))
        if verb in MAY[group]:
            assert answer.status_code == (201 if verb == "submit" else 200), verb
        else:
            assert "sam lacks the right jobs." in problem(answer, 403)["detail"]
            now = Job.objects.get(pk=job.pk)
            assert (now.status, now.wake_at) == (was.status, was.wake_at)


# ---- lists ----------------------------------------------------------------------


@pytest.fixture
def seven(note: JobType, shop: User) -> list[str]:
    """The ids of seven jobs, newest first."""
    return [id_of(submit(shop)) for _ in range(7)][::-1]


def pages(program: APIClient, **query: Any) -> list[list[str]]:
    """Every page, following what each names as its next."""
    address, found = f"{JOBS}?{urlencode(query)}", []
    while address:
        answer = program.get(address)
        found.append(ids(answer))
        address = answer.json()["next"]
        assert len(found) < 20, "it does not end"
    return found


def test_the_newest_job_comes_first(program: APIClient, seven: list[str]) -> None:
    assert ids(program.get(JOBS)) == seven


@pytest.mark.parametrize("size", [1, 3, 7, 8])
def test_pages_show_each_job_once(
    program: APIClient, seven: list[str], size: int
) -> None:
    found = pages(program, page_size=size)

    assert found == [seven[at : at + size] for at in range(0, 7, size)]


def test_pages_show_each_job_once_that_came_in_one_moment(
    program: APIClient, seven: list[str]
) -> None:
    Job.objects.update(created_at=NOON)

    assert list(chain(*pages(program, page_size=3))) == seven


def test_pages_stand_still_while_jobs_arrive(
    program: APIClient, shop: User, seven: list[str]
) -> None:
    first = program.get(JOBS, {"page_size": 3})
    submit(shop)
    second = program.get(first.json()["next"])
    submit(shop)
    third = program.get(second.json()["next"])

    assert [*ids(first), *ids(second), *ids(third)] == seven
    assert ids(program.get(third.json()["previous"])) == ids(second)


@pytest.mark.parametrize(("asked", "given"), [(None, 50), ("200", 200), ("0051", 51)])
def test_a_page_has_fifty_jobs_and_at_most_two_hundred(
    program: APIClient, job: Job, asked: str | None, given: int
) -> None:
    copies = [
        Job(
            version_id=job.version_id,
            requester_id=job.requester_id,
            created_at=NOON,
            deadline_at=NOON,
            wake_at=NOON,
        )
        for _ in range(200)
    ]
    Job.objects.bulk_create(copies)

    assert len(ids(program.get(JOBS, {"page_size": asked} if asked else {}))) == given


@pytest.mark.parametrize("size", ["0", "-1", "x", "1.5", "201", "9" * 50, "٣"])
def test_a_page_size_that_is_none_is_refused(program: APIClient, size: str) -> None:
    said = problem(program.get(JOBS, {"page_size": size}), 400)

    assert said["errors"].keys() == {"page_size"}


def test_a_parameter_without_a_value_is_refused(program: APIClient) -> None:
    said = problem(program.get(JOBS, {"page_size": ""}), 400)

    assert said["errors"] == {"page_size": ["Give it a value, or leave it out."]}


@pytest.mark.both_databases
def test_a_list_is_narrowed_by_status_type_and_time(
    program: APIClient, shop: User, note: JobType
) -> None:
    job_type("letter")
    old, letter = submit(shop, title="Old hat"), submit(shop, of="letter")
    gone = submit(shop)
    thread = Thread.objects.create(key="user:42/topic:hats", owner=shop)
    Job.objects.filter(pk=old.pk).update(created_at=NOON, thread=thread)
    cancel_job(gone, by=shop)
    Job.objects.filter(pk=gone.pk).update(
        finished_at=NOON, failure_class="policy", failure_message="Not so 100%."
    )
    all_three = [id_of(job) for job in (gone, letter, old)]

    for query, found in [
        ({"status": "queued"}, all_three[1:]),
        ({"status": ["queued", "cancelled"]}, all_three),
        ({"status": "running"}, []),
        ({"type": "letter"}, all_three[1:2]),
        ({"type": "letters"}, []),
        ({"created_before": "2026-05-01T12:00:00Z"}, all_three[2:]),
        ({"created_before": "2026-05-01T13:59:59+02:00"}, []),
        ({"created_after": "2026-05-01T12:00:00.000001Z"}, all_three[:2]),
        ({"created_before": "2026-04-30T19:01:00-16:59"}, all_three[2:]),
        ({"status": "queued", "type": "note"}, all_three[2:]),
        ({"requester": "shop"}, all_three),
        ({"requester": "mill"}, []),
        ({"thread": "user:42/topic:hats"}, all_three[2:]),
        ({"thread": "user:42"}, []),
        ({"failure_class": ["policy", "timeout"]}, all_three[:1]),
        ({"text": "old h"}, all_three[2:]),
        ({"text": "100%"}, all_three[:1]),
        ({"text": "1%0"}, []),
        ({"finished_after": "2026-05-01T12:00:00Z"}, all_three[:1]),
        ({"finished_before": "2026-05-01T12:00:00Z"}, all_three[:1]),
        ({"finished_before": "2026-05-01T11:59:59Z"}, []),
    ]:
        assert ids(program.get(JOBS, query)) == found, query


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "finished"}, "status"),
        ({"status": ["queued", "finished"]}, "status"),
        ({"status": "\0"}, "status"),
        ({"type": "a\0"}, "type"),
        ({"created_after": "yesterday"}, "created_after"),
        ({"created_after": "2026-02-30T00:00:00Z"}, "created_after"),
        ({"created_before": "99999-01-01T00:00:00Z"}, "created_before"),
        ({"created_before": "0001-01-01T00:00:00+14:00"}, "created_before"),
        ({"created_after": "9999-12-31T23:59:59-14:00"}, "created_after"),
        ({"finished_after": "soon"}, "finished_after"),
        ({"failure_class": "bad luck"}, "failure_class"),
        ({"text": "x" * 201}, "text"),
        ({"requester": "a\0"}, "requester"),
        ({"state": "queued"}, "state"),
        ({"Status": "queued", "limit": "5"}, "Status limit"),
    ],
)
def test_a_bad_filter_is_named(
    program: APIClient, job: Job, query: dict[str, Any], field: str
) -> None:
    assert problem(program.get(JOBS, query), 400)["errors"].keys() == {*field.split()}


CURSORS = [
    "nonsense",
    "\xe9\u20ac",
    *(
        b64encode(inside).decode()
        for inside in [
            b"o=x",
            b"o=-1",
            b"r=x",
            b"p=",
            b"p=%00",
            b"p=%ff",
            b"p=yesterday",
            b"p=1",
            b"p=2026-05-01",
            b"p=2026-05-01 12:00:00",
            b"p=0001-01-01 00:00:00%2B14:00",
            b"p=99999-01-01 00:00:00%2B00:00",
            b"\xff\xfe",
        ]
    ),
]


def test_a_cursor_from_far_west_is_a_time_like_any_other(
    program: APIClient, job: Job
) -> None:
    far = b64encode(b"p=9000-01-01 00:00:00-16:59").decode()

    assert ids(program.get(JOBS, {"cursor": far})) == [id_of(job)]


def test_a_cursor_of_ones_own_making_leads_nowhere(
    program: APIClient, job: Job
) -> None:
    answers = {c: program.get(JOBS, {"cursor": c}) for c in CURSORS}

    assert {c: answer.status_code for c, answer in answers.items()} == dict.fromkeys(
        CURSORS, 404
    )
    for answer in answers.values():
        problem(answer, 404)


# ---- whether it is still as it was ----------------------------------------------


def test_what_has_not_changed_is_not_sent_again(job: Job, program: APIClient) -> None:
    first = program.get(path(job))

    again = program.get(path(job), HTTP_IF_NONE_MATCH=first["ETag"])

    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == first["ETag"]


@pytest.mark.parametrize(
    "change",
    [
        lambda job, by: cancel_job(job, by=by),
        lambda job, by: claim_jobs(1),
        lambda job, by: Job.objects.update(wake_at=NOON),
        lambda job, by: JobType.objects.update(name="notes"),
    ],
    ids=["a move", "an attempt", "its next check", "the name of its type"],
)
def test_whatever_changes_in_it_changes_its_tag(
    job: Job, shop: User, program: APIClient, change: Any
) -> None:
    first = program.get(path(job))
    change(job, shop)

    again = program.get(path(job), HTTP_IF_NONE_MATCH=first["ETag"])

    assert again.status_code == 200
    assert again.json() != first.json()
    assert again["ETag"] != first["ETag"]


# ---- a job, while it waits and runs ---------------------------------------------

BRIEF = {
    "id",
    "status",
    "type",
    "type_version",
    "title",
    "thread",
    "requester",
    "created_at",
    "started_at",
    "finished_at",
    "revision",
    "links",
}
DETAIL = BRIEF | {
    "input",
    "metadata",
    "deadline_at",
    "deadline_seconds",
    "attempt_seconds",
    "callback_url",
    "cost",
    "legal_hold",
    "erased_at",
    "progress",
    "attempt",
    "failure",
    "next_action",
    "waiting",
    "explanation",
}


def test_a_list_shows_the_brief_and_an_address_the_detail(
    job: Job, program: APIClient
) -> None:
    (brief,) = program.get(JOBS).json()["results"]
    detail = program.get(path(job)).json()

    assert brief.keys() == BRIEF
    assert detail.keys() == DETAIL
    assert {name: detail[name] for name in BRIEF} == brief


def test_times_are_in_utc(job: Job, program: APIClient) -> None:
    Job.objects.update(created_at=NOON)

    assert program.get(path(job)).json()["created_at"] == "2026-05-01T12:00:00Z"


def test_a_queued_job_waits_for_its_start(job: Job, program: APIClient) -> None:
    said = program.get(path(job)).json()

    assert said["progress"] == {"percent": None, "basis": "status", "note": ""}
    assert said["next_action"] == {"what": "start", "who": "system"}
    assert said["waiting"] == {
        "for": "the start",
        "since": said["created_at"],
        "by": said["deadline_at"],
        "next_check_at": said["created_at"],
    }
    assert (said["attempt"], said["failure"], said["finished_at"]) == (None,) * 3
    assert said["explanation"] == "Waits to be started at the provider."


SLOW = "Say hello. [sandbox:slow]"


def test_how_far_a_first_job_is_is_unknown_and_not_zero(
    note: JobType, shop: User, program: APIClient, courier: Courier
) -> None:
    job = bring_to("running", submit(shop, SLOW), courier)
    Job.objects.update(steps=0)

    said = program.get(path(job)).json()

    assert said["progress"]["percent"] is None
    assert said["progress"]["basis"] == "unknown"
    begun = {"number": 1, "reason": "first", "retries": 0, "revisions": 0}
    assert said["attempt"] == begun
    assert said["next_action"] == {"what": "answer", "who": "provider"}
    assert said["waiting"]["for"] == "the provider"
    assert said["waiting"]["since"] == said["started_at"]
    assert said["waiting"]["next_check_at"]
    assert said["explanation"].startswith("Runs at the provider since")


def test_steps_are_told_as_they_are_seen(
    shop: User, program: APIClient, settings: Any
) -> None:
    job_type(tools=[{"type": "web_search"}])
    job = submit(shop)
    clock = [1_800_000_000.0]  # the provider's: as slow as we need it

    def a_second_later() -> bool:
        clock[0] += 1
        return Job.objects.get().steps > 0

    with serve(make_app(clock=lambda: clock[0])) as slow:
        settings.OPENAI_BASE_URL = slow.base_url
        with Courier() as courier:
            sweep_until(courier, a_second_later)

    said = program.get(path(job)).json()

    steps = Job.objects.get().steps
    assert (said["status"], said["progress"]["percent"]) == ("running", None)
    assert said["progress"]["basis"] == "steps"
    assert said["progress"]["note"].startswith(f"{steps} step")


def test_a_later_job_is_measured_by_the_usual_duration_and_never_done_too_soon(
    note: JobType, shop: User, program: APIClient, courier: Courier
) -> None:
    bring_to("awaiting_review", submit(shop), courier)
    job = bring_to("running", submit(shop, SLOW), courier)

    soon = program.get(path(job)).json()["progress"]
    with time_machine.travel(timezone.now() + timedelta(days=1), tick=False):
        late = program.get(path(job)).json()["progress"]

    assert (soon["basis"], late["basis"]) == ("usual duration",) * 2
    assert 1 <= soon["percent"] <= late["percent"] == 95
    assert soon["note"].startswith("usually takes ")


def test_a_failed_job_says_why_and_who_looks_at_it(
    note: JobType, shop: User, program: APIClient, courier: Courier
) -> None:
    job = bring_to("failed", submit(shop, "Hello. [sandbox:bad-input]"), courier)

    said = program.get(path(job)).json()

    assert said["failure"]["class"] == "malformed_input"
    assert said["failure"]["message"]
    assert said["failure"]["message"] in said["explanation"]
    assert said["next_action"] == {"what": "inspect or retry", "who": "operators"}
    assert (said["waiting"], said["progress"]["percent"]) == (None, None)
    assert said["finished_at"]


# ---- a job, once it is answered -------------------------------------------------


@pytest.fixture
def cited(shop: User, courier: Courier) -> Job:
    """A job awaiting review, with evidence and citations."""
    source = {"title": "Log", "url": "https://log.example/", "text": TEXT}
    job_type(tools=[{"type": "web_search"}])
    asked = f"Question: What did the ferry save?\n\nSources:\n{json.dumps([source])}"
    return bring_to("awaiting_review", submit(shop, asked), courier)


TEXT = "The ferry saved 38 % of its fuel in 2024. Its crew of nine stayed aboard."


def approve_it(job: Job, by: User) -> None:
    review = Review.objects.get(job=job)
    approve(review, by=by, seen=seen(review))


def test_an_answered_job_waits_for_a_reviewer(
    job_awaiting_review: Job, program: APIClient
) -> None:
    said = program.get(path(job_awaiting_review)).json()

    assert said["status"] == "awaiting_review"
    assert said["progress"]["percent"] == 100
    assert said["next_action"] == {"what": "decide", "who": "reviewers"}
    assert said["waiting"]["for"] == "a decision"
    assert said["waiting"]["since"] < said["waiting"]["by"]


def test_before_approval_no_part_lets_the_content_through_to_its_requester(
    cited: Job, program: APIClient
) -> None:
    for part in ["result/", "evidence/"]:
        said = problem(program.get(path(cited, part)), 403)
        assert said["detail"] == "shop lacks the right jobs.view_unapproved."

    lines = [line for line in cited.latest_result.content.splitlines() if line]
    for part in ["", "attempts/", "events/"]:
        said = program.get(path(cited, part)).content.decode()
        assert not [line for line in lines if line in said]


def test_who_may_see_it_unapproved_is_told_that_it_is(
    cited: Job, operator: APIClient
) -> None:
    said = operator.get(path(cited, "result/")).json()

    result = cited.latest_result
    assert said.keys() == {
        "version",
        "approved",
        "author",
        "edited_from",
        "content",
        "content_sha256",
        "flags",
        "citations",
        "created_at",
    }
    assert (said["version"], said["approved"], said["flags"]) == (1, False, [])
    assert said["content"] == result.content
    assert said["content_sha256"] == digest_of(said["content"])


def test_citations_come_in_order_with_their_source(
    cited: Job, operator: APIClient
) -> None:
    said = operator.get(path(cited, "result/")).json()

    assert [c["position"] for c in said["citations"]] == sorted(
        c["position"] for c in said["citations"]
    )
    first = said["citations"][0]
    assert first["url"] == "https://log.example/"
    assert first["title"] == "Log"
    assert 0 <= first["start"] < first["end"] <= len(said["content"])
    assert first["quote"] in said["content"]


def test_evidence_comes_step_by_step(cited: Job, operator: APIClient) -> None:
    said = operator.get(path(cited, "evidence/")).json()

    assert {row["attempt"] for row in said} == {1}
    assert [row["position"] for row in said] == list(range(1, len(said) + 1))
    assert "web_search" in {row["kind"] for row in said}
    assert said[-1]["kind"] == "message"


def test_after_approval_its_requester_reads_it_marked_so(
    cited: Job, program: APIClient, ann: User
) -> None:
    approve_it(cited, ann)

    result = program.get(path(cited, "result/")).json()
    assert result["approved"] is True
    assert result["content"] == cited.latest_result.content
    assert program.get(path(cited, "evidence/")).json()
    said = program.get(path(cited)).json()
    assert (said["status"], said["progress"]["percent"]) == ("approved", 100)
    assert (said["next_action"], said["waiting"]) == (None, None)


def test_what_came_after_the_approved_version_stays_closed(
    job_awaiting_review: Job, program: APIClient, ann: User
) -> None:
    approve_it(job_awaiting_review, ann)
    approved = job_awaiting_review.latest_result
    edit = Result(job=approved.job, number=2, parent=approved, author=ann)
    edit.created_at = approved.created_at
    edit.set_content("Not for you yet.")
    edit.save()

    said = program.get(path(job_awaiting_review, "result/")).json()

    assert (said["version"], said["approved"]) == (1, True)
    assert said["content"] == approved.content


def test_the_approval_of_one_job_opens_no_other(
    job_awaiting_review: Job,
    shop: User,
    ann: User,
    program: APIClient,
    courier: Courier,
) -> None:
    twin = bring_to("awaiting_review", submit(shop), courier)
    assert twin.latest_result.body == job_awaiting_review.latest_result.body
    approve_it(twin, ann)

    problem(program.get(path(job_awaiting_review, "result/")), 403)


def test_without_a_result_there_is_none_to_read(job: Job, operator: APIClient) -> None:
    said = problem(operator.get(path(job, "result/")), 404)

    assert "queued" in said["detail"]
    assert operator.get(path(job, "evidence/")).json() == []


def test_every_run_is_told(
    note: JobType, shop: User, program: APIClient, courier: Courier
) -> None:
    job = bring_to("awaiting_review", submit(shop, "Hi. [sandbox:flaky]"), courier)

    failed, good = program.get(path(job, "attempts/")).json()

    told = [(row["number"], row["reason"]) for row in (failed, good)]
    assert told == [(1, "first"), (2, "retry")]
    assert (failed["failure_class"], good["failure_class"]) == ("transient", "")
    assert failed["failure_message"]
    assert failed["response_id"] != good["response_id"]
    assert failed["ended_at"] < good["ended_at"]
    assert good["total_tokens"] == good["input_tokens"] + good["output_tokens"]


def test_history_is_told_from_the_first_line_on(
    job_awaiting_review: Job, program: APIClient
) -> None:
    note = {"note": "Not needed any more."}
    program.post(path(job_awaiting_review, "cancel/"), note)

    said = program.get(path(job_awaiting_review, "events/")).json()

    assert [row["seq"] for row in said] == list(range(1, len(said) + 1))
    moves = [(row["was"], row["became"]) for row in said if row["kind"] == "status"]
    assert [was for was, _ in moves] == ["", *(became for _, became in moves[:-1])]
    last = said[-1]
    assert (last["actor"], last["became"]) == ("shop", "cancelled")
    assert last["note"] == "Not needed any more."
    assert len({row["digest"] for row in said}) == len(said)


# ---- the verbs ------------------------------------------------------------------


def test_cancelling_ends_the_job_at_once_and_says_who_and_why(
    job: Job, program: APIClient
) -> None:
    answer = program.post(path(job, "cancel/"), {"note": "Asked twice."})

    said = answer.json()
    assert (answer.status_code, said["status"]) == (200, "cancelled")
    assert said["explanation"] == "Cancelled by shop. Asked twice."
    assert said["revision"] == 1
    assert said == program.get(path(job)).json()


def test_retrying_queues_it_anew_and_says_so(
    job: Job, program: APIClient, operator: APIClient
) -> None:
    program.post(path(job, "cancel/"))

    answer = operator.post(path(job, "retry/"), {"note": "After all."})

    said = answer.json()
    assert (answer.status_code, said["status"]) == (200, "queued")
    assert (said["finished_at"], said["failure"]) == (None, None)
    last = program.get(path(job, "events/")).json()[-1]
    assert (last["actor"], last["note"]) == ("olivia", "After all.")


def test_checking_makes_the_job_due_and_nothing_else(
    job: Job, operator: APIClient
) -> None:
    in_a_day = timezone.now() + timedelta(days=1)
    Job.objects.update(wake_at=in_a_day)

    answer = operator.post(path(job, "check/"))

    assert (answer.status_code, answer.json()["status"]) == (200, "queued")
    assert Job.objects.get().wake_at < in_a_day
    assert len(operator.get(path(job, "events/")).json()) == 1


def test_checking_while_its_start_is_under_way_starts_it_no_second_time(
    job: Job, operator: APIClient
) -> None:
    assert claim_jobs(1)  # by a sweep that now waits for the provider's answer
    assert operator.post(path(job, "check/")).status_code == 200

    assert claim_jobs(1) == []
    assert [a.ended_at for a in Attempt.objects.all()] == [None]


@pytest.mark.parametrize(
    ("status", "verb"),
    [
        ("cancelled", "cancel/"),
        ("cancelled", "check/"),
        ("queued", "retry/"),
    ],
)
def test_a_verb_that_does_not_fit_is_answered_with_the_status(
    job: Job, shop: User, operator: APIClient, status: str, verb: str
) -> None:
    if status == "cancelled":
        cancel_job(job, by=shop)
    lines = job.events.count()

    said = problem(operator.post(path(job, verb)), 409)

    assert f" is {status}:" in said["detail"]
    assert (Job.objects.get().status, job.events.count()) == (status, lines)


@pytest.mark.parametrize("status", ["running", "awaiting_review", "approved"])
def test_what_neither_failed_nor_was_ended_is_not_retried(
    note: JobType, shop: User, ann: User, operator: APIClient, courier: Courier, status
) -> None:
    text = SLOW if status == "running" else "Say hello."
    first = "running" if status == "running" else "awaiting_review"
    job = bring_to(first, submit(shop, text), courier)
    if status == "approved":
        approve_it(job, ann)

    said = problem(operator.post(path(job, "retry/")), 409)

    assert f" is {status}:" in said["detail"]
    assert Job.objects.get().status == status


def test_what_is_answered_is_not_asked_about(
    job_awaiting_review: Job, operator: APIClient
) -> None:
    said = problem(operator.post(path(job_awaiting_review, "check/")), 409)

    assert " is awaiting_review:" in said["detail"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"notes": "x"}, {"notes"}),
        ({"note": 7}, {"note"}),
        ({"note": None}, {"note"}),
        ({"note": "x" * 2_001}, {"note"}),
        ({"note": "a\0"}, {"note"}),
        ({"note": "\ud800"}, {"note"}),
        (["note"], {"non_field_errors"}),
    ],
)
def test_a_bad_note_is_named_and_changes_nothing(
    job: Job, operator: APIClient, body: Any, fields: set[str]
) -> None:
    sent = json.dumps(body)

    for verb in ["cancel/", "retry/"]:
        answer = operator.generic("POST", path(job, verb), sent, "application/json")
        assert problem(answer, 400)["errors"].keys() == fields
    assert Job.objects.get().status == "queued"


# ---- kinds of job ---------------------------------------------------------------


def test_kinds_of_job_are_told_with_the_input_they_take_now(
    note: JobType, program: APIClient
) -> None:
    newer = {"type": "object", "properties": {"text": {"maxLength": 5}}}
    JobTypeVersion(job_type=note, model="m", input_schema=newer).save()
    JobType.objects.create(name="unfinished", title="Unfinished")
    job_type("retired")
    JobType.objects.filter(name="retired").update(is_active=False)

    said = program.get("/api/v1/job-types/").json()

    assert said == [
        {
            "name": "note",
            "title": "Note",
            "description": "",
            "version": 2,
            "input_schema": newer,
            "output_schema": None,
        }
    ]
    assert program.get("/api/v1/job-types/note/").json() == said[0]
    for name in ("retired", "unfinished", "unheard-of"):
        problem(program.get(f"/api/v1/job-types/{name}/"), 404)


# ---- what it costs --------------------------------------------------------------


def test_lists_ask_the_same_few_questions_however_long(
    program: APIClient, shop: User, note: JobType, django_assert_max_num_queries: Any
) -> None:
    for n in range(20):
        submit(shop, of=job_type(f"kind-{n}").name)
    program.get(JOBS)  # notes the last use

    with django_assert_max_num_queries(5):
        assert len(ids(program.get(JOBS))) == 20
    with django_assert_max_num_queries(3):
        assert len(program.get("/api/v1/job-types/").json()) == 21


def test_a_job_and_its_parts_ask_few_questions(
    cited: Job, operator: APIClient, django_assert_max_num_queries: Any
) -> None:
    operator.get(JOBS)

    for part, most in [
        ("", 8),
        ("result/", 8),
        ("evidence/", 6),
        ("attempts/", 7),
        ("events/", 6),
    ]:
        with django_assert_max_num_queries(most):
            assert operator.get(path(cited, part)).status_code == 200


# ---- addresses and methods ------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "/api",
        "/api/",
        "/api/v1",
        "/api/v1/",
        "/api/v1/jobs",
        "/api/v1/jobs/7/",
        "/api/v1/jobs/not-an-id/",
        "/api/v1/jobs/not-an-id/cancel/",
        "/api/v2/jobs/",
        "/api/docs",
        "/api/%00<script>",
    ],
)
def test_an_address_that_leads_nowhere_is_a_problem(
    program: APIClient, address: str
) -> None:
    for method in ["get", "post", "put", "patch", "delete", "options"]:
        problem(getattr(program, method)(address), 404)


@pytest.mark.parametrize(
    ("method", "part", "allowed"),
    [
        ("put", None, {"GET", "POST"}),
        ("patch", None, {"GET", "POST"}),
        ("delete", None, {"GET", "POST"}),
        ("trace", None, {"GET", "POST"}),
        ("post", "", {"GET"}),
        ("put", "", {"GET"}),
        ("delete", "", {"GET"}),
        ("post", "result/", {"GET"}),
        ("delete", "events/", {"GET"}),
        ("get", "cancel/", {"POST"}),
        ("head", "cancel/", {"POST"}),
        ("get", "retry/", {"POST"}),
        ("put", "check/", {"POST"}),
    ],
)
def test_a_method_that_is_not_there_is_a_problem_and_does_nothing(
    job: Job, operator: APIClient, method: str, part: str | None, allowed: set[str]
) -> None:
    answer = operator.generic(method.upper(), JOBS if part is None else path(job, part))

    assert answer.status_code == 405
    assert answer["Content-Type"] == "application/problem+json"
    if method != "head":
        problem(answer, 405)
    given = {name.strip() for name in answer["Allow"].split(",")}
    assert given - {"HEAD", "OPTIONS"} == allowed
    assert Job.objects.get().status == "queued"


@pytest.mark.parametrize("wanted", ["text/html", "application/xml", "nonsense"])
@pytest.mark.parametrize("address", [JOBS, "/api/schema/"])
def test_what_cannot_be_told_so_is_a_problem(
    program: APIClient, address: str, wanted: str
) -> None:
    problem(program.get(address, HTTP_ACCEPT=wanted), 406)


@pytest.mark.parametrize("address", ["/api/schema/", "/api/docs/"])
def test_pages_about_the_api_have_problems_too(
    program: APIClient, address: str
) -> None:
    problem(program.post(address, {}), 405)


@pytest.mark.parametrize("part", READS[:1] + READS[3:])
def test_head_tells_what_get_would_and_no_more(
    job: Job, program: APIClient, part: str
) -> None:
    answer = program.head(path(job, part))

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer["Content-Type"] == "application/json"


@pytest.mark.parametrize("part", ["", "result/", "cancel/"])
def test_options_tell_the_methods_and_do_nothing(
    job: Job, program: APIClient, part: str
) -> None:
    answer = program.options(path(job, part))

    assert answer.status_code == 200
    assert ("POST" if part == "cancel/" else "GET") in answer["Allow"]
    assert Job.objects.get().status == "queued"


def test_a_fault_of_ours_is_told_without_its_details(
    program: APIClient, note: JobType, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def break_off(**kwargs: Any) -> None:
        raise RuntimeError("the wine cellar is flooded")

    monkeypatch.setattr("jobs.api.views.submit_job", break_off)

    answer = program.post(JOBS, {"type": "note", "input": {"text": "Hello"}})

    assert "cellar" not in str(problem(answer, 500))
    assert "the wine cellar is flooded" in caplog.text

"""The front door: health, checks, groups, commands, the schema, and no secret told."""

import logging
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import jsonschema
import pytest
import time_machine
from django.conf import settings as real_settings
from django.contrib.auth.models import Group, User
from django.contrib.staticfiles import finders
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from pytest_httpserver import HTTPServer
from rest_framework.test import APIClient

from bgreview.groups import GROUPS
from jobs.courier import Courier
from jobs.models import ApiToken, EventNote, Job, JobEvent, JobType, Pause, Sweep
from jobs.sandbox.serving import Served
from jobs.services.cancel import cancel_job
from reviews.models import Review
from reviews.services.decide import approve
from tests.house import (
    SECRET,
    api,
    bring_to,
    job_type,
    person,
    seen,
    send_due,
    submit,
    sweep_until,
    webhook,
)

JOBS = "/api/v1/jobs/"
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


# ---- alive, ready, at work ------------------------------------------------------


def test_alive_is_told_without_a_database(client: Client) -> None:
    answer = client.get("/healthz")  # the database is closed to this test

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_ready_with_every_migration(client: Client, db: None) -> None:
    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("app", ["jobs", "reviews"])
def test_not_ready_while_a_migration_is_missing(
    client: Client, db: None, app: str
) -> None:
    recorder = MigrationRecorder(connection)
    applied = [name for found, name in recorder.applied_migrations() if found == app]
    recorder.record_unapplied(app, max(applied))

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json() == {"status": "1 migrations missing"}


@pytest.mark.parametrize("address", ["/readyz", "/statusz"])
def test_without_the_database_the_answer_is_503_and_a_sentence(
    db: None, address: str
) -> None:
    answers = []

    def ask() -> None:  # in a thread, since each has a connection of its own
        away = {"NAME": "/nowhere/db", "HOST": "/nowhere", "OPTIONS": {}}
        connections["default"].settings_dict = connection_settings | away
        answers.append(Client().get(address))

    connection_settings = connection.settings_dict
    thread = Thread(target=ask)
    thread.start()
    thread.join()

    (answer,) = answers
    assert answer.status_code == 503
    assert answer.json() == {"status": "the database does not answer"}


LANES = (Sweep.PROVIDER, Sweep.OUTBOX)


def beat(lane: str, seconds_ago: float) -> None:
    at = NOON - timedelta(seconds=seconds_ago)
    Sweep.objects.create(lane=lane, host="h", pid=1, started_at=at, beat_at=at)


@pytest.mark.parametrize(
    ("beats", "status"),
    [
        ({}, "silent: provider, outbox"),
        ({Sweep.PROVIDER: [0]}, "silent: outbox"),
        ({Sweep.OUTBOX: [3]}, "silent: provider"),
        ({Sweep.PROVIDER: [60], Sweep.OUTBOX: [60]}, "ok"),
        ({Sweep.PROVIDER: [61], Sweep.OUTBOX: [0]}, "silent: provider"),
        ({Sweep.PROVIDER: [900, 2, 90], Sweep.OUTBOX: [5]}, "ok"),
    ],
)
def test_a_lane_without_a_beat_for_a_minute_is_silent(
    client: Client, db: None, beats: dict[str, list[int]], status: str
) -> None:
    for lane, ages in beats.items():
        for age in ages:
            beat(lane, age)

    with time_machine.travel(NOON, tick=False):
        answer = client.get("/statusz")

    said = answer.json()
    assert (answer.status_code, said["status"]) == (
        200 if status == "ok" else 503,
        status,
    )
    ages = {lane: float(min(beats[lane])) if lane in beats else None for lane in LANES}
    assert said["seconds_since_beat"] == ages


def test_what_waits_is_counted(client: Client, note: JobType, shop: User) -> None:
    submit(shop)
    cancel_job(submit(shop), by=shop)
    Pause.objects.create(scope=Pause.STARTS, reason="quota", actor="s", began_at=NOON)
    Pause.objects.create(
        scope=Pause.STARTS, reason="auth", actor="s", began_at=NOON, ended_at=NOON
    )

    said = client.get("/statusz").json()

    assert said["jobs"].keys() == set(Job.Status.values)
    assert {k: n for k, n in said["jobs"].items() if n} == {"queued": 1, "cancelled": 1}
    assert said["pauses"] == 1


# ---- what must be set before anything starts ------------------------------------

OURS = "bgreview."


@pytest.mark.parametrize(
    ("changes", "ids"),
    [
        ({}, []),
        ({"PROVIDER": "openai", "OPENAI_API_KEY": "sk-x"}, []),
        ({"PROVIDER": ""}, ["bgreview.E001"]),
        ({"PROVIDER": "azure"}, ["bgreview.E001"]),
        ({"PROVIDER": "openai", "OPENAI_API_KEY": ""}, ["bgreview.E002"]),
        ({"PROVIDER": "sandbox", "OPENAI_API_KEY": ""}, []),
        ({"ALLOWED_HOSTS": ["a.example", "*"]}, ["bgreview.E003"]),
        ({"HTTPS": False}, ["bgreview.E004"]),
        (
            {"PROVIDER": "", "ALLOWED_HOSTS": ["*"], "HTTPS": False},
            ["bgreview.E001", "bgreview.E003", "bgreview.E004"],
        ),
    ],
)
def test_unsafe_settings_are_start_up_errors(
    settings: Any, changes: dict[str, Any], ids: list[str]
) -> None:
    for name, value in ({"HTTPS": True} | changes).items():
        setattr(settings, name, value)

    found = run_checks(tags=["security"], include_deployment_checks=True)

    ours = [message for message in found if (message.id or "").startswith(OURS)]
    assert [message.id for message in ours] == ids
    assert all(message.is_serious() for message in ours)


def test_on_a_developers_machine_the_provider_alone_is_checked(settings: Any) -> None:
    settings.PROVIDER, settings.ALLOWED_HOSTS, settings.HTTPS = "", ["*"], False

    found = run_checks(tags=["security"])

    assert [m.id for m in found if m.id.startswith(OURS)] == ["bgreview.E001"]


# ---- groups ---------------------------------------------------------------------


@pytest.mark.parametrize("group", GROUPS)
def test_migrate_makes_each_group_with_its_rights(db: None, group: str) -> None:
    member = person("sam", group)

    assert member.get_all_permissions() == set(GROUPS[group])


@pytest.mark.parametrize(
    ("right", "groups"),
    [
        ("jobs.submit_job", {"Operators", "Managers", "Integrations"}),
        ("jobs.cancel_job", {"Operators", "Managers", "Integrations"}),
        ("jobs.retry_job", {"Operators"}),
        ("reviews.decide_review", {"Reviewers"}),
        ("reviews.claim_review", {"Reviewers"}),
        ("reviews.change_destination", {"Managers"}),
        ("jobs.add_jobtypeversion", {"Managers"}),
        ("jobs.view_all_jobs", set(GROUPS) - {"Integrations"}),
        ("jobs.view_unapproved", set(GROUPS) - {"Integrations"}),
    ],
)
def test_what_matters_most_is_given_to_few(
    db: None, right: str, groups: set[str]
) -> None:
    codename = right.split(".")[1]
    holders = Group.objects.filter(permissions__codename=codename)

    assert set(holders.values_list("name", flat=True)) == groups


def test_auditors_change_nothing(db: None) -> None:
    rights = person("audrey", "Auditors").get_all_permissions()

    assert {right.split(".")[1].split("_")[0] for right in rights} == {"view"}


def test_the_next_migrate_leaves_groups_as_people_set_them(db: None) -> None:
    Group.objects.get(name="Operators").permissions.clear()
    Group.objects.get(name="Auditors").delete()
    Group.objects.create(name="Night shift")

    call_command("migrate", verbosity=0)

    assert not Group.objects.get(name="Operators").permissions.exists()
    assert Group.objects.get(name="Auditors").permissions.exists()
    assert set(Group.objects.values_list("name", flat=True)) == {*GROUPS, "Night shift"}


# ---- commands -------------------------------------------------------------------


def run(name: str, *arguments: str) -> str:
    out = StringIO()
    call_command(name, *arguments, stdout=out)
    return out.getvalue()


def test_a_token_is_printed_once_and_opens_the_api(shop: User) -> None:
    token = run("createtoken", "shop", "--name", "till").strip()

    row = ApiToken.objects.get()
    assert (row.user, row.name) == (shop, "till")
    assert APIClient().get(JOBS, HTTP_AUTHORIZATION=f"Token {token}").status_code == 200


def test_of_a_token_only_the_hash_is_stored(shop: User) -> None:
    token = run("createtoken", "shop").strip()

    (row,) = ApiToken.objects.values()
    assert len(token) == 64
    assert token not in str(row)
    assert token[len(row["token_key"]) :] not in str(row)
    assert run("createtoken", "shop").strip() != token


def test_a_token_for_nobody_is_not_made(db: None) -> None:
    with pytest.raises(CommandError, match="There is no user 'nobody'"):
        run("createtoken", "nobody")

    assert not ApiToken.objects.exists()


@pytest.fixture
def noted(note: JobType, shop: User) -> Job:
    """A job with two lines of history, the last with a note."""
    job = submit(shop)
    cancel_job(job, by=shop, note="Asked twice.")
    return job


def test_a_whole_chain_is_verified(noted: Job) -> None:
    said = run("verify", str(noted.public_id))

    assert "2 events, the chain is whole" in said


def test_an_erased_note_leaves_the_chain_whole(noted: Job) -> None:
    EventNote.objects.all().delete()

    assert "the chain is whole" in run("verify", str(noted.public_id))


def change_note(job: Job) -> None:
    EventNote.objects.update(text="Asked thrice.")


def change_actor(job: Job) -> None:
    _forge("UPDATE jobs_jobevent SET actor = 'eve' WHERE seq = 1")


def change_time(job: Job) -> None:
    _forge("UPDATE jobs_jobevent SET at = '2020-01-01 00:00:00+00:00' WHERE seq = 2")


def drop_first(job: Job) -> None:
    EventNote.objects.all().delete()
    _forge("DELETE FROM jobs_jobevent WHERE seq = 1")


def drop_last(job: Job) -> None:
    EventNote.objects.all().delete()
    _forge("DELETE FROM jobs_jobevent WHERE seq = 2")


def add_one(job: Job) -> None:
    last = job.events.last()
    JobEvent(
        job=job,
        seq=3,
        kind="status",
        was="cancelled",
        became="cancelled",
        actor="eve",
        at=last.at,
        digest=last.digest,
    ).save()


def move_job(job: Job) -> None:
    Job.objects.update(status="failed")


def _forge(statement: str) -> None:
    """Change what only grows, as someone with the database in hand could."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE jobs_jobevent DISABLE TRIGGER USER")
        else:
            for verb in ("update", "delete"):
                cursor.execute(f"DROP TRIGGER jobs_jobevent_no_{verb}")
        cursor.execute(statement)


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (change_note, "The note of event 2 was changed."),
        (change_actor, "Event 1 was changed: its digest does not match."),
        (change_time, "Event 2 was changed: its digest does not match."),
        (drop_first, "Event 1 is missing, or out of order."),
        (drop_last, "The history ends at queued, not cancelled."),
        (add_one, "Event 3 was changed: its digest does not match."),
        (move_job, "The history ends at cancelled, not failed."),
    ],
)
def test_a_broken_chain_is_told_by_its_place(
    noted: Job, tamper: Any, said: str
) -> None:
    tamper(noted)

    with pytest.raises(CommandError, match=said):
        run("verify", str(noted.public_id))


def test_a_job_that_is_not_there_cannot_be_verified(db: None) -> None:
    unknown = str(uuid4())

    with pytest.raises(CommandError, match=f"There is no job {unknown}"):
        run("verify", unknown)
    with pytest.raises(CommandError, match="invalid UUID value"):
        run("verify", "7")


# ---- the schema and its page ----------------------------------------------------


def test_the_schema_is_valid_and_made_without_a_warning(tmp_path: Path) -> None:
    target = tmp_path / "schema.yml"

    call_command("spectacular", validate=True, fail_on_warn=True, file=str(target))

    assert target.read_text().startswith("openapi: 3.1.0\n")


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """As it is served: to everyone, and without a look into the database."""
    answer = Client().get("/api/schema/", HTTP_ACCEPT="application/json")
    assert answer.status_code == 200
    return answer.json()


def test_the_schema_says_that_every_call_needs_a_token(schema: dict[str, Any]) -> None:
    assert schema["openapi"] == "3.1.0"
    assert schema["components"]["securitySchemes"]["token"]["in"] == "header"
    calls = [call for methods in schema["paths"].values() for call in methods.values()]
    assert {"/api/v1/jobs/", "/api/v1/job-types/"} < schema["paths"].keys()
    assert all(call["security"] == [{"token": []}] for call in calls)


def test_answers_are_as_the_schema_says(
    job_awaiting_review: Job, olivia: User, schema: dict[str, Any]
) -> None:
    operator = api(olivia)
    own = f"{JOBS}{job_awaiting_review.public_id}/"
    actual = {
        ("/api/v1/jobs/", "get", "200"): operator.get(JOBS),
        ("/api/v1/jobs/{public_id}/", "get", "200"): operator.get(own),
        ("/api/v1/job-types/", "get", "200"): operator.get("/api/v1/job-types/"),
        ("/api/v1/jobs/", "post", "201"): operator.post(
            JOBS, {"type": "note", "input": {"text": "Hello"}}
        ),
        **{
            (f"/api/v1/jobs/{{public_id}}/{part}/", "get", "200"): operator.get(
                f"{own}{part}/"
            )
            for part in ("result", "evidence", "attempts", "events")
        },
        ("/api/v1/jobs/{public_id}/cancel/", "post", "200"): operator.post(
            f"{own}cancel/", {"note": "Enough."}
        ),
    }
    for (path, method, status), answer in actual.items():
        assert str(answer.status_code) == status, answer.content
        said = schema["paths"][path][method]["responses"][status]
        shape = said["content"]["application/json"]["schema"]
        jsonschema.validate(answer.json(), schema | shape)


class Seen(HTMLParser):
    """What a page loads and runs, and what it has in it that our policy blocks."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.inline: list[str] = []
        self._in = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._in = tag
        blocked = [a for a in given if a == "style" or a.startswith("on")]
        self.inline += blocked + ["style"] * (tag == "style")
        wanted = given.get("src") or (tag == "link" and given.get("href"))
        self.loads += [wanted] if wanted else []

    def handle_data(self, data: str) -> None:
        if self._in in ("script", "style") and data.strip():
            self.inline.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._in = ""


def test_the_page_of_the_api_needs_nothing_inline_and_nothing_from_elsewhere(
    client: Client, db: None
) -> None:
    page = Seen(client.get("/api/docs/").content.decode())

    assert page.inline == []
    assert len(page.loads) >= 5
    for address in page.loads:
        parts = urlsplit(address)
        assert (parts.scheme, parts.netloc) == ("", ""), address
        if parts.path.startswith(f"/{real_settings.STATIC_URL.strip('/')}/"):
            assert finders.find(parts.path.split("/", 2)[2]), address
        else:
            script = client.get(address)
            assert script.status_code == 200
            assert script["Content-Type"] == "application/javascript"


@pytest.mark.parametrize(
    "address",
    [
        "/api/docs/",
        "/api/docs/?script=",
        "/api/schema/",
        JOBS,
        "/api/nowhere",
        "/healthz",
    ],
)
def test_every_answer_stands_under_the_strict_policy(
    client: Client, db: None, address: str
) -> None:
    policy = client.get(address)["Content-Security-Policy"]

    directives = {part.strip() for part in policy.split(";")}
    assert {
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    } <= directives
    assert "unsafe" not in policy
    assert "http" not in policy


# ---- secrets --------------------------------------------------------------------

KEY = "sk-very-secret-0123456789abcdef"
WRONG_KEY = "sk-wrong-but-secret-0123456789abcdef"


def test_no_secret_is_ever_told(
    caplog: pytest.LogCaptureFixture,
    settings: Any,
    shop: User,
    ann: User,
    provider: Served,
    httpserver: HTTPServer,
) -> None:
    """Through a whole life, a key that is refused, and every library's debug log."""
    caplog.set_level(logging.DEBUG)
    httpserver.expect_request("/in").respond_with_data("ok")
    desk = webhook(httpserver.url_for("/in"), job_type())
    _, token = ApiToken.objects.create(user=shop)
    program = APIClient()
    program.credentials(HTTP_AUTHORIZATION=f"Token {token}")

    settings.OPENAI_API_KEY = KEY
    job = submit(shop)
    with Courier() as courier:
        bring_to("awaiting_review", job, courier)
    review = Review.objects.get(job=job)
    approve(review, by=ann, seen=seen(review))
    send_due()
    settings.OPENAI_API_KEY = WRONG_KEY
    waiting = submit(shop)
    with Courier() as courier:
        sweep_until(courier, Pause.objects.active().exists)

    own = [f"{JOBS}{each.public_id}/" for each in (job, waiting)]
    parts = ("", "result/", "evidence/", "attempts/", "events/")
    pages = (JOBS, "/api/v1/job-types/", "/statusz", "/api/schema/")
    answers = [program.get(one + part) for one in own for part in parts]
    answers += [program.get(page) for page in pages]
    answers += [program.options(JOBS), program.post(JOBS, {})]
    wrong = f"Token {token[:-4]}zzzz"
    answers += [APIClient().get(JOBS, HTTP_AUTHORIZATION=wrong)]
    rows = [ApiToken.objects.get(), desk, desk.versions.get(), *job.deliveries.all()]
    rows += [shop, courier, *Pause.objects.all(), *job.attempts.all()]
    said = [answer.content.decode() + str(answer.headers) for answer in answers]
    said += [f"{row!r} {row}" for row in rows]

    assert Job.objects.get(pk=job.pk).status == "delivered"
    assert "request_finished" in caplog.text
    whole = "\n".join([*said, caplog.text])
    for secret in (KEY, WRONG_KEY, SECRET.removeprefix("whsec_"), token, token[:-4]):
        assert secret not in whole


# ---- pages that tell of a problem ---------------------------------------------------


@pytest.mark.django_db
def test_a_page_that_is_not_there_says_so_in_our_own_words(client):
    answer = client.get("/nowhere/")

    assert answer.status_code == 404
    assert b"There is nothing here" in answer.content
    assert b"DEBUG" not in answer.content


@pytest.mark.django_db
def test_a_form_without_its_token_is_told_that_nothing_was_changed():
    answer = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "x"})

    assert answer.status_code == 403
    assert b"Nothing was changed" in answer.content

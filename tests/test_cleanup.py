"""Cleanup: content goes when its time is over; what was done can still be proved."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from bgreview.audit import audit
from bgreview.demo.provider import Provider
from jobs import cleanup, queue
from jobs.cleanup import hourly, would_clean_up
from jobs.courier import Courier
from jobs.doctor.checks import About
from jobs.doctor.visit import examine
from jobs.lifecycle import MoveRefused
from jobs.models import (
    Attempt,
    Citation,
    EventNote,
    EvidenceTrace,
    IdempotencyKey,
    Job,
    JobType,
    RawResponse,
    Result,
    ToolCall,
)
from jobs.services import erase, purge
from jobs.services.cancel import cancel_job
from jobs.services.claim import claim_jobs
from jobs.services.deletions import AGAIN, claim_deletions, note_deletions
from jobs.services.errands import LEASE
from jobs.services.hold import set_legal_hold
from jobs.services.observe import apply
from jobs.services.retry import retry_job
from jobs.services.verify import broken_links
from jobs.sweep import turn
from reviews.models import Decision, DecisionComment, Delivery, Review
from reviews.services.approve_delivery import why_not_anew
from reviews.services.decide import approve, reject
from tests.erasing import KEEP, LATER, WORD, cancelled, erased, later, type_that_is_kept
from tests.house import (
    api,
    bring_to,
    courier_to,
    person,
    problem,
    program,
    seen,
    send_due,
    submit,
    sweep_until,
    webhook,
)
from tests.test_old_rows import session

pytestmark = pytest.mark.both_databases

SOURCE = {"title": "Log", "url": "https://log.example/", "text": f"A {WORD} eats fish."}
CITED = f"Question: What does it eat?\n\nSources:\n{json.dumps([SOURCE])}"


@pytest.fixture(scope="module")
def standing_delivered(standing, provider_server, make_httpserver) -> Job:
    make_httpserver.expect_request("/desk").respond_with_data(f"{WORD} got it")
    shop, ann = program(), person("ann", "Reviewers")
    webhook(make_httpserver.url_for("/desk"), type_that_is_kept())
    job = submit(shop, CITED, title=f"About {WORD}", metadata={"bird": WORD})
    with courier_to(provider_server) as courier:
        job = bring_to("awaiting_review", job, courier)
    review = Review.objects.get(job=job)
    review.checks.create(kind="person", name="x", question="?", passed=True, why=WORD)
    attempt = job.attempts.get()
    attempt.input, attempt.follow_up, attempt.failure_message = {"a": WORD}, WORD, WORD
    attempt.save()
    attempt.tool_calls.create(call_id="c", name="f", arguments=WORD, answer=WORD)
    result = job.results.get()
    edit = Result(
        job=job, number=2, parent=result, author=ann, created_at=job.created_at
    )
    edit.set_content(WORD)
    edit.html = WORD
    edit.save()
    approve(review, by=ann, seen=seen(review), comment=f"The {WORD} is fine.")
    send_due()
    Job.objects.filter(pk=job.pk).update(failure_message=WORD, next_input={"a": WORD})
    job.refresh_from_db()
    assert job.status == "delivered"
    IdempotencyKey.objects.create(
        owner=shop, key="k", body=WORD, job=job, created_at=job.created_at
    )
    return job


@pytest.fixture
def delivered(standing_delivered, db) -> Job:
    """A job with content wherever there can be some, long over in a month."""
    return Job.objects.get(pk=standing_delivered.pk)


@pytest.fixture
def waiting(kept, shop, courier) -> Job:
    return bring_to("awaiting_review", submit(shop), courier)


def said_anywhere() -> list[str]:
    """Every value of every column of the tables of jobs and reviews."""
    found = []
    for app in ("jobs", "reviews"):
        for model in apps.get_app_config(app).get_models(include_auto_created=True):
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT * FROM {model._meta.db_table}")
                names = [column[0] for column in cursor.description]
                found += [
                    f"{model.__name__}.{name}={value}"
                    for row in cursor.fetchall()
                    for name, value in zip(names, row, strict=True)
                ]
    return found


# ---- what goes and what stays ----------------------------------------------------


def test_nothing_that_was_said_is_left_anywhere(delivered):
    answer = delivered.results.get(number=1)
    pieces = [answer.content[:40], answer.citations.first().title, WORD]
    assert all([v for v in said_anywhere() if piece in v] for piece in pieces)

    later()

    for piece in pieces:
        assert [value for value in said_anywhere() if piece in value] == []
    assert not RawResponse.objects.exists()
    assert not EventNote.objects.exists()
    assert not DecisionComment.objects.exists()


def test_what_was_done_can_still_be_proved(delivered):
    kept = ["status", "finished_at", "approved_hash", "created_at"]
    before = Job.objects.values(*kept).get()
    hashes = list(Result.objects.values_list("content_hash", flat=True))
    decision = Decision.objects.values().get()
    requests = list(Delivery.objects.values_list("request_hash", flat=True))
    rows = [Citation, EvidenceTrace, ToolCall, Attempt, Result, Delivery]
    counts = [model.objects.count() for model in rows]
    events = list(delivered.events.values())

    later()

    assert Job.objects.values(*kept).get() == before
    assert list(Result.objects.values_list("content_hash", flat=True)) == hashes
    assert list(Delivery.objects.values_list("request_hash", flat=True)) == requests
    assert Decision.objects.values().get() == decision
    assert [model.objects.count() for model in rows] == counts
    *old, last = delivered.events.values()
    assert old == events
    assert (last["kind"], last["actor"], last["data"]) == (
        "erased",
        "system",
        {"keep_days": KEEP},
    )
    assert broken_links(Job.objects.get()) == []
    assert len(examine(About.ROWS)) == 0
    assert audit().is_clean


def test_a_job_is_erased_once(delivered):
    later()
    first = Job.objects.get()

    assert later(by=2 * LATER).rows == 0

    assert Job.objects.get().erased_at == first.erased_at
    assert first.events.filter(kind="erased").count() == 1


def test_whoever_watches_learns_of_it(delivered):
    later()

    assert Job.objects.get().revision == delivered.revision + 1


# ---- which jobs ------------------------------------------------------------------


def test_content_is_kept_until_the_last_day_is_over(kept, shop):
    job = cancelled(shop)

    later(by=timedelta(days=KEEP) - timedelta(minutes=1))
    assert not erased(job)

    later(by=timedelta(days=KEEP) + timedelta(minutes=1))
    assert erased(job)


def test_a_type_that_does_not_say_keeps_its_content(note, shop):
    job = cancelled(shop)

    later(by=timedelta(days=5_000))

    assert not erased(job)


def test_any_number_of_days_can_be_said(kept, shop):
    kept.keep_days = 2_147_483_647
    kept.save()
    job = cancelled(shop)

    assert would_clean_up().rows == 0
    later()

    assert not erased(job)


def test_a_job_that_is_not_over_is_left_alone(kept, shop, waiting):
    queued = submit(shop)

    later()

    assert not erased(queued)
    assert not erased(waiting)


@pytest.mark.parametrize(
    "status", ["pending", "sending", "failed", "uncertain", "refused"]
)
def test_a_job_with_an_unfinished_delivery_is_kept(status, delivered, unguarded):
    Delivery.objects.update(status=status)

    cleaned = later()

    assert not erased(delivered)
    assert cleaned.kept == {delivered.version.job_type: {"unfinished deliveries": 1}}


@pytest.mark.parametrize("status", ["delivered", "withdrawn"])
def test_a_job_whose_deliveries_are_over_is_erased(status, delivered, unguarded):
    Delivery.objects.update(status=status)

    later()

    assert erased(delivered)


def test_a_job_whose_response_may_still_run_is_kept(kept, shop, courier):
    job = bring_to("running", submit(shop, "[sandbox: slow]"), courier)
    cancel_job(job, by=shop)

    cleaned = later()

    assert not erased(job)
    assert cleaned.kept == {kept: {"responses that have not settled": 1}}


# ---- there is nothing to go on with ----------------------------------------------


def test_an_erased_job_cannot_be_retried(kept, shop, olivia):
    job = cancelled(shop)
    later()

    with pytest.raises(MoveRefused, match="was deleted"):
        retry_job(Job.objects.get(), by=olivia)
    with pytest.raises(MoveRefused):  # as it was read before
        retry_job(job, by=olivia)

    assert Job.objects.get().status == "cancelled"


# ---- at the provider -------------------------------------------------------------


def copies(provider: Any, job: Job) -> list[bool]:
    """Whether the provider has deleted each of the job's responses."""
    lines = Provider(provider.url).ledger()
    ours = [one for one in lines if one["metadata"].get("job") == str(job.public_id)]
    return [line["deleted"] for line in ours]


def sweep_deletions(courier: Courier) -> None:
    sweep_until(courier, lambda: not claimable())


def claimable() -> bool:
    return Attempt.objects.to_delete(timezone.now() + LEASE).exists()


def test_the_sweep_deletes_the_providers_copy(delivered, courier, provider):
    assert copies(provider, delivered) == [False]

    later()
    with time_machine.travel(timezone.now() + LATER):
        sweep_deletions(courier)

    attempt = delivered.attempts.get()
    assert copies(provider, delivered) == [True]
    assert attempt.deleted_at is not None
    assert attempt.delete_at is None


def test_a_type_that_does_not_say_so_leaves_the_providers_copy(delivered):
    JobType.objects.update(deletes_at_provider=False)

    later()

    assert delivered.attempts.get().delete_at is None


def test_what_the_provider_has_no_more_counts_as_deleted(delivered, courier, provider):
    delivered.attempts.update(response_id="resp_not_there", delete_at=timezone.now())

    sweep_deletions(courier)

    assert delivered.attempts.get().deleted_at is not None


def test_what_cannot_be_deleted_is_tried_again_later(delivered, provider, settings):
    settings.OPENAI_API_KEY = "sk-wrong"
    now = timezone.now()
    delivered.attempts.update(delete_at=now)

    with Courier() as refused:
        while refused.in_flight or claimable():
            turn(refused, 0.05)

    attempt = delivered.attempts.get()
    assert attempt.deleted_at is None
    assert attempt.delete_at >= now + AGAIN


def test_two_sweeps_do_not_delete_the_same(delivered):
    delivered.attempts.update(delete_at=timezone.now())

    assert len(claim_deletions(5)) == 1
    assert claim_deletions(5) == []
    with time_machine.travel(timezone.now() + LEASE):
        assert len(claim_deletions(5)) == 1


def test_an_answer_that_comes_after_its_lease_says_nothing(delivered):
    delivered.attempts.update(delete_at=timezone.now())
    late = claim_deletions(1)
    with time_machine.travel(timezone.now() + LEASE):
        (newer,) = claim_deletions(1)

    note_deletions(late)

    attempt = delivered.attempts.get()
    assert (attempt.delete_at, attempt.deleted_at) == (newer.lease, None)


# ---- pages and API cope with it --------------------------------------------------


def root() -> Client:
    """Somebody who may do anything, logged in now."""
    client = Client()
    client.force_login(person("root", is_superuser=True))
    return client


def test_pages_say_that_the_content_was_deleted(delivered):
    later()
    client = root()
    review, delivery = Review.objects.get(), Delivery.objects.get()

    for page in (
        f"/admin/jobs/job/{delivered.pk}/change/",
        f"/admin/reviews/review/{review.pk}/change/",
        f"/admin/reviews/delivery/{delivery.pk}/change/",
    ):
        answer = client.get(page)
        shown = answer.content.decode()
        assert answer.status_code == 200
        assert "content was deleted" in shown
        assert "do/retry/" not in shown
        assert "do/hold/" not in shown


@pytest.mark.parametrize(
    "page",
    [
        "/admin/",
        "/admin/jobs/job/",
        "/admin/reviews/review/?state=all",
        "/admin/reviews/delivery/",
        "/admin/jobs/attempt/",
        "/admin/jobs/jobevent/",
    ],
)
def test_lists_cope_with_erased_jobs(page, delivered):
    later()

    answer = root().get(page)

    assert answer.status_code == 200
    assert WORD not in answer.content.decode()


@pytest.mark.parametrize("end", ["rejected", "cancelled"])
def test_pages_of_jobs_that_ended_otherwise_cope_too(end, shop, ann, waiting):
    review = Review.objects.get()
    if end == "rejected":
        reject(review, by=ann, seen=seen(review), comment="No.")
    else:
        cancel_job(waiting, by=shop)
    later()
    assert erased(waiting)

    client = root()
    for kind, row in (("jobs/job", waiting), ("reviews/review", review)):
        page = client.get(f"/admin/{kind}/{row.pk}/change/").content.decode()
        assert "content was deleted" in page


def test_the_api_says_that_the_content_is_gone(delivered, olivia):
    later()
    address = f"/api/v1/jobs/{delivered.public_id}/"
    program = api(olivia)

    for part in ("result/", "evidence/"):
        said = problem(program.get(address + part), 410)
        assert "deleted" in said["detail"]
    for part in ("", "attempts/", "events/"):
        assert program.get(address + part).status_code == 200
    detail = program.get(address).json()
    assert detail["erased_at"] is not None
    assert (detail["title"], detail["input"], detail["metadata"]) == ("", {}, {})
    assert "Its content was deleted" in detail["explanation"]
    assert detail["next_action"] is None
    problem(program.post(f"{address}retry/"), 409)


def test_a_job_type_says_how_long_in_its_form(kept):
    page, client = f"/admin/jobs/jobtype/{kept.pk}/change/", root()
    form = client.get(page).content.decode()
    assert 'name="keep_days"' in form
    assert 'name="deletes_at_provider"' in form

    said = {"title": "Note", "description": "", "is_active": "on", "keep_days": "7"}
    assert client.post(page, said).status_code == 302

    kept.refresh_from_db()
    assert (kept.keep_days, kept.deletes_at_provider) == (7, False)


# ---- in small batches, and on the hour -------------------------------------------


@pytest.fixture
def many(kept, shop, monkeypatch) -> list[Job]:
    """Five old jobs, two to a batch, and five old sessions, two to a batch."""
    vendors = dict.fromkeys(erase.AT_ONCE, 2)
    monkeypatch.setattr(erase, "AT_ONCE", vendors)
    monkeypatch.setattr(purge, "AT_ONCE", 2)
    for number in range(5):
        session(timedelta(days=number + 1))
    return [cancelled(shop) for _ in range(5)]


def test_all_is_done_batch_by_batch(many):
    cleaned = later()

    assert all(erased(job) for job in many)
    assert cleaned.erased[many[0].version.job_type]["jobs"] == 5
    assert cleaned.purged == {"sessions": 5}


def test_the_hourly_run_ends_in_time_and_goes_on_in_the_next_hour(many, monkeypatch):
    monkeypatch.setattr(cleanup, "LIFE", 0)
    left = []
    for _ in range(7):
        later(hourly)
        left.append(
            Job.objects.filter(erased_at=None).count() + Session.objects.count()
        )

    assert left == [8, 6, 5, 3, 1, 0, 0]


def test_whoever_ends_its_row_ends_the_hourly_run(many, monkeypatch):
    monkeypatch.setattr("jobs.pulse.EVERY", 0)
    monkeypatch.setattr("jobs.pulse.Pulse.beats", lambda self: False)

    later(hourly)

    assert Job.objects.exclude(erased_at=None).count() == 2


def test_the_hourly_run_is_a_schedule(db):
    queue.ensure_schedules(lanes=1)

    regular = next(one for one in queue.REGULARS if one.name == "cleanup")

    assert (regular.minutes, regular.cluster) == (60, queue.DEFAULT)
    assert regular.path == f"{hourly.__module__}.{hourly.__name__}"


# ---- the command -----------------------------------------------------------------


def run(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("cleanup", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_a_dry_run_tells_the_same_and_changes_nothing(delivered, shop, mona):
    held = cancelled(shop)
    set_legal_hold(held, by=mona, on=True)
    session(timedelta(days=1))
    before = said_anywhere()

    would = later(lambda: run("--dry-run"))
    assert said_anywhere() == before
    did = later(run)

    assert [line.replace("would delete", "deleted") for line in would] == did
    old, kept, purged = did
    assert old.startswith(
        "note, ended over 30 days ago: deleted the content of 1 jobs, 2 results, "
    )
    assert "1 responses to delete" in old
    assert kept == "note, ended over 30 days ago: kept for legal hold: 1"
    assert "1 sessions" in purged
    assert erased(delivered)


def test_nothing_to_do_is_said(kept):
    assert run() == ["Nothing to clean up."]
    assert run("--dry-run") == ["Nothing to clean up."]


def test_an_answer_that_shows_up_after_the_job_was_erased_is_not_kept(
    kept, shop, olivia, courier
):
    """A lost create: its response may be found days later, with all that was said."""
    JobType.objects.update(deletes_at_provider=True)
    job = submit(shop, f"What does a {WORD} eat?")
    (errand,) = claim_jobs(1)
    courier.send([errand])
    while not courier.collect(wait=1, most=1):
        pass
    cancel_job(Job.objects.get(pk=job.pk), by=olivia)
    later()
    assert erased(job)

    apply([errand])
    sweep_until(courier, lambda: job.attempts.get().settled_at)
    assert [text for text in said_anywhere() if WORD in text] == []
    assert job.attempts.get().delete_at


def test_the_page_of_an_erased_delivery_offers_nothing_more(delivered, ann, client):
    delivery = delivered.deliveries.get()
    Job.objects.filter(pk=delivered.pk).update(erased_at=timezone.now())
    Delivery.objects.filter(pk=delivery.pk).update(request="")
    Result.objects.filter(job=delivered).update(body="")
    client.force_login(ann)
    url = f"/admin/reviews/delivery/{delivery.pk}/change/"
    assert client.get(url).status_code == 200
    delivery = Delivery.objects.get(pk=delivery.pk)
    assert "content was deleted" in why_not_anew(delivery).lower()

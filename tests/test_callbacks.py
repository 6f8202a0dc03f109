"""Status events: told to the callback_url of a job, signed, and without content."""

import json
import re
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from jobs.models import Job
from jobs.services.submit import InvalidInput
from reviews import outbox
from reviews.delivery.answer import Answer
from reviews.delivery.failures import FailureClass
from reviews.delivery.prefix import lies_under
from reviews.models import (
    Callback,
    Delivery,
    Destination,
    DestinationVersion,
)
from reviews.notices import StatusEvent
from reviews.services import calling
from reviews.services.callbacks import TOLD
from reviews.services.calling import LEASE, claim_callbacks
from reviews.services.decide import approve, reject
from reviews.services.recall import recall_job
from reviews.services.requests import decided_requests, draft_requests
from tests.deliveries import hold, received
from tests.house import (
    SECRET,
    api,
    bring_to,
    browser,
    call_due,
    problem,
    seen,
    send_due,
    submit,
    webhook,
)

PLANTED = {"title": "Quarterly figures of Acme", "metadata": {"order": "4711-0815"}}
WORDS = ("Quarterly", "Acme", "4711-0815", "order", "a secret text", "ann", "shop")


@pytest.fixture
def hooks(db: None, httpserver: Any, at: str) -> Destination:
    """A destination under which callbacks are taken, without results of any type."""
    httpserver.expect_request(re.compile("/hooks/.*")).respond_with_data("")
    made = webhook(f"{at}/hooks", name="hooks")
    Destination.objects.filter(pk=made.pk).update(takes_callbacks=True)
    made.refresh_from_db()
    return made


@pytest.fixture
def told(note, hooks, shop, at) -> Job:
    """A job whose status is told to /hooks/shop."""
    return submit(shop, "a secret text", callback_url=f"{at}/hooks/shop", **PLANTED)


def types(job: Job) -> list[str]:
    return [callback.type for callback in job.callbacks.order_by("pk")]


# ---- where they may go ---------------------------------------------------------------

UNDER = "https://hooks.example:8443/in/shop"


@pytest.mark.parametrize(
    ("url", "lies"),
    [
        (UNDER, True),
        (f"{UNDER}/", True),
        (f"{UNDER}/a/b-c_d.e~f", True),
        (f"{UNDER}/a%20b%C3%A4", True),
        (f"{UNDER}?job=1&x=%2F", True),
        ("HTTPS://HOOKS.example:8443/in/shop/a", True),
        # another scheme, host or port
        ("http://hooks.example:8443/in/shop", False),
        ("https://hooks.example/in/shop", False),
        ("https://hooks.example:443/in/shop", False),
        ("https://hooks.example.:8443/in/shop", False),
        ("https://hooks.example.evil.example:8443/in/shop", False),
        ("https://evil.example:8443/in/shop", False),
        ("https://evil.example:8443/https://hooks.example:8443/in/shop", False),
        # another path
        ("https://hooks.example:8443/in/shopping", False),
        ("https://hooks.example:8443/in/shop.evil", False),
        ("https://hooks.example:8443/in/SHOP", False),
        ("https://hooks.example:8443/in", False),
        ("https://hooks.example:8443/", False),
        ("https://hooks.example:8443//in/shop", False),
        (f"{UNDER}/../admin", False),
        (f"{UNDER}/./a", False),
        (f"{UNDER}/..", False),
        (f"{UNDER}//a", False),
        (f"{UNDER}/%2e%2e/admin", False),
        (f"{UNDER}/.%2E/admin", False),
        (f"{UNDER}/%252e%252e/admin", False),
        (f"{UNDER}/..;/admin", False),
        (f"{UNDER}/a;b", False),
        (f"{UNDER}/..%2fadmin", False),
        (f"{UNDER}/..%5Cadmin", False),
        (f"{UNDER}\\..\\admin", False),
        (f"{UNDER}/%00", False),
        (f"{UNDER}/%0d%0aHost:evil", False),
        (f"{UNDER}/%zz", False),
        (f"{UNDER}/%", False),
        (f"{UNDER}/\N{FULLWIDTH FULL STOP}\N{FULLWIDTH FULL STOP}/a", False),
        (f"{UNDER}/a b", False),
        (f"{UNDER}#/a", False),
        # who is asked, as parsers disagree about it
        ("https://hooks.example:8443@evil.example/in/shop", False),
        ("https://evil.example@hooks.example:8443/in/shop", False),
        ("https://evil.example\\@hooks.example:8443/in/shop", False),
        ("https://hooks.example:8443\\.evil.example/in/shop", False),
        ("https://evil.example#@hooks.example:8443/in/shop", False),
        ("https://evil.example?@hooks.example:8443/in/shop", False),
        ("https:/hooks.example:8443/in/shop", False),
        ("//hooks.example:8443/in/shop", False),
        ("/in/shop", False),
        ("", False),
        ("javascript:alert(1)", False),
    ],
)
def test_a_url_lies_under_another_or_does_not(settings, url, lies):
    settings.PROVIDER = "openai"
    assert lies_under(url, UNDER) is lies


def test_below_a_path_that_ends_in_a_slash_is_below_it(settings):
    settings.PROVIDER = "openai"
    assert lies_under(f"{UNDER}/a", f"{UNDER}/")
    assert not lies_under(UNDER, f"{UNDER}/")


def test_the_standard_port_need_not_be_named(settings):
    settings.PROVIDER = "openai"
    assert lies_under("https://hooks.example:443/in", "https://hooks.example/")
    assert lies_under("https://hooks.example/in", "https://hooks.example:443")
    assert not lies_under("https://hooks.example/in", "https://hooks.example/?key=1")


def stranger(hooks: Destination) -> None:
    DestinationVersion(destination=hooks, address="http://127.0.0.1:9/hooks").save()


def off(hooks: Destination) -> None:
    Destination.objects.update(is_active=False)


def not_asked(hooks: Destination) -> None:
    Destination.objects.update(takes_callbacks=False)


def gone(hooks: Destination) -> None:
    hooks.versions.all().delete()


@pytest.mark.parametrize("meddle", [stranger, off, not_asked, gone])
def test_it_must_lie_under_an_active_destination_that_takes_it(
    note, hooks, shop, at, meddle
):
    meddle(hooks)
    with pytest.raises(InvalidInput, match="callback_url: It does not lie under"):
        submit(shop, callback_url=f"{at}/hooks/shop")
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:9/elsewhere", "does not lie under a destination"),
        ("http://u:p@127.0.0.1/", "user name or password"),
        ("not a url", "spaces"),
        ("x" * 2_001, "at most 2,?000 characters"),
        ("", "may not be blank"),
        (7, "Not a valid string"),
    ],
)
def test_the_api_names_the_field(note, hooks, shop, url, said):
    given = {"type": "note", "input": {"text": "Hi."}, "callback_url": url}
    answer = api(shop).post("/api/v1/jobs/", given)
    (error,) = problem(answer, 400)["errors"]["callback_url"]
    assert re.search(said, error)
    assert not Job.objects.exists()


def test_the_api_keeps_it_and_tells_it(note, hooks, shop, at):
    url = f"{at}/hooks/shop?x=1"
    given = {"type": "note", "input": {"text": "Hi."}, "callback_url": url}
    answer = api(shop).post("/api/v1/jobs/", given)
    assert (answer.status_code, answer.json()["callback_url"]) == (201, url)
    assert Job.objects.get().callback_url == url


# ---- what is told --------------------------------------------------------------------


def test_the_whole_way_is_told_signed_and_without_content(
    told, courier, httpserver, ann
):
    review = bring_to("awaiting_review", told, courier).reviews.get()
    reject(review, by=ann, seen=seen(review), comment="Acme is a secret text.")

    call_due()

    job, rows = Job.objects.get(), list(told.callbacks.order_by("pk"))
    assert types(job) == ["job.completed", "job.awaiting_review", "job.rejected"]
    assert all(row.arrived_at and row.wake_at is None for row in rows)
    requests = received(httpserver)
    assert [request.path for request in requests] == ["/hooks/shop"] * 3
    for request, row in zip(requests, rows, strict=True):
        said = Webhook(SECRET).verify(request.data, dict(request.headers))
        assert said == {
            "type": row.type,
            "timestamp": row.at.isoformat(),
            "data": {
                "job": {"id": str(job.public_id)},
                "status": row.type.removeprefix("job."),
            },
        }
        assert request.headers["webhook-id"] == f"msg_{row.uuid.hex}"
    content = json.dumps(review.result.content)[1:-1]
    sent = " ".join(f"{r.url} {r.headers} {r.data!r}" for r in requests)
    for word in (*WORDS, content, review.result.content_hash):
        assert word not in sent.replace("/hooks/shop", "")


def test_an_event_has_no_room_for_content():
    assert {field.name: field.type for field in fields(StatusEvent)} == {
        "job_id": UUID,
        "status": str,
        "at": datetime,
    }
    at = datetime(2026, 1, 1)
    data = json.loads(StatusEvent(UUID(int=1), "failed", at).body)
    assert data.keys() == {"type", "timestamp", "data"}
    assert data["data"].keys() == {"job", "status"}
    assert data["data"]["job"].keys() == {"id"}


def test_every_status_that_matters_is_told_and_no_other(told):
    assert {status for status in Job.Status if status not in TOLD} == {
        "queued",
        "running",
        "requires_action",
    }
    told.move("running")
    assert types(told) == []
    told.move("failed", note="Acme", failure_message="Acme is unknown.")
    assert types(told) == ["job.failed"]


def test_a_job_without_a_callback_url_tells_nobody(note, hooks, shop):
    submit(shop).move("cancelled")
    assert not Callback.objects.exists()


def test_it_is_written_with_the_move_or_not_at_all(told):
    with transaction.atomic():
        told.move("cancelled")
        transaction.set_rollback(True)
    assert not Callback.objects.exists()


def test_where_nothing_takes_it_any_more_the_job_goes_on(told, hooks):
    not_asked(hooks)
    told.move("cancelled")
    assert Job.objects.get().status == "cancelled"
    assert not Callback.objects.exists()


@pytest.mark.parametrize("meddle", [stranger, off, not_asked])
def test_what_changed_since_is_asked_again_before_sending(
    told, hooks, httpserver, meddle
):
    told.move("cancelled")
    meddle(hooks)
    call_due()
    row = Callback.objects.get()
    assert (row.wake_at, row.arrived_at, row.tries) == (None, None, 0)
    assert row.answer.endswith("any more.")
    assert httpserver.log == []


# ---- tries ---------------------------------------------------------------------------


def answer_with(httpserver: Any, status: int) -> None:
    httpserver.clear()
    httpserver.expect_request("/hooks/shop").respond_with_data(status=status)


def test_it_is_tried_six_times_under_one_id_and_then_let_go(told, httpserver):
    answer_with(httpserver, 503)
    told.move("cancelled")
    row = Callback.objects.get()
    tries = 0
    while row.wake_at:
        with time_machine.travel(row.wake_at + timedelta(seconds=1)):
            call_due()
        row.refresh_from_db()
        tries += 1
    assert (tries, row.tries, row.arrived_at, row.answer) == (6, 6, None, "HTTP 503")
    assert {r.headers["webhook-id"] for r in received(httpserver)} == {
        f"msg_{row.uuid.hex}"
    }
    assert Job.objects.get().status == "cancelled"


@pytest.mark.parametrize("status", [400, 301, 410])
def test_what_would_not_change_by_itself_is_not_tried_again(
    told, hooks, httpserver, status
):
    answer_with(httpserver, status)
    told.move("cancelled")
    call_due()
    row = Callback.objects.get()
    assert (row.wake_at, row.answer) == (None, f"HTTP {status}")
    hooks.refresh_from_db()
    assert (hooks.is_active, hooks.failures) == (True, 0)


def test_one_that_was_cut_short_is_sent_again_after_its_lease(told, httpserver):
    told.move("cancelled")
    (call,) = claim_callbacks(4)
    assert claim_callbacks(4) == []
    with time_machine.travel(call.callback.at + LEASE + timedelta(seconds=5)):
        call_due()
    assert Callback.objects.get().arrived_at
    late = Answer("Late.", FailureClass.TRANSIENT)
    call.record(late, 1)  # the first comes back to life, and changes nothing
    row = Callback.objects.get()
    assert (row.tries, row.wake_at, row.answer) == (2, None, "HTTP 200")


def test_of_two_that_read_the_same_row_one_sends_it(told):
    told.move("cancelled")
    mine, theirs = Callback.objects.get(), Callback.objects.get()
    assert calling._claim(mine, mine.at)
    assert calling._claim(theirs, mine.at) is None


def test_each_destination_gets_one_at_a_time_in_order(told, note, shop, hooks, at):
    told.move("cancelled")
    other = submit(shop, callback_url=f"{at}/hooks/shop")
    other.move("cancelled")
    (call,) = claim_callbacks(4)
    assert call.callback.job == told
    assert claim_callbacks(4, busy={hooks.pk}) == []
    assert claim_callbacks(0) == []


@pytest.mark.parametrize("scope", ["all", "one"])
def test_a_pause_of_its_destination_holds_it_too(told, hooks, httpserver, scope):
    told.move("cancelled")
    hold("deliveries" if scope == "all" else hooks.pause_scope)
    call_due()
    assert httpserver.log == []


def test_the_outbox_sends_deliveries_first_and_events_beside_them(
    desk, told, courier, ann, httpserver
):
    review = bring_to("awaiting_review", told, courier).reviews.get()
    approve(review, by=ann, seen=seen(review))

    first = outbox.claim([])

    kinds = [type(going).__name__ for going in first]
    assert kinds == ["Parcel", "Call"]
    full = [first[1]] * outbox.CALLS
    assert all(type(going).__name__ != "Call" for going in outbox.claim(full))


# ---- the result itself ---------------------------------------------------------------


def test_the_result_goes_there_only_if_the_destination_gets_such_results(
    told, note, hooks, courier, ann, httpserver
):
    review = bring_to("awaiting_review", told, courier).reviews.get()
    approve(review, by=ann, seen=seen(review))
    assert not Delivery.objects.exists()

    recall_job(Job.objects.get(), by=ann)
    hooks.job_types.set([note])
    review = Job.objects.get().reviews.get(closed_at=None)
    approve(review, by=ann, seen=seen(review))
    send_due()

    (request,) = received(httpserver)
    assert request.path == "/hooks/shop"
    assert request.json["data"]["content"] == review.result.content
    assert Job.objects.get().status == "delivered"


def test_what_was_drafted_goes_there_though_another_destination_is_nearer_now(
    told, note, hooks, courier, ann, at
):
    hooks.job_types.set([note])
    result = bring_to("awaiting_review", told, courier).reviews.get().result
    drafts = draft_requests(result)
    nearer = webhook(f"{at}/hooks/shop", note)
    Destination.objects.filter(pk=nearer.pk).update(takes_callbacks=True)

    (decided,) = decided_requests(drafts, result, by="ann", at=timezone.now())
    assert decided.shown["url"] == drafts[0].shown["url"] == f"{at}/hooks/shop"


def test_a_result_for_another_destination_goes_where_that_one_is(
    told, desk, courier, ann, httpserver
):
    review = bring_to("awaiting_review", told, courier).reviews.get()
    approve(review, by=ann, seen=seen(review))
    send_due()
    assert [request.path for request in received(httpserver)] == ["/desk"]


def test_the_job_page_shows_what_was_told(told, ann: User, httpserver):
    answer_with(httpserver, 503)
    told.move("cancelled")
    call_due()
    page = browser(ann).get(reverse("admin:jobs_job_change", args=[told.pk]))
    html = page.content.decode()
    assert "job.cancelled" in html
    assert "HTTP 503" in html
    assert told.callback_url in html

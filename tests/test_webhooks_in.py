"""Webhooks in: what is taken, what is refused, and what an event does."""

import base64
import hmac
import socket
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256

import httpx2
import pytest
import time_machine
from django.core.checks import run_checks
from django.core.exceptions import PermissionDenied
from django.db import connections
from django.test import Client
from django.utils import timezone
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from jobs.courier import Courier
from jobs.models import Attempt, Job, WebhookReceipt
from jobs.provider.events import HEADERS, ProviderEvent
from jobs.sandbox.app import make_app
from jobs.sandbox.endpoints import new_secret
from jobs.sandbox.serving import serve
from jobs.services.cancel import cancel_job
from jobs.services.receive import process_again, receive_event
from jobs.webhooks import LARGEST, PATH
from tests import events
from tests.events import NOW, OLD_SECRET, SECRET, event, post, signed, tell
from tests.house import (
    bring_to,
    courier_to,
    job_type,
    person,
    problem,
    program,
    submit,
    sweep_until,
)

secrets = events.secrets  # a fixture
pytestmark = pytest.mark.usefixtures("secrets")
TOO_OFTEN = 1_000


def receipts() -> list[tuple[str, str]]:
    found = WebhookReceipt.objects.order_by("pk")
    return list(found.values_list("response_id", "outcome"))


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in signed(event()).items() if key != name}


def nested(depth: int) -> bytes:
    return raw("[" * depth + "]" * depth)


def raw(data: str, kind: str = '"response.completed"') -> bytes:
    return f'{{"type": {kind}, "data": {data}}}'.encode()


def with_signature(change: Callable[[str], str]) -> dict[str, str]:
    headers = signed(event())
    return headers | {"webhook-signature": change(headers["webhook-signature"])}


# ---- what is never taken ---------------------------------------------------------

LATE, EARLY = NOW - timedelta(seconds=301), NOW + timedelta(seconds=301)
Case = Callable[[], tuple[bytes, dict[str, str]]]


def header(name: str, value: str) -> Case:
    """An event with this in one of its headers."""
    return lambda: (event(), signed(event()) | {f"webhook-{name}": value})


def signature(change: Callable[[str], str]) -> Case:
    return lambda: (event(), with_signature(change))


def body(sent: bytes, like: bytes | None = None) -> Case:
    """A body with the signature of another one."""
    return lambda: (sent, signed(event() if like is None else like))


def headers(make: Callable[[], dict[str, str]]) -> Case:
    return lambda: (event(), make())


BAD_JSON = {
    "a list": b"[]",
    "a list of events": b"[" + event() + b"]",
    "an empty object": b"{}",
    "null": b"null",
    "a number": b"17",
    "a huge number": b"9" * 5_000,
    "an infinite number": b'{"type": "response.completed", "data": {"id": 1e999}}',
    "a text": b'"response.completed"',
    "true": b"true",
    "nothing": b"",
    "half an object": event()[:-1],
    "two objects": event() * 2,
    "an object and more": event() + b"]",
    "HTML": b"<html></html>",
    "a form": b"type=response.completed",
    "a mark of byte order": b"\xef\xbb\xbf" + event(),
    "nested lists": nested(100_000),
    "nested deeply enough": nested(900),
    "a name twice": event()[:-1] + b', "type": "response.failed"}',
    "an id twice": raw('{"id": "resp_1", "id": "resp_2"}'),
    "NUL in the id": raw('{"id": "resp\\u0000"}'),
    "NUL in the type": raw('{"id": "resp_1"}', '"response.completed\\u0000"'),
    "NUL as it is": raw('{"id": "resp_\0"}'),
    "half a pair in the id": raw('{"id": "\\ud800"}'),
    "half a pair in a name": event()[:-1] + b', "\\udfff": 1}',
    "no data": b'{"type": "response.completed"}',
    "no type": b'{"data": {"id": "resp_1"}}',
    "an empty type": raw('{"id": "resp_1"}', '""'),
    "a number as type": raw('{"id": "resp_1"}', "7"),
    "an object as type": raw('{"id": "resp_1"}', "{}"),
    "a long type": raw('{"id": "resp_1"}', f'"{"x" * 101}"'),
    "a type with a line break": raw('{"id": "resp_1"}', '"response\\ncompleted"'),
    "data as a list": raw('["resp_1"]'),
    "data as a text": raw('"resp_1"'),
    "no id": raw("{}"),
    "an empty id": raw('{"id": ""}'),
    "null as id": raw('{"id": null}'),
    "a number as id": raw('{"id": 7}'),
    "a list as id": raw('{"id": ["resp_1"]}'),
    "an object as id": raw('{"id": {"$ne": ""}}'),
    "an absurdly long id": raw(f'{{"id": "{"x" * 201}"}}'),
    "an id of a kilobyte": raw(f'{{"id": "{"x" * 1_000}"}}'),
    "an id that climbs": raw('{"id": "../models"}'),
    "an id that asks": raw('{"id": "resp_1?stream=true"}'),
    "an id in Greek": raw('{"id": "\\u03c1\\u03b5\\u03c3\\u03c0"}'),
    "an id with a line break": raw('{"id": "resp_1\\n"}'),
}
FORGED = {
    "a stranger's": headers(lambda: signed(event(), secret=new_secret())),
    "nobody's": headers(lambda: signed_with_nothing()),
    "of another body": body(event("resp_2")),
    "with a space more": body(event() + b" "),
    "not in UTF-8": body(b"\xff" + event()),
    "under another id": header("id", "wh_x"),
    "at another time": headers(lambda: with_time(1)),
    "of the asymmetric kind": signature(lambda s: s.replace("v1,", "v1a,")),
    "beyond ASCII": signature(lambda s: f"v1,é{s[3:]}"),
    "huge": signature(lambda s: f"v1,{'A' * 60_000}"),
    "one of many": signature(lambda s: "v1,AAAA " * 5_000),
    "cut in half": signature(lambda s: s[: len(s) // 2]),
    "no more than its version": signature(lambda s: "v1,"),
}
STALE = {
    "301 s old": headers(lambda: signed(event(), at=LATE)),
    "301 s ahead": headers(lambda: signed(event(), at=EARLY)),
    "of 1970": header("timestamp", "0"),
}
BAD_HEADERS = {
    "of no time": header("timestamp", "noon"),
    "of NaN": header("timestamp", "nan"),
    "before 1970": header("timestamp", "-1"),
    "with half a second": headers(lambda: with_time(0, ".5")),
    "in Arabic digits": headers(lambda: in_arabic_digits()),
    "of the far future": header("timestamp", "9" * 5_000),
    "with an id of a kilobyte": header("id", "x" * 1_000),
    "with an id in two words": header("id", "wh 1"),
    "with an id beyond ASCII": header("id", "wh_é"),
    "with no header at all": headers(dict),
    **{f"without {name}": headers(partial(without, name)) for name in HEADERS},
    **{f"empty {n}": header(n.removeprefix("webhook-"), "") for n in HEADERS},
}
HOSTILE: dict[str, tuple[Case, str]] = {
    **{f"a signature {name}": (case, "forged") for name, case in FORGED.items()},
    **{f"an event {name}": (case, "stale") for name, case in STALE.items()},
    **{f"an event {name}": (case, "headers") for name, case in BAD_HEADERS.items()},
    **{
        f"genuine, but {name}": (body(sent, sent), "malformed")
        for name, sent in BAD_JSON.items()
    },
}


def signed_with_nothing() -> dict[str, str]:
    """What whoever hopes for an empty secret would send."""
    stamp = str(int(datetime.now(UTC).timestamp()))
    said = b"wh_1." + stamp.encode() + b"." + event()
    signature = base64.b64encode(hmac.new(b"", said, sha256).digest()).decode()
    return dict(zip(HEADERS, ("wh_1", stamp, f"v1,{signature}"), strict=True))


def with_time(seconds: int, end: str = "") -> dict[str, str]:
    headers = signed(event())
    stamp = int(headers["webhook-timestamp"]) + seconds
    return headers | {"webhook-timestamp": f"{stamp}{end}"}


def in_arabic_digits() -> dict[str, str]:
    headers = signed(event())
    digits = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
    stamp = headers["webhook-timestamp"].translate(digits)
    return headers | {"webhook-timestamp": stamp}


def refusals(reason: str) -> float:
    name = "bgreview_webhooks_refused_total"
    return REGISTRY.get_sample_value(name, {"reason": reason}) or 0


@pytest.mark.parametrize("case", HOSTILE)
@time_machine.travel(NOW, tick=False)
def test_nothing_hostile_is_trusted_stored_or_a_fault_of_ours(db, case):
    make, reason = HOSTILE[case]
    sent, headers = make()
    before = refusals(reason)

    with capture_logs() as logged:
        answer = post(sent, headers)

    problem(answer, 400)
    assert receipts() == []
    assert refusals(reason) == before + 1
    (line,) = [said for said in logged if said["event"] == "webhook refused"]
    assert line["reason"] == reason
    assert SECRET not in str(line)
    assert "resp_" not in str(line)


def test_there_are_enough_of_them():
    assert len(HOSTILE) >= 50


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head", "options"])
def test_events_are_posted_and_nothing_else(db, method):
    answer = getattr(Client(), method)(PATH, headers=signed(event()))

    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert receipts() == []


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "text/json", ""]
)
def test_events_are_json_and_say_so(db, content_type):
    problem(post(event(), content_type=content_type), 415)
    assert receipts() == []


def test_an_upload_is_not_even_read(db):
    answer = Client().post(PATH, {"file": "x"}, headers=signed(b""))

    problem(answer, 415)


def test_a_charset_does_no_harm(db):
    body = event()
    answer = post(body, content_type="application/json; charset=utf-8")

    assert (answer.status_code, len(receipts())) == (204, 1)


# ---- the size --------------------------------------------------------------------


def test_a_large_body_is_refused_however_well_signed(db):
    body = event()[:-1] + b', "more": "' + b"x" * LARGEST + b'"}'

    problem(post(body), 413)
    assert receipts() == []


def test_a_body_of_just_the_size_is_taken(db):
    body = event()[:-1] + b" " * (LARGEST - len(event())) + b"}"

    assert (post(body).status_code, len(body)) == (204, LARGEST)


@pytest.fixture(scope="module")
def web():
    """Our own front door, as an ASGI server has it."""
    from bgreview.asgi import application  # which looks for static files

    with serve(application) as served:
        yield served.url


def endless(sent: list[int]):
    while sum(sent) < 50 * LARGEST:
        sent.append(65_536)
        yield b"x" * sent[-1]


def test_a_body_without_end_is_not_read_to_its_end(web, transactional_db):
    sent: list[int] = []
    headers = {"content-type": "application/json"} | signed(event())

    with httpx2.Client(trust_env=False) as client:
        try:
            answer = client.post(web + PATH, content=endless(sent), headers=headers)
            assert answer.status_code == 413
            assert answer.headers["connection"] == "close"
        except httpx2.TransportError:  # hung up on in mid-sentence
            pass

    assert sum(sent) < 20 * LARGEST  # what lines and buffers hold
    assert receipts() == []


def test_a_body_that_is_announced_too_large_is_not_waited_for(web, transactional_db):
    host, _, port = web.removeprefix("http://").partition(":")
    lines = [
        f"POST {PATH} HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/json",
        f"Content-Length: {LARGEST + 1}",
    ]

    with socket.create_connection((host, int(port)), timeout=10) as caller:
        caller.sendall("\r\n".join([*lines, "", "{"]).encode())
        answer = caller.makefile("rb").read()  # to its end: the server hangs up

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_chunked_event_is_taken(web, transactional_db):
    body = event()
    headers = {"content-type": "application/json"} | signed(body)

    with httpx2.Client(trust_env=False) as client:
        parts = iter([body[:9], body[9:]])
        answer = client.post(web + PATH, content=parts, headers=headers)

    assert (answer.status_code, receipts()) == (204, [("resp_1", "not_ours")])


# ---- the secrets -----------------------------------------------------------------


@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
def test_while_rotating_either_secret_will_do(db, secret):
    body = event()

    assert post(body, signed(body, secret=secret)).status_code == 204


def test_one_of_several_signatures_is_enough(db):
    headers = with_signature(lambda s: f"v1,AAAA v1a,BBBB {s} v1,CCCC")

    assert post(event(), headers).status_code == 204


@pytest.mark.parametrize("skew", [-299, 299])
@time_machine.travel(NOW, tick=False)
def test_clocks_need_not_agree_to_the_second(db, skew):
    body = event()

    answer = post(body, signed(body, at=NOW + timedelta(seconds=skew)))

    assert answer.status_code == 204


NO_SECRETS = [[], [""], ["whsec_"], ["short"], ["whsec_...................."]]


@pytest.mark.parametrize("none", NO_SECRETS)
def test_without_a_real_secret_there_is_nothing_here(db, settings, none):
    settings.OPENAI_WEBHOOK_SECRETS = none

    for answer in (post(event()), post(event(), signed_with_nothing())):
        problem(answer, 404)
    assert receipts() == []


def test_an_empty_secret_beside_a_real_one_opens_nothing(db, settings):
    settings.OPENAI_WEBHOOK_SECRETS = [SECRET, "", "whsec_"]

    problem(post(event(), signed_with_nothing()), 400)
    assert post(event()).status_code == 204


@pytest.mark.parametrize(
    ("given", "places"),
    [
        ([], []),
        ([SECRET], []),
        ([SECRET, OLD_SECRET], []),
        (["0123456789abcdef"], []),
        ([""], [1]),
        ([SECRET, ""], [2]),
        (["whsec_"], [1]),
        (["whsec_" + base64.b64encode(b"x" * 15).decode()], [1]),
        (["whsec_" + "." * 40], [1]),
        (["0123456789abcde", SECRET, "whsec_"], [1, 3]),
    ],
)
def test_secrets_that_are_none_are_start_up_errors(settings, given, places):
    settings.OPENAI_WEBHOOK_SECRETS = given

    found = run_checks(tags=["security"])

    found = [said for said in found if said.id == "bgreview.E005"]
    assert [said.msg.split()[1] for said in found] == [str(place) for place in places]
    assert all(secret not in str(found) for secret in given if secret)


@pytest.mark.parametrize(
    ("secrets", "name", "ids"),
    [
        ([SECRET], "bgreview", ["bgreview.E006"]),
        ([SECRET], "desk-1", []),
        ([], "bgreview", []),
    ],
)
def test_who_adopts_responses_has_a_name_of_its_own(settings, secrets, name, ids):
    settings.OPENAI_WEBHOOK_SECRETS, settings.INSTANCE_ID = secrets, name
    settings.HTTPS = True

    found = run_checks(tags=["security"], include_deployment_checks=True)

    assert [said.id for said in found if (said.id or "").startswith("bgreview.")] == ids


# ---- what an event does ----------------------------------------------------------


@pytest.fixture(scope="module")
def standing_run(standing, provider_server) -> int:
    job_type()
    with courier_to(provider_server) as courier:
        job = submit(program(), "Hi. [sandbox:slow]")
        job = bring_to("running", job, courier)
    Job.objects.filter(pk=job.pk).update(wake_at=job.deadline_at)
    assert job.open_attempt
    return job.open_attempt.pk


@pytest.fixture
def running(standing_run, db, provider) -> Attempt:
    """An attempt that the sandbox works on, or has done by now; we know no end yet."""
    return Attempt.objects.get(pk=standing_run)


def test_an_event_only_wakes(running):
    before = Job.objects.get(pk=running.job_id)

    tell(running.response_id)

    after = Job.objects.get(pk=running.job_id)
    assert after.wake_at <= timezone.now()
    assert (after.status, after.revision) == (before.status, before.revision)
    assert after.events.count() == before.events.count()
    assert receipts() == [(running.response_id, "woke")]
    receipt = WebhookReceipt.objects.get()
    assert receipt.sent_at == datetime.fromtimestamp(1_777_000_000, UTC)
    assert receipt.wake_at is None


def test_it_asks_nobody_while_it_is_answered(running, settings):
    settings.OPENAI_BASE_URL = "http://127.0.0.1:9/v1"

    tell(running.response_id)


def test_a_run_that_was_stopped_here_is_woken_until_it_has_settled(running, olivia):
    cancel_job(Job.objects.get(pk=running.job_id), by=olivia)
    later = timezone.now() + timedelta(hours=1)
    Attempt.objects.filter(pk=running.pk).update(wake_at=later)

    tell(running.response_id, "response.cancelled")

    assert Attempt.objects.get(pk=running.pk).wake_at <= timezone.now()
    assert receipts() == [(running.response_id, "woke")]


def test_what_has_settled_is_known_and_left_alone(note, shop, courier):
    settled = bring_to("awaiting_review", submit(shop), courier)
    attempt = settled.attempts.get()

    tell(attempt.response_id)

    job = Job.objects.get(pk=settled.pk)
    assert job.wake_at == settled.wake_at
    assert receipts() == [(attempt.response_id, "known")]


def test_a_response_of_somebody_else_is_noted_and_never_asked_for(db):
    tell("resp_theirs")

    assert receipts() == [("resp_theirs", "not_ours")]
    assert WebhookReceipt.objects.get().wake_at is None


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("response.archived", '{"id": "resp_1"}'),
        ("batch.completed", '{"id": "batch_1"}'),
        ("safety.alert.created", '{"id": 7}'),
        ("eval.run.failed", "null"),
    ],
)
def test_an_unknown_event_is_noted_and_does_nothing(running, kind, data):
    before = Job.objects.get(pk=running.job_id).wake_at

    assert post(raw(data, f'"{kind}"')).status_code == 204

    assert WebhookReceipt.objects.get().outcome == "unknown_type"
    assert Job.objects.get(pk=running.job_id).wake_at == before


@pytest.mark.parametrize("created_at", ["null", '"noon"', "-1", "1e300", "[]", "0"])
def test_a_time_that_is_none_is_left_out(db, created_at):
    body = raw('{"id": "resp_1"}')[:-1] + f', "created_at": {created_at}}}'.encode()

    assert post(body).status_code == 204
    assert WebhookReceipt.objects.get().sent_at is None


# ---- again and at once -----------------------------------------------------------


def test_a_replay_is_acknowledged_counted_and_wakes_nobody(running):
    body = event(running.response_id)
    headers = signed(body)
    assert post(body, headers).status_code == 204
    Job.objects.filter(pk=running.job_id).update(wake_at=later())

    assert post(body, headers).status_code == 204

    assert WebhookReceipt.objects.get().repeats == 1
    assert Job.objects.get(pk=running.job_id).wake_at > timezone.now()


def later() -> datetime:
    return timezone.now() + timedelta(hours=1)


def test_the_same_news_under_another_id_is_a_repeat(db):
    tell("resp_1")
    tell("resp_1")
    tell("resp_1", "response.failed")

    found = WebhookReceipt.objects.order_by("pk").values_list("type", "repeats")
    assert list(found) == [("response.completed", 1), ("response.failed", 0)]


def test_the_same_id_with_other_news_is_a_repeat(db):
    for response_id in ("resp_1", "resp_2"):
        body = event(response_id)
        assert post(body, signed(body, webhook_id="wh_same")).status_code == 204

    assert receipts() == [("resp_1", "not_ours")]
    assert WebhookReceipt.objects.get().repeats == 1


def test_unknown_events_without_an_id_are_no_repeats_of_each_other(db):
    for _ in range(2):
        assert post(raw("{}", '"batch.completed"')).status_code == 204

    assert WebhookReceipt.objects.count() == 2


@pytest.mark.both_databases
@pytest.mark.django_db(transaction=True)
def test_a_thousand_at_once_count_as_one():
    hands = 8
    together = threading.Barrier(hands)

    def receive(hand: int) -> None:
        together.wait(20)
        try:
            for n in range(TOO_OFTEN // hands):
                # Half of them under an id of their own: what they say is the same.
                name = f"wh_{hand}_{n}" if n % 2 else "wh_same"
                receive_event(ProviderEvent(name, "response.completed", "resp_1"))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(hands) as threads:
        list(threads.map(receive, range(hands)))

    receipt = WebhookReceipt.objects.get()
    assert receipt.repeats == TOO_OFTEN - 1


@pytest.mark.both_databases
@pytest.mark.django_db(transaction=True)
def test_events_in_any_order_come_to_the_same(note, shop, courier):
    jobs = [submit(shop) for _ in range(4)]
    ends = ["awaiting_review"] * len(jobs)
    done = [bring_to(end, job, courier) for job, end in zip(jobs, ends, strict=True)]
    ids = [job.attempts.get().response_id for job in done]

    for response_id in reversed(ids):
        for kind in ("response.failed", "response.completed"):
            tell(response_id, kind)

    assert [job.status for job in Job.objects.all()] == ends
    assert Counter(outcome for _, outcome in receipts()) == {"known": 8}


# ---- process again ---------------------------------------------------------------


def test_processing_again_wakes_once_more(running, olivia):
    tell(running.response_id)
    Job.objects.filter(pk=running.job_id).update(wake_at=later())

    process_again(WebhookReceipt.objects.get(), by=olivia)

    assert Job.objects.get(pk=running.job_id).wake_at <= timezone.now()


def test_processing_again_finds_what_was_noted_since(running, olivia):
    WebhookReceipt.objects.create(
        webhook_id="wh_1",
        type="response.completed",
        response_id=running.response_id,
        received_at=timezone.now(),
        outcome="not_ours",
    )

    process_again(WebhookReceipt.objects.get(), by=olivia)

    assert receipts() == [(running.response_id, "woke")]


@pytest.mark.parametrize("outcome", ["adopted", "orphan"])
def test_what_was_found_stays_said(running, olivia, outcome):
    tell(running.response_id)
    WebhookReceipt.objects.update(outcome=outcome)
    Job.objects.filter(pk=running.job_id).update(wake_at=later())

    process_again(WebhookReceipt.objects.get(), by=olivia)

    assert receipts() == [(running.response_id, outcome)]
    assert Job.objects.get(pk=running.job_id).wake_at <= timezone.now()


def test_processing_again_needs_the_right(db):
    tell("resp_1")

    with pytest.raises(PermissionDenied):
        process_again(WebhookReceipt.objects.get(), by=person("otto", "Auditors"))


# ---- the list in the admin -------------------------------------------------------

LIST = "/admin/jobs/webhookreceipt/"


def page_of(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_the_list_leads_to_the_job_and_finds_by_response(running, olivia):
    tell(running.response_id)
    tell("resp_theirs")
    page = page_of(olivia)

    whole = page.get(LIST).content.decode()
    found = page.get(LIST, {"q": running.response_id}).content.decode()
    foreign = page.get(LIST, {"outcome__exact": "not_ours"}).content.decode()

    assert f'/admin/jobs/job/{running.job_id}/change/">{running.job}</a>' in whole
    assert "resp_theirs" in whole
    assert "Woke a job" in found
    assert "Not a response of ours" in whole
    assert "resp_theirs" not in found
    assert running.response_id not in foreign


def test_the_list_says_how_often_an_event_came_and_what_was_noted(
    running, olivia, django_assert_max_num_queries
):
    for n in range(9):
        tell(f"resp_{n}")
    WebhookReceipt.objects.filter(response_id="resp_1").update(repeats=1)
    WebhookReceipt.objects.filter(response_id="resp_2").update(repeats=7, note="Odd.")
    page = page_of(olivia)
    with django_assert_max_num_queries(13):
        whole = page.get(LIST).content.decode()
    for said in ("and once more", "and 7 times more", "Odd."):
        assert f'<span class="sub">{said}</span>' in whole


def test_operators_have_receipts_processed_again_and_auditors_do_not(running, olivia):
    tell(running.response_id)
    Job.objects.filter(pk=running.job_id).update(wake_at=later())
    asked = {
        "action": "process_selected",
        "_selected_action": [WebhookReceipt.objects.get().pk],
    }

    page_of(person("otto", "Auditors")).post(LIST, asked)
    assert Job.objects.get(pk=running.job_id).wake_at > timezone.now()

    page_of(olivia).post(LIST, asked)
    assert Job.objects.get(pk=running.job_id).wake_at <= timezone.now()


@pytest.mark.parametrize(
    ("group", "sees"),
    [
        ("Operators", True),
        ("Managers", True),
        ("Auditors", True),
        ("Reviewers", False),
    ],
)
def test_who_sees_receipts(db, group, sees):
    page = page_of(person("otto", group))

    assert page.get(LIST).status_code == (200 if sees else 403)
    assert ("Webhooks in" in page.get("/admin/").content.decode()) is sees


# ---- the figures -----------------------------------------------------------------


def test_refusals_are_among_the_metrics(db):
    post(event(), {})

    said = Client().get("/metrics").content.decode()

    assert 'bgreview_webhooks_refused_total{reason="headers"}' in said


# ---- from the sandbox, as in life ------------------------------------------------


def test_what_the_sandbox_tells_is_taken(web, transactional_db, settings, note, shop):
    app = make_app(scale=0.001, webhook_url=web + PATH, webhook_secret=SECRET)
    with serve(app) as served:
        settings.OPENAI_BASE_URL = served.base_url
        with Courier() as courier:
            job = bring_to("awaiting_review", submit(shop), courier)
            sweep_until(courier, WebhookReceipt.objects.exists)

    assert receipts()[0][0] == job.attempts.get().response_id

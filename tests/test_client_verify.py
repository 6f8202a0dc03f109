"""What our client says of a delivery: it is what was approved, or it is refused."""

import base64
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from standardwebhooks.webhooks import Webhook

from bgreview.client import Delivery, Notice, Unverified, verify
from reviews.services.probe import probe_destination
from reviews.services.rotate import rotate_secret
from tests.deliveries import received
from tests.house import SECRET, person
from tests.test_receiver import FORGERIES, arrived, forged, signed  # noqa: F401

OTHER = "whsec_b3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXI="


def test_a_real_delivery_is_what_was_approved(arrived, approval, review):  # noqa: F811
    body, headers = arrived
    found = verify(body, headers, SECRET)
    assert isinstance(found, Delivery)
    assert found.content == review.result.content
    assert found.job.id == str(review.job.public_id)
    assert (found.decision.by, found.decision.id) == ("ann", approval.reference)
    assert found.webhook_id == headers["Webhook-Id"]


def test_while_a_secret_is_rotated_either_will_do(desk, review, ann, httpserver):
    boss = person("max", "Managers")
    fresh = rotate_secret(desk, by=boss)
    desk.refresh_from_db()
    probe_destination(desk, by=boss)
    (request,) = received(httpserver)
    assert request.headers["webhook-signature"].count("v1,") == 2
    for secret in (SECRET, fresh):
        found = verify(request.data, dict(request.headers), secret)
        assert (found.type, found.job_id) == ("webhook.test", "")
    with pytest.raises(Unverified, match="not signed with this secret"):
        verify(request.data, dict(request.headers), OTHER)


def test_a_receiver_may_know_several_secrets(arrived):  # noqa: F811
    assert verify(*arrived, OTHER, SECRET).decision.by == "ann"
    with pytest.raises(Unverified):
        verify(*arrived, OTHER, OTHER)


@pytest.mark.parametrize("what", FORGERIES)
def test_what_was_not_approved_is_refused_even_well_signed(arrived, what):  # noqa: F811
    body = forged(arrived[0], FORGERIES[what])
    with pytest.raises(Unverified, match=r"not the content|on something else"):
        verify(body, signed(body), SECRET)


def test_a_status_event_has_no_content():
    said = {
        "type": "job.failed",
        "timestamp": "2026-11-26T12:00:00+00:00",
        "data": {"job": {"id": "1f0c"}, "status": "failed"},
    }
    body = json.dumps(said).encode()
    found = verify(body, signed(body), SECRET)
    assert isinstance(found, Notice)
    assert (found.type, found.job_id, found.status) == ("job.failed", "1f0c", "failed")
    assert found.timestamp == datetime(2026, 11, 26, 12, tzinfo=UTC)


BODY = b'{"type": "webhook.test", "timestamp": "2026-11-26T12:00:00Z", "data": {}}'
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def headers(at: datetime = NOW, **changes: str) -> dict[str, str]:
    said = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_1", at, BODY.decode()),
    }
    return said | {name.replace("_", "-"): value for name, value in changes.items()}


def is_taken(said: Mapping[str, str], body: bytes = BODY, **more: Any) -> bool:
    try:
        return bool(verify(body, said, SECRET, now=NOW.timestamp(), **more))
    except Unverified:
        return False


@pytest.mark.parametrize(
    ("seconds", "taken"), [(0, True), (-299, True), (-301, False), (301, False)]
)
def test_what_is_old_or_of_the_future_is_refused(seconds, taken):
    at = NOW + timedelta(seconds=seconds)
    assert is_taken(headers(at)) is taken


def test_the_tolerance_is_the_receivers():
    assert is_taken(headers(NOW - timedelta(hours=1)), tolerance=3_700)


def test_names_of_headers_are_as_they_come():
    assert is_taken({name.upper(): value for name, value in headers().items()})


GOOD = headers()["webhook-signature"]


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "v1",
        "v1,",
        "v1,===",
        "v1,ä",
        GOOD.replace("v1,", "v2,"),
        GOOD.removeprefix("v1,"),
        GOOD[:-4],
        f"{GOOD}x",
        GOOD.replace("v1,", "v1a,"),
    ],
)
def test_a_signature_that_is_none_is_refused(signature):
    assert not is_taken(headers(webhook_signature=signature))


@pytest.mark.parametrize(
    "signatures", [f"v1,AAAA {GOOD}", f"{GOOD} v1a,xyz", f"v2,x  {GOOD}"]
)
def test_one_good_signature_of_several_will_do(signatures):
    assert is_taken(headers(webhook_signature=signatures))


@pytest.mark.parametrize(
    "name", ["webhook-id", "webhook-timestamp", "webhook-signature"]
)
def test_a_header_that_is_missing_is_told(name):
    said = headers()
    del said[name]
    assert not is_taken(said)


@pytest.mark.parametrize("at", ["", "soon", "1e9", "-5", "٣", "9" * 40, "1.5", " 17"])
def test_a_time_that_is_none_is_refused(at):
    assert not is_taken(headers(webhook_timestamp=at))


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!!", "plain words", "ä"])
def test_a_secret_that_is_none_is_an_error_of_the_receiver(secret):
    with pytest.raises(ValueError, match="A secret is whsec_") as wrong:
        verify(BODY, headers(), secret, now=NOW.timestamp())
    assert not isinstance(wrong.value, Unverified)
    with pytest.raises(ValueError, match="A secret is needed"):
        verify(BODY, headers(), now=NOW.timestamp())


HOSTILE = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b"\xff\xfe",
    b'{"data": null}',
    b'{"data": []}',
    b'{"data": {"content": 1}}',
    b'{"data": {"content": "\\ud800", "job": {"id": 1}, "result_version": 1, '
    b'"content_sha256": "", "decision": {"id": "", "by": "", "at": ""}}}',
    b'{"data": {"job": null}, "type": "x", "timestamp": "y"}',
    b'{"data": {"content": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    b'{"data": {"content": ' + b"9" * 5_000 + b"}}",
]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_a_signed_body_that_is_no_delivery_is_refused_and_breaks_nothing(body):
    said = signed(b"x")
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    text = f"{said['webhook-id']}.{said['webhook-timestamp']}.".encode() + body
    digest = hmac.digest(key, text, "sha256")  # the library signs nothing but text
    said["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    with pytest.raises(Unverified) as wrong:
        verify(body, said, SECRET)
    assert "not signed" not in str(wrong.value)


@given(
    body=some.binary(max_size=50),
    said=some.dictionaries(
        some.sampled_from(list(headers())), some.text(max_size=30), max_size=3
    ),
)
def test_whatever_comes_is_refused_in_one_way(body, said):
    assert not is_taken(said, body)

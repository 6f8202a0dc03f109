"""The webhooks of the sandbox: who is told what, how it is signed, and mischief."""

from collections.abc import Callable, Iterator
from typing import Any, get_args, get_type_hints

import httpx2
import openai
import pytest
from openai.resources.webhooks import Webhooks
from openai.types.webhooks.webhook_endpoint_with_secret import WebhookEndpointWithSecret

from jobs.sandbox.app import make_app
from jobs.sandbox.events import EVENT_TYPES, RESPONSE_EVENTS
from jobs.sandbox.serving import serve
from jobs.sandbox.store import steady_clock
from tests import sandbox
from tests.sandbox import (
    SLOW,
    Inbox,
    Inboxes,
    ask,
    connect,
    entry,
    request,
    run,
    until,
)

provider, client = sandbox.provider, sandbox.client  # fixtures
inboxes, fault = sandbox.inboxes, sandbox.fault


@pytest.fixture
def box(inboxes: Inboxes) -> Inbox:
    return inboxes.new()


@pytest.fixture
def url(box: Inbox) -> str:
    return box.url


@pytest.fixture
def desk(client: openai.OpenAI, url: str) -> Iterator[WebhookEndpointWithSecret]:
    """An endpoint that is told everything, at the box."""
    desk = client.webhooks.create(name="desk", url=url, event_types=RESPONSE_EVENTS)
    yield desk
    client.webhooks.delete(desk.id)


@pytest.fixture
def secret(desk: WebhookEndpointWithSecret) -> str:
    return desk.signing_secret


def begin(client: openai.OpenAI, text: str = "Hello") -> str:
    return client.responses.create(**request(text)).id


def told(client: openai.OpenAI, response_id: str) -> Any:
    """Its one delivery, as the ledger has it."""
    (delivery,) = entry(client, response_id)["webhooks"] or [None]
    return delivery


# ---- what is told -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        ("draft", "response.completed"),
        ("flaky", "response.failed"),
        ("partial", "response.incomplete"),
    ],
)
def test_the_end_of_a_response_is_told_though_nobody_asks(
    client, box, secret, tag, kind
):
    response_id = begin(client, f"Hello {kind} [sandbox:{tag}]")
    (got,) = box.wait_for(1)
    event = got.unwrap(secret)
    assert (event.type, event.object, event.data.id) == (kind, "event", response_id)
    assert event.id.startswith("evt_")
    assert got.headers["content-type"] == "application/json"
    assert kind == f"response.{client.responses.retrieve(response_id).status}"


def test_a_cancelled_response_is_told_at_once_and_only_once(client, box, secret):
    response_id = begin(client, SLOW)
    client.responses.cancel(response_id)
    client.responses.cancel(response_id)
    (got,) = box.wait_for(1)
    assert got.unwrap(secret).type == "response.cancelled"
    other = begin(client, SLOW)  # by whose end the first would have ended as well
    assert box.wait_for(2)[1].about == other
    assert entry(client, response_id)["cancels"] == 2


def test_whoever_waits_for_the_answer_is_not_told(client, box, desk):
    client.responses.create(model="gpt-5.6-sol", input="Hello")
    response_id = begin(client)
    assert box.wait_for(1)[0].about == response_id


@pytest.mark.parametrize("status", [302, 400, 500])
def test_what_is_not_acknowledged_is_sent_again_with_the_same_id_and_bytes(
    client, box, secret, status
):
    box.answers = [status, status]
    response_id = begin(client)
    got = box.wait_for(3)
    assert len({(one.id, one.body) for one in got}) == 1
    assert all(one.is_signed_with(secret) for one in got)
    until(lambda: told(client, response_id)["acknowledged"])
    assert told(client, response_id)["sent"] == 3
    assert told(client, response_id)["answered"] == 200


def test_the_ledger_tells_what_nobody_acknowledged(client, desk):
    client.webhooks.update(desk.id, url="http://127.0.0.1:9/")
    response_id = begin(client)
    until(lambda: (told(client, response_id) or {}).get("sent", 0) > 1)
    delivery = told(client, response_id)
    assert (delivery["answered"], delivery["acknowledged"]) == (None, False)
    assert (delivery["endpoint"], delivery["type"]) == (desk.id, "response.completed")


def test_the_endpoint_of_the_start_is_told_with_its_own_secret(box, url):
    secret = "whsec_c2FuZGJveC1vbmx5LXNhbmRib3gtb25seS1zYW5kYm94"
    app = make_app(scale=0.0001, webhook_url=url, webhook_secret=secret)
    with serve(app) as served, connect(served) as client:
        begin(client)
        (got,) = box.wait_for(1)
        assert got.is_signed_with(secret)


# ---- the endpoints ------------------------------------------------------------------


def test_an_endpoint_is_told_only_what_it_asked_for(client, box, desk):
    wanted = ["response.failed", "batch.completed"]
    assert client.webhooks.update(desk.id, event_types=wanted).event_types == wanted
    run(client, "Hello")
    failed = begin(client, "Hello, desk [sandbox:flaky]")
    assert box.wait_for(1)[0].about == failed


def test_the_secret_of_an_endpoint_is_shown_once(client, desk, secret):
    shown = client.webhooks.retrieve(desk.id).to_dict()
    assert secret not in str(shown)
    assert shown["signing_secret_hint"].endswith(secret[-4:])
    assert desk.to_dict() == {**shown, "signing_secret": secret}


def test_endpoints_are_listed_newest_first_page_by_page(client, url):
    wanted = ["response.completed"]
    made = [
        client.webhooks.create(name=str(n), url=url, event_types=wanted).id
        for n in range(5)
    ]
    listed = [endpoint.id for endpoint in client.webhooks.list(limit=2)]
    assert listed == made[::-1]
    assert list(client.webhooks.list(after=made[0])) == []
    for endpoint_id in made:
        client.webhooks.delete(endpoint_id)


def test_a_deleted_endpoint_is_told_nothing_more(client, box, url):
    made = client.webhooks.create(name="x", url=url, event_types=RESPONSE_EVENTS)
    box.answers = [500] * 1000
    begin(client)
    box.wait(lambda got: len(got) > 1)
    gone = client.webhooks.delete(made.id)
    assert (gone.deleted, gone.object) == (True, "webhook_endpoint.deleted")
    for act in (client.webhooks.retrieve, client.webhooks.delete):
        with pytest.raises(openai.NotFoundError):
            act(made.id)
    run(client, "Hello")
    assert len({one.id for one in box.got}) == 1


def test_while_a_secret_is_changed_both_sign_and_later_only_the_new_one(box, url):
    ahead = [0.0]
    app = make_app(scale=0.0001, clock=lambda: steady_clock() + ahead[0])
    with serve(app) as served, connect(served) as client:
        old = client.webhooks.create(name="x", url=url, event_types=RESPONSE_EVENTS)
        new = client.webhooks.rotate_secret(
            old.id, keep_old_secret_active_for_24_hours=True
        )
        secrets = [old.signing_secret, new.signing_secret]
        begin(client)
        (both,) = box.wait_for(1)
        assert [both.is_signed_with(secret) for secret in secrets] == [True, True]
        ahead[0] = 24 * 3600 * 0.0001
        begin(client)
        later = box.wait_for(2)[1]
        assert [later.is_signed_with(secret) for secret in secrets] == [False, True]


def test_a_secret_that_is_changed_without_grace_is_dead_at_once(
    client, box, desk, secret
):
    new = client.webhooks.rotate_secret(desk.id)
    begin(client)
    (got,) = box.wait_for(1)
    assert not got.is_signed_with(secret)
    assert got.is_signed_with(new.signing_secret)


def test_an_endpoint_can_be_tested_with_any_event(client, box, desk, secret):
    box.answers = [418]
    result = client.webhooks.test(desk.id, event_type="batch.completed")
    assert (result.status_code, result.success) == (418, True)
    (got,) = box.wait_for(1)
    assert got.unwrap(secret).type == "batch.completed"
    client.webhooks.update(desk.id, url="http://127.0.0.1:9/")
    with pytest.raises(openai.BadRequestError, match="No answer from"):
        client.webhooks.test(desk.id, event_type="batch.completed")


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"name": ""}, "missing_required_parameter", "name"),
        ({"event_types": []}, "missing_required_parameter", "event_types"),
        ({"event_types": ["x"]}, "invalid_value", "event_types[0]"),
        ({"event_types": [1]}, "invalid_value", "event_types[0]"),
        ({"url": "ftp://x"}, "invalid_url", "url"),
        ({"url": "http://"}, "invalid_url", "url"),
        ({"url": "http://[x"}, "invalid_url", "url"),
        ({"url": 1}, "invalid_type", "url"),
        ({"secret": "whsec_"}, "unknown_parameter", "secret"),
    ],
)
def test_an_endpoint_that_makes_no_sense_is_refused(client, change, code, param):
    body = {"name": "x", "url": "http://x", "event_types": ["response.failed"]}
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/webhook_endpoints", body=body | change, cast_to=object)
    assert (caught.value.code, caught.value.param) == (code, param)


def test_the_events_it_knows_are_those_of_the_sdk(client):
    (known,) = get_args(get_type_hints(Webhooks.create)["event_types"])
    assert set(EVENT_TYPES) == set(get_args(known))
    assert client.webhooks.event_types.list().data == list(EVENT_TYPES)


def test_endpoints_are_for_those_with_a_key(provider):
    for path in ("webhook_endpoints", "webhook_event_types"):
        url = f"{provider.base_url}/{path}"
        assert httpx2.get(url, verify=False).status_code == 401


# ---- mischief -----------------------------------------------------------------------


@pytest.fixture
def mischief(fault: Callable[..., None], desk: object) -> Callable[..., None]:
    """Orders mischief with the webhooks of the desk."""
    return fault


def test_a_dropped_event_is_never_sent(client, box, mischief):
    mischief("webhook-drop", count=1)
    dropped = run(client, "Hello").id
    other = begin(client)
    assert box.wait_for(1)[0].about == other
    delivery = told(client, dropped)
    assert (delivery["sent"], delivery["acknowledged"]) == (0, False)


def test_a_duplicated_event_comes_twice_the_same(client, box, mischief):
    mischief("webhook-duplicate")
    begin(client)
    one, other = box.wait_for(2)
    assert (one.id, one.body) == (other.id, other.body)


def test_a_delayed_event_comes_after_those_that_ended_later(client, box, mischief):
    mischief("webhook-delay", count=1, scale=0.01)
    late = run(client, "Hello").id
    on_time = begin(client)
    assert [one.about for one in box.wait_for(2)] == [on_time, late]


def test_a_reordered_event_lets_the_next_one_pass(client, box, mischief):
    mischief("webhook-reorder", count=1, scale=1)
    first = run(client, "Hello").id
    second = begin(client)
    assert [one.about for one in box.wait_for(2)] == [second, first]


def test_a_reordered_event_does_not_wait_forever(client, box, mischief):
    mischief("webhook-reorder", scale=0.001)
    begin(client)
    box.wait_for(1)


def test_a_forged_event_has_a_strangers_signature_and_the_true_one_follows(
    client, box, secret, mischief
):
    mischief("webhook-forge")
    response_id = begin(client)
    forged, true = box.wait_for(2)
    assert forged.about == true.about == response_id
    assert forged.id != true.id
    assert [one.is_signed_with(secret) for one in (forged, true)] == [False, True]
    assert told(client, response_id)["webhook_id"] == true.id
    assert told(client, response_id)["sent"] == 1


def test_a_stale_event_is_an_hour_old_and_well_signed(client, box, secret, mischief):
    mischief("webhook-stale", count=1)
    box.answers = [400]
    begin(client)
    stale, fresh = box.wait_for(2)
    with pytest.raises(openai.InvalidWebhookSignatureError, match="too old"):
        stale.unwrap(secret)
    client.webhooks.verify_signature(
        stale.body, stale.headers, secret=secret, tolerance=3700
    )
    assert fresh.is_signed_with(secret)


def test_each_mischief_has_a_rate_and_is_counted(client, box, mischief):
    before = faults_played(client).get("webhook-drop", {}).get("webhook", 0)
    mischief("webhook-drop", rate=0.5)
    ids = [run(client, "Hello").id for _ in range(40)]
    until(lambda: all(told(client, one) for one in ids[-5:]))
    played = faults_played(client)["webhook-drop"]["webhook"] - before
    assert 8 < played < 32
    box.wait(lambda got: len(got) == len(ids) - played)


def faults_played(client: openai.OpenAI) -> dict[str, dict[str, int]]:
    return ask(client, "get", "ledger")["faults"]

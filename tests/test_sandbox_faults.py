"""What goes wrong at the sandbox when it is ordered, as the real SDK sees it."""

import json
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import httpx2
import openai
import pytest

from jobs.sandbox import breakage
from jobs.sandbox.app import make_app
from jobs.sandbox.faults import FAULTS
from jobs.sandbox.serving import Served, serve
from tests import sandbox
from tests.sandbox import SLOW, ask, connect, entry, ledger, order, request, run, until

provider, client = sandbox.provider, sandbox.client  # fixtures
clock, slow_client = sandbox.clock, sandbox.slow_client
inboxes, fault = sandbox.inboxes, sandbox.fault


@pytest.fixture
def slow_fault(slow_client: openai.OpenAI) -> Iterator[Callable[..., None]]:
    """Orders faults where time stands still."""
    yield partial(order, slow_client)
    ask(slow_client, "delete", "faults")


def create(client: openai.OpenAI, **more: Any) -> Any:
    return client.responses.create(**request("Hello", **more))


def started(client: openai.OpenAI) -> int:
    return len(ledger(client))


def raw(provider: Served, path: str = "/models") -> httpx2.Response:
    headers = {"authorization": "Bearer sk-test"}
    return httpx2.get(f"{provider.base_url}{path}", headers=headers, verify=False)


# ---- errors -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("rate-limit", openai.RateLimitError, "rate_limit_exceeded"),
        ("no-quota", openai.RateLimitError, "insufficient_quota"),
        ("wrong-key", openai.AuthenticationError, "invalid_api_key"),
        ("server-error", openai.InternalServerError, None),
        ("overloaded", openai.InternalServerError, "server_is_overloaded"),
        ("bad-gateway", openai.InternalServerError, None),
    ],
)
def test_an_error_is_answered_and_nothing_is_done(client, fault, name, kind, code):
    before = started(client)
    fault(name)
    for call in (create, lambda client: client.models.list()):
        with pytest.raises(kind) as caught:
            call(client)
        assert caught.value.code == code
        assert "retry-after" not in caught.value.response.headers
    assert started(client) == before


def test_a_bad_gateway_answers_with_a_page(provider, fault):
    fault("bad-gateway")
    answer = raw(provider)
    assert answer.status_code == 502
    assert answer.headers["content-type"].startswith("text/html")
    assert "<h1>502 Bad Gateway</h1>" in answer.text


@pytest.mark.parametrize(
    ("name", "retry_after"),
    [
        ("rate-limit-seconds", "1"),
        ("rate-limit-decade", "315360000"),
        ("rate-limit-negative", "-60"),
        ("rate-limit-garbage", "soon; \xff"),
    ],
)
def test_a_rate_limit_says_when_to_come_back_or_nonsense(
    provider, fault, name, retry_after
):
    fault(name)
    answer = raw(provider)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == retry_after


def test_a_rate_limit_may_name_a_date(slow_client, clock, slow_fault):
    slow_fault("rate-limit-date")
    clock.now = 1_700_000_000.0
    with pytest.raises(openai.RateLimitError) as caught:
        slow_client.models.list()
    said = caught.value.response.headers["retry-after"]
    assert said == "Tue, 14 Nov 2023 22:13:40 GMT"


# ---- lost calls and lost answers ----------------------------------------------------

LOSSES = ["reset", "silence"]


def losing(client: openai.OpenAI, loss: str) -> openai.OpenAI:
    return client.with_options(timeout=0.2) if loss == "silence" else client


@pytest.mark.parametrize("loss", LOSSES)
def test_a_create_may_be_lost_before_it_was_handled(client, fault, loss):
    before = started(client)
    fault(f"{loss}-before", on="create")
    with pytest.raises(openai.APIConnectionError):
        create(losing(client, loss))
    assert started(client) == before
    assert client.models.list().data


@pytest.mark.parametrize("loss", [*LOSSES, "bad-gateway"])
def test_a_create_may_be_done_and_its_answer_lost(client, fault, loss):
    before = started(client)
    fault(f"{loss}-after", on="create", count=1)
    with pytest.raises(openai.APIError) as caught:
        create(losing(client, loss), metadata={"job": loss})
    assert isinstance(caught.value, openai.APITimeoutError) is (loss == "silence")
    until(lambda: started(client) == before + 1)
    lost = ledger(client)[-1]
    assert (lost["metadata"], lost["faults"]) == ({"job": loss}, {f"{loss}-after": 1})
    assert client.responses.retrieve(lost["id"]).metadata == {"job": loss}


def test_a_reset_is_one_on_the_wire(provider, fault):
    fault("reset-before")
    with pytest.raises(httpx2.ReadError) as caught:
        raw(provider)
    assert "reset" in repr(origin(caught.value)).lower()


def origin(error: BaseException) -> BaseException:
    while cause := error.__cause__ or error.__context__:
        error = cause
    return error


@pytest.mark.parametrize(
    ("act", "done"), [("cancel", "cancelled"), ("delete", "deleted")]
)
def test_what_was_asked_is_done_though_the_answer_is_lost(
    slow_client, slow_fault, act, done
):
    response = create(slow_client)
    slow_fault("reset-after", on=act)
    with pytest.raises(openai.APIConnectionError):
        getattr(slow_client.responses, act)(response.id)
    assert entry(slow_client, response.id)[done]


# ---- answers that are none ----------------------------------------------------------


def test_an_answer_is_broken_off_in_the_middle(client, fault):
    fault("broken-off", on="create")
    with pytest.raises(openai.APIConnectionError):
        create(client)


def test_an_answer_comes_byte_by_byte(provider, fault):
    whole = raw(provider)
    fault("drip", count=1, scale=0.0002)
    begun = time.monotonic()
    assert raw(provider).content == whole.content
    assert time.monotonic() - begun > 0.0002 * len(whole.content)


def test_a_client_may_leave_between_two_bytes(provider, fault):
    fault("drip", scale=1, count=1)
    url, headers = f"{provider.base_url}/models", {"authorization": "Bearer sk-test"}
    with httpx2.stream(
        "GET", url, headers=headers, timeout=0.5, verify=False
    ) as answer:
        chunks = answer.iter_raw()
        assert next(chunks) == b"{"
        with pytest.raises(httpx2.ReadTimeout):
            next(chunks)
    assert raw(provider).json()["object"] == "list"


@pytest.mark.parametrize("name", ["truncated-json", "html"])
def test_an_answer_may_be_no_json(provider, client, fault, name):
    response = run(client, "Hello")
    fault(name)
    answer = raw(provider, f"/responses/{response.id}")
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"line 1|char"):
        answer.json()


@pytest.mark.parametrize(("name", "said"), [("empty-object", {}), ("empty-list", [])])
def test_an_answer_may_be_empty(provider, fault, name, said):
    fault(name)
    answer = raw(provider)
    assert (answer.status_code, answer.json()) == (200, said)


def test_an_answer_may_be_called_what_it_is_not(provider, fault):
    fault("wrong-type")
    answer = raw(provider)
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.json()["object"] == "list"


def test_a_bomb_is_small_until_it_is_unpacked(provider, fault, monkeypatch):
    monkeypatch.setattr(breakage, "BOMB", 10 * 2**20)
    fault("gzip-bomb")
    url, headers = f"{provider.base_url}/models", {"authorization": "Bearer sk-test"}
    with httpx2.stream("GET", url, headers=headers, verify=False) as answer:
        packed = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert len(packed) < breakage.BOMB / 500
    gzip = zlib.decompressobj(wbits=31)
    size = 0
    while not gzip.eof:
        size += len(gzip.decompress(packed, 2**20))
        packed = gzip.unconsumed_tail
    assert size > breakage.BOMB


def test_a_huge_answer_is_good_json(provider, client, fault, monkeypatch):
    monkeypatch.setattr(breakage, "HUGE", 10 * 2**20)
    response = run(client, "Hello")
    fault("huge-body")
    answer = raw(provider, f"/responses/{response.id}")
    assert len(answer.content) > breakage.HUGE
    said = json.loads(answer.content)
    assert len(said.pop("padding")) == breakage.HUGE
    assert said["id"] == response.id


# ---- good answers that are wrong ----------------------------------------------------


def test_a_status_may_be_unknown(client, fault):
    response = run(client, "Hello")
    fault("unknown-status", count=1)
    assert client.responses.retrieve(response.id).status == "paused"
    assert client.responses.retrieve(response.id).status == "completed"


def test_two_creates_may_get_the_same_id(client, fault):
    first = create(client)
    fault("same-id", count=1)
    second = client.responses.create(**request("Hello", metadata={"job": "second"}))
    assert second.id == first.id
    assert ledger(client)[-1]["metadata"] == {"job": "second"}
    assert ledger(client)[-1]["id"] != first.id


def test_a_response_may_come_with_the_id_of_another(client, fault):
    first, second = run(client, "Hello"), run(client, "Goodbye")
    fault("other-id")
    said = client.responses.retrieve(first.id)
    assert said.id == second.id
    assert said.output_text == first.output_text


def test_a_young_response_is_not_found_until_it_is_older(
    slow_client, clock, slow_fault
):
    response = create(slow_client)
    slow_fault("early-404")
    clock.now += 29
    with pytest.raises(openai.NotFoundError):
        slow_client.responses.retrieve(response.id)
    with pytest.raises(openai.NotFoundError):
        slow_client.responses.cancel(response.id)
    clock.now += 2
    assert slow_client.responses.retrieve(response.id).id == response.id
    assert not entry(slow_client, response.id)["cancelled"]


def test_an_old_response_is_forgotten_for_good(slow_client, clock, slow_fault):
    response = create(slow_client)
    slow_fault("gone", count=1)
    clock.now += 500
    assert slow_client.responses.retrieve(response.id).status == "completed"
    clock.now += 200
    for _ in range(2):
        with pytest.raises(openai.NotFoundError):
            slow_client.responses.retrieve(response.id)
    assert not entry(slow_client, response.id)["deleted"]


def test_what_was_shown_completed_may_be_in_progress_again(client, fault):
    fault("relapse", count=1)
    response = run(client, "Hello")
    relapsed = client.responses.retrieve(response.id)
    assert (relapsed.status, relapsed.output, relapsed.usage) == (
        "in_progress",
        [],
        None,
    )
    assert client.responses.retrieve(response.id) == response


def test_what_was_cancelled_may_complete_all_the_same(slow_client, clock, slow_fault):
    slow_fault("late-completion")
    response = create(slow_client)
    assert slow_client.responses.cancel(response.id).status == "cancelled"
    assert slow_client.responses.retrieve(response.id).status == "cancelled"
    clock.now += 50
    late = slow_client.responses.retrieve(response.id)
    assert late.status == "completed"
    assert late.output_text
    seen = entry(slow_client, response.id)
    assert (seen["cancelled"], seen["status"]) == (True, "completed")


def test_a_late_completion_is_told_after_the_cancellation(client, fault, inboxes):
    box = inboxes.new()
    events = ["response.cancelled", "response.completed"]
    desk = client.webhooks.create(name="x", url=box.url, event_types=events)
    fault("late-completion")
    response = client.responses.create(**request(SLOW))
    client.responses.cancel(response.id)
    told = [one.unwrap(desk.signing_secret) for one in box.wait_for(2)]
    client.webhooks.delete(desk.id)
    assert [event.type for event in told] == events
    assert {event.data.id for event in told} == {response.id}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("cancel-400", openai.BadRequestError), ("cancel-409", openai.ConflictError)],
)
def test_cancelling_what_has_ended_may_be_refused(
    slow_client, clock, slow_fault, name, kind
):
    slow_fault(name)
    ended = create(slow_client)
    clock.now += 50
    with pytest.raises(kind):
        slow_client.responses.cancel(ended.id)
    under_way = create(slow_client)
    assert slow_client.responses.cancel(under_way.id).status == "cancelled"


# ---- orders -------------------------------------------------------------------------


def orders(client: openai.OpenAI) -> Any:
    return ask(client, "get", "faults")


def test_orders_are_listed_with_all_that_can_be_ordered(client, fault):
    fault("html", on=["create", "models"], rate=0.25, count=3, seconds=9e9, scale=2)
    (listed,) = orders(client)["data"]
    assert listed.pop("until") > time.time() + 1e10
    assert listed == {
        "fault": "html",
        "on": ["create", "models"],
        "rate": 0.25,
        "left": 3,
        "scale": 2,
    }
    known = orders(client)["known"]
    assert set(known) == set(FAULTS)
    assert known["cancel-400"]["on"] == ["cancel"]


def test_an_order_strikes_only_its_calls(client, fault):
    fault("server-error", on=["models", "delete"])
    response = run(client, "Hello")
    with pytest.raises(openai.InternalServerError):
        client.models.list()
    with pytest.raises(openai.InternalServerError):
        client.responses.delete(response.id)
    assert client.responses.cancel(response.id)


def test_an_order_is_played_out_cleared_or_over(slow_client, clock, slow_fault):
    def fails() -> bool:
        with suppress(openai.InternalServerError):
            return not slow_client.models.list()
        return True

    slow_fault("server-error", count=2)
    assert [fails() for _ in range(3)] == [True, True, False]
    assert orders(slow_client)["data"] == []
    slow_fault("server-error", seconds=9)
    clock.now += 8
    assert fails()
    clock.now += 2
    assert not fails()
    slow_fault("server-error")
    assert fails()
    assert ask(slow_client, "delete", "faults")["data"] == []
    assert not fails()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "fault"),
        ([], "body"),
        ({"fault": "earthquake"}, "rate-limit"),
        ({"fault": "html", "on": "webhook"}, "create"),
        ({"fault": "cancel-400", "on": ["retrieve"]}, "cancel"),
        ({"fault": "html", "rate": 1.1}, "rate"),
        ({"fault": "html", "count": 0}, "count"),
        ({"fault": "html", "seconds": -1}, "seconds"),
        ({"fault": "html", "scale": "x"}, "scale"),
        ({"fault": "html", "on": [1]}, "Supported"),
        ({"fault": "html", "often": True}, "often"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(client, body, said):
    with pytest.raises(openai.BadRequestError, match=said):
        ask(client, "post", "faults", body=body)
    assert orders(client)["data"] == []


def test_the_same_seed_throws_the_same_dice_whatever_else_is_asked():
    def thrown(seed: int, between: Callable[[openai.OpenAI], object]) -> list[bool]:
        struck = []
        with serve(make_app(seed=seed)) as served, connect(served) as client:
            order(client, "rate-limit", on="models", rate=0.5)
            order(client, "unknown-status", on="create", rate=0.5)
            for _ in range(20):
                between(client)
                with suppress(openai.RateLimitError):
                    client.models.list()
                    struck.append(False)
                    continue
                struck.append(True)
        return struck

    quiet = thrown(7, lambda client: None)
    assert thrown(7, create) == quiet
    assert thrown(8, lambda client: None) != quiet
    assert 4 < sum(quiet) < 16


def test_the_ledger_counts_what_was_played():
    with serve(make_app()) as served, connect(served) as client:
        order(client, "server-error", on=["create", "models"], count=3)
        for call in (create, create, lambda client: client.models.list()):
            with pytest.raises(openai.InternalServerError):
                call(client)
        faults = ask(client, "get", "ledger")["faults"]
        assert faults == {"server-error": {"create": 2, "models": 1}}


@pytest.mark.parametrize("name", [name for name in FAULTS if "silence" not in name])
def test_after_a_fault_the_sandbox_serves_as_before(client, fault, monkeypatch, name):
    monkeypatch.setattr(breakage, "BOMB", 2**20)
    monkeypatch.setattr(breakage, "HUGE", 2**20)
    response = run(client, "Hello")
    fault(name, count=1)
    acts = {
        "create": lambda: create(client),
        "retrieve": lambda: client.responses.retrieve(response.id),
        "cancel": lambda: client.responses.cancel(response.id),
    }
    with suppress(openai.OpenAIError, ValueError):
        acts.get(FAULTS[name].on[0], acts["create"])()
    assert client.responses.retrieve(response.id) == response

"""What the provider is asked, and what is taken from it: over real HTTP."""

import asyncio
import gzip
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from jobs.kit.retry_after import seconds_asked_for
from jobs.provider.base import ProviderFault, Snapshot, StartRequest
from jobs.provider.capped import LARGEST
from jobs.provider.openai import LONGEST_MESSAGE, OpenAIProvider
from jobs.services.claim import claim_jobs
from tests.house import bring_to, job_type, submit

NOW = datetime(2026, 11, 26, 12, 0, 0, tzinfo=UTC)
PLAIN = StartRequest("gpt-5.2", "Hello.", "", 100, {"job": "1"})


def asked(server: HTTPServer, call, key: str = "sk-1") -> Any:
    """What `call` makes of a provider at this server."""

    async def ask() -> Any:
        provider = OpenAIProvider(api_key=key, base_url=server.url_for("/v1"))
        try:
            return await call(provider)
        finally:
            await provider.close()

    return asyncio.run(ask())


def looked(server: HTTPServer) -> Snapshot:
    return asked(server, lambda provider: provider.look("resp_1"))


def sent(server: HTTPServer, request: StartRequest) -> dict[str, Any]:
    """The body of the create call for this request."""
    server.expect_request("/v1/responses").respond_with_json({"id": "resp_1"})
    asked(server, lambda provider: provider.start(request))
    return server.log[0][0].json


# ---- what it is asked ------------------------------------------------------------


def test_only_what_a_type_asks_for_is_sent(httpserver):
    assert sent(httpserver, PLAIN).keys() == {
        *["model", "input", "background", "store", "metadata", "include"],
        "max_output_tokens",
    }


def test_a_limit_of_nothing_is_sent_as_such(httpserver):
    request = replace(PLAIN, max_tool_calls=0)
    assert sent(httpserver, request)["max_tool_calls"] == 0


@pytest.mark.django_db
def test_a_type_s_options_reach_the_provider(shop, courier, provider):
    job_type(
        completion_window="2h",
        max_tool_calls=5,
        moderation={
            "model": "omni-moderation-latest",
            "policy": {"output": {"mode": "score"}},
        },
        sends_safety_identifier=True,
        options={"truncation": "auto"},
    )
    jobs = [submit(shop), submit(shop)]
    first, second = (errand.request for errand in claim_jobs(2))
    assert first.completion_window == "2h"
    assert first.max_tool_calls == 5
    assert first.moderation["model"] == "omni-moderation-latest"
    assert len(first.safety_identifier) == 64
    assert shop.username not in first.safety_identifier
    assert first.safety_identifier == second.safety_identifier
    for job in jobs:  # and the provider, strict as it is, takes all of them
        job.attempts.update(ended_at=NOW)
        type(job).objects.filter(pk=job.pk).update(lease_until=None)
        bring_to("awaiting_review", job, courier)


def test_the_body_of_a_type_s_options_is_as_the_provider_has_it(httpserver):
    moderation = {"model": "omni-moderation-latest"}
    request = StartRequest(
        **vars(PLAIN)
        | {
            "completion_window": "8h",
            "max_tool_calls": 3,
            "moderation": moderation,
            "safety_identifier": "abc",
            "previous_response_id": "resp_0",
        }
    )
    body = sent(httpserver, request)
    assert body["background_options"] == {"completion_window": "8h"}
    assert (body["max_tool_calls"], body["moderation"]) == (3, moderation)
    assert body["safety_identifier"] == "abc"
    assert body["previous_response_id"] == "resp_0"


# ---- what is taken from it -------------------------------------------------------


def test_a_body_that_is_too_large_is_not_read_to_its_end(httpserver):
    httpserver.expect_request("/v1/responses/resp_1").respond_with_data(
        b'{"id": "resp_1", "output": "' + b"a" * (LARGEST + 1) + b'"}'
    )
    with pytest.raises(ProviderFault, match="larger than 16 MB") as fault:
        looked(httpserver)
    assert fault.value.code == "too_large"


def test_a_body_that_is_packed_unasked_is_not_unpacked(httpserver):
    bomb = gzip.compress(b" " * 50 * 2**20)
    httpserver.expect_request("/v1/responses/resp_1").respond_with_data(
        bomb, headers={"Content-Encoding": "gzip"}
    )
    with pytest.raises(ProviderFault, match="packed") as fault:
        looked(httpserver)
    assert fault.value.code == "too_large"


def test_a_large_answer_that_we_can_hold_is_taken(httpserver):
    text = "a" * (2 * 2**20)
    part = {"type": "output_text", "text": text, "annotations": []}
    body = {
        "id": "resp_1",
        "status": "completed",
        "output": [{"type": "message", "content": [part]}],
    }
    httpserver.expect_request("/v1/responses/resp_1").respond_with_json(body)
    assert looked(httpserver).text == text


KEY = "sk-proj-0123456789"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"error": {"message": f"Bad key {KEY}.", "code": KEY}}),
        (500, {"error": {"message": "." * (LONGEST_MESSAGE - 10) + KEY}}),
    ],
)
def test_a_key_that_a_gateway_echoes_is_told_to_nobody(httpserver, status, body):
    httpserver.expect_request("/v1/responses/resp_1").respond_with_json(body, status)
    with pytest.raises(ProviderFault) as fault:
        asked(httpserver, lambda provider: provider.look("resp_1"), key=KEY)
    assert "sk-proj" not in f"{fault.value} {fault.value.code}"
    assert "(our key)" in f"{fault.value} {fault.value.code}"


def test_a_key_that_is_no_header_and_one_in_a_failure_are_told_to_nobody(httpserver):
    with pytest.raises(ProviderFault) as fault:
        asked(httpserver, lambda provider: provider.probe(), key=f"{KEY}\n")
    assert KEY not in str(fault.value)

    error = {"code": "server_error", "message": f"Upstream said: {KEY}"}
    body = {"id": "resp_1", "status": "failed", "error": error}
    httpserver.expect_request("/v1/responses/resp_1").respond_with_json(body)
    found = asked(httpserver, lambda provider: provider.look("resp_1"), key=KEY)
    assert found.error_message == "Upstream said: (our key)"


def test_a_key_too_short_to_be_one_stays_in_the_text(httpserver):
    body = {"error": {"message": "There is none of it."}}
    httpserver.expect_request("/v1/responses/resp_1").respond_with_json(body, 404)
    with pytest.raises(ProviderFault, match="There is none of it"):
        asked(httpserver, lambda provider: provider.look("resp_1"), key="none")


def test_no_redirect_is_followed(httpserver):
    elsewhere: list[Request] = []

    def note(request: Request) -> Response:
        elsewhere.append(request)
        return Response('{"id": "resp_1"}')

    httpserver.expect_request("/elsewhere").respond_with_handler(note)
    httpserver.expect_request("/v1/responses/resp_1").respond_with_data(
        "", 307, {"Location": httpserver.url_for("/elsewhere")}
    )
    with pytest.raises(ProviderFault):
        looked(httpserver)
    assert elsewhere == []


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        *[("7", 7), ("0.5", 0.5), ("0", 0), ("-3", 0), ("1e400", float("inf"))],
        *[(None, None), ("", None), ("soon", None), ("nan", None), ("7 s", None)],
        ("Thu, 26 Nov 2026 12:00:30 GMT", 30),
        ("Thu, 26 Nov 2026 14:00:30 +0200", 30),
        ("Thu, 26 Nov 2026 11:00:00 GMT", 0),
        ("Fri, 26 Nov 2027 12:00:00 GMT", 365 * 86_400),
        ("Thu, 26 Nov 2026 12:02:00", 120),
        ("Thu, 99 Nov 2026 12:00:00 GMT", None),
        ("Thu, 26 Nov 99999 12:02:00 GMT", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        (",", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(said, seconds):
    assert seconds_asked_for(said, NOW) == seconds

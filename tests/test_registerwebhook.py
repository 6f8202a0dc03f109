"""manage.py registerwebhook, against the sandbox's own endpoints."""

import re
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_httpserver import HTTPServer
from starlette.applications import Starlette

from jobs.provider.webhook_secrets import is_real
from jobs.sandbox.app import make_app
from jobs.sandbox.serving import Served, serve
from tests.sandbox import unverified

URL = "https://desk.example/webhooks/openai/"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")


@pytest.fixture(scope="module")
def sandbox() -> Starlette:
    """One of our own: its endpoints are counted."""
    return make_app()


@pytest.fixture(scope="module")
def provider_server(sandbox: Starlette) -> Iterator[Served]:
    with serve(sandbox) as served:
        yield served


@pytest.fixture
def endpoints(provider: Served) -> Iterator[Any]:
    """What the provider itself says of them; none is left."""
    with unverified(api_key="sk-tests", base_url=provider.base_url) as client:
        yield client.webhooks
        for endpoint in list(client.webhooks.list()):
            client.webhooks.delete(endpoint.id)


def register(*arguments: str) -> str:
    said = StringIO()
    call_command("registerwebhook", *arguments, stdout=said)
    return said.getvalue()


def secret_in(said: str) -> str:
    (secret,) = SECRET.findall(said)
    assert is_real(secret)
    return secret


def test_it_makes_an_endpoint_for_the_ends_of_responses(endpoints):
    said = register(URL)

    (made,) = endpoints.list()
    assert made.url == URL
    assert sorted(made.event_types) == [
        "response.cancelled",
        "response.completed",
        "response.failed",
        "response.incomplete",
    ]
    assert f"OPENAI_WEBHOOK_SECRET={secret_in(said)}" in said
    assert made.id in said


def test_a_second_time_it_finds_the_one_there_is_and_tells_no_secret(endpoints):
    register(URL)
    for n in range(30):  # more than a page of others
        endpoints.create(
            name=f"other {n}",
            url=f"https://other.example/{n}",
            event_types=["response.completed"],
        )

    said = register(URL)

    assert sum(endpoint.url == URL for endpoint in endpoints.list()) == 1
    assert not SECRET.search(said)
    assert "--rotate" in said


def test_a_rotation_gives_a_new_secret_and_keeps_the_old_one_for_a_day(
    endpoints, sandbox
):
    old = secret_in(register(URL))

    said = register(URL, "--rotate")

    new = secret_in(said)
    assert new != old
    assert "new,old" in said
    (endpoint,) = sandbox.state.endpoints.known.values()
    assert endpoint.secrets(sandbox.state.store.clock()) == [new, old]


def test_what_is_rotated_must_be_there(endpoints):
    with pytest.raises(CommandError, match=f"sends nothing to {URL}.*--rotate out"):
        register(URL, "--rotate")

    assert list(endpoints.list()) == []


@pytest.mark.parametrize("url", ["desk.example", "ftp://desk.example/", "https://", ""])
def test_what_is_no_address_is_refused_here(endpoints, url):
    with pytest.raises(CommandError, match="not the address of a web server"):
        register(url)


def test_the_real_provider_sends_to_https_only(endpoints, settings):
    settings.PROVIDER = "openai"
    with pytest.raises(CommandError, match="https addresses only"):
        register("http://desk.example/webhooks/openai/")


def test_a_refused_key_is_a_sentence(provider, settings):
    settings.OPENAI_API_KEY = "sk-wrong"
    with pytest.raises(CommandError, match="refused with 401: Incorrect API key"):
        register(URL)


@pytest.mark.parametrize("key", ["", " "])
def test_without_a_key_it_says_what_to_set(settings, key):
    settings.OPENAI_API_KEY = key
    with pytest.raises(CommandError, match="OPENAI_API_KEY is empty"):
        register(URL)


def test_silence_is_a_sentence(settings):
    settings.OPENAI_BASE_URL = "http://127.0.0.1:9/v1"
    with pytest.raises(CommandError, match="No answer from http://127"):
        register(URL)


@pytest.mark.parametrize(
    "body", ["<html>", "[]", "null", '{"data": 7}', '{"data": [7]}']
)
def test_an_answer_that_is_none_is_a_sentence(httpserver: HTTPServer, settings, body):
    httpserver.expect_request("/v1/webhook_endpoints").respond_with_data(
        body, content_type="application/json"
    )
    settings.OPENAI_BASE_URL = httpserver.url_for("/v1")

    with pytest.raises(CommandError, match="could not be read"):
        register(URL)


def test_it_says_what_it_did_and_nothing_of_its_requests(endpoints, caplog):
    with caplog.at_level("INFO"):
        register(URL)
    assert caplog.records == []

"""OpenAI's webhooks through its SDK: where events are sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import openai
from openai.types.webhooks import WebhookEndpointWithSecret

from jobs.provider.events import OF_RESPONSES
from jobs.provider.scrubbing import scrubbed

PATIENCE = 12.0  # seconds for one request
NAME = "bgreview"  # how our endpoints are called at the provider


class EndpointFault(Exception):
    """The provider did not do what was asked of its endpoints; says why."""


@dataclass(frozen=True)
class Endpoint:
    """Where the provider sends events. `secret`: told once, when it is made."""

    id: str
    url: str
    secret: str = field(default="", repr=False)


class Endpoints:
    """The project's webhook endpoints at the provider."""

    def __init__(self, *, api_key: str, base_url: str) -> None:
        self._base_url, self._key = base_url, api_key
        if not api_key.strip():
            raise EndpointFault("OPENAI_API_KEY is empty: set it, then try again.")
        self._client = openai.OpenAI(
            api_key=api_key, base_url=base_url, timeout=PATIENCE, max_retries=1
        )

    def find(self, url: str) -> Endpoint | None:
        """The endpoint with this very URL, if there is one."""
        with self._faults():
            rows = self._client.webhooks.list(limit=100)
            found = next((row for row in rows if row.url == url), None)
            return Endpoint(found.id, found.url) if found else None

    def create(self, url: str) -> Endpoint:
        """Have the events of responses sent there."""
        with self._faults():
            return _with_secret(
                self._client.webhooks.create(
                    name=NAME,
                    url=url,
                    event_types=sorted(OF_RESPONSES),  # type: ignore[arg-type]
                )
            )

    def rotate(self, endpoint: Endpoint) -> Endpoint:
        """Give it a new secret; the old one signs too for 24 hours."""
        with self._faults():
            return _with_secret(
                self._client.webhooks.rotate_secret(
                    endpoint.id, keep_old_secret_active_for_24_hours=True
                )
            )

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except openai.APIStatusError as error:
            body = error.body if isinstance(error.body, dict) else {}
            why = body.get("message") or error
            said = f"The provider refused with {error.status_code}: {why}"
            raise self._fault(said) from error
        except openai.APIConnectionError as error:
            said = f"No answer from {self._base_url}: {error.__cause__ or error}"
            raise self._fault(said) from error
        except Exception as error:
            said = f"The provider's answer could not be read: {error}"
            raise self._fault(said) from error

    def _fault(self, said: str) -> EndpointFault:
        return EndpointFault(scrubbed(said, self._key))


def _with_secret(made: WebhookEndpointWithSecret) -> Endpoint:
    return Endpoint(made.id, made.url, made.signing_secret)

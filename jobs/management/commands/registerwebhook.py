"""manage.py registerwebhook URL: have the provider send us the ends of responses."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.provider.openai_webhooks import EndpointFault, Endpoints

CREATED = """Endpoint {id} sends to {url}. Its secret, shown this once:

    OPENAI_WEBHOOK_SECRET={secret}

Put that into the environment of web processes and workers, and restart the web."""
ROTATED = """Endpoint {id} has a new secret, shown this once:

    {secret}

Put it into OPENAI_WEBHOOK_SECRET before the old one (new,old) and restart the web. For
24 hours both sign; then take the old one out."""
EXISTS = """Endpoint {id} sends to {url} already; its secret was shown when it was made.
Lost it? --rotate gives a new one."""


class Command(BaseCommand):
    help = "Make a webhook endpoint at the provider, and print its secret once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("url", help="such as https://HOST/webhooks/openai/")
        parser.add_argument(
            "--rotate", action="store_true", help="a new secret for the one there is"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        url = options["url"]
        check_url(url)
        try:
            endpoints = Endpoints(
                api_key=settings.OPENAI_API_KEY, base_url=settings.OPENAI_BASE_URL
            )
            found = endpoints.find(url)
            if options["rotate"] and found is None:
                raise CommandError(
                    f"The provider sends nothing to {url}: there is no secret to "
                    "rotate. Leave --rotate out to make an endpoint."
                )
            if options["rotate"] and found:
                text, endpoint = ROTATED, endpoints.rotate(found)
            elif found:
                text, endpoint = EXISTS, found
            else:
                text, endpoint = CREATED, endpoints.create(url)
        except EndpointFault as fault:
            raise CommandError(str(fault)) from fault
        self.stdout.write(text.format(**vars(endpoint)))


def check_url(url: str) -> None:
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise CommandError(f"{url} is not the address of a web server.")
    if parts.scheme == "http" and settings.PROVIDER != "sandbox":
        raise CommandError("The provider sends to https addresses only.")

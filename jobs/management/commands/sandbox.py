"""The sandbox provider as a command."""

from __future__ import annotations

import errno
import math
import socket
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.sandbox.app import make_app
from jobs.sandbox.serving import bind, make_server, url_of


class Command(BaseCommand):
    """Serve the sandbox until it is stopped."""

    help = "Runs a stand-in for the provider that speaks the same wire protocol."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", default=8001, type=int, help="0: any free one")
        parser.add_argument(
            "--scale",
            default=1.0,
            type=float,
            help="what all durations are multiplied by (1: a job takes 5 to 40 s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        host, port, scale = options["host"], options["port"], options["scale"]
        if not 0 <= scale < math.inf:
            raise CommandError("--scale must be a number, 0 or more.")
        with listen(host, port) as listening:
            url = f"{url_of(listening)}/v1"
            self.stdout.write(f"Sandbox provider at {url} (scale {scale:g})")
            self.stdout.flush()
            with suppress(KeyboardInterrupt):
                make_server(make_app(scale)).run([listening])


def listen(host: str, port: int) -> socket.socket:
    try:
        return bind(host, port)
    except (OSError, OverflowError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise CommandError(
                f"Port {port} on {host} is taken. Choose another one with --port; "
                "0 picks a free one."
            ) from error
        raise CommandError(f"Cannot listen on {host}, port {port}: {error}") from error

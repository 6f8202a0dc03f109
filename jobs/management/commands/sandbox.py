"""The sandbox provider as a command."""

from __future__ import annotations

import binascii
import errno
import math
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook
from starlette.applications import Starlette

from jobs.sandbox.app import make_app
from jobs.sandbox.errors import Refused
from jobs.sandbox.recordings import read_recording
from jobs.sandbox.scenarios import Scenario
from jobs.sandbox.serving import bind, make_server, url_of

SECRET = "SANDBOX_WEBHOOK_SECRET"  # noqa: S105  (the name of a variable)


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

        parser.add_argument("--webhook-url", help="where ends of responses are told")
        parser.add_argument(
            "--webhook-secret",
            default=os.environ.get(SECRET, ""),
            help=f"what they are signed with: whsec_...; better kept in {SECRET}, "
            "since everyone on this machine can read a command line",
        )
        parser.add_argument(
            "--fault",
            action="append",
            default=[],
            metavar="NAME[:RATE]",
            dest="faults",
            help="what goes wrong, and how often (0 to 1); may be given several times; "
            "GET /sandbox/faults tells the names",
        )
        parser.add_argument(
            "--recording",
            action="append",
            default=[],
            type=Path,
            metavar="FILE",
            dest="recordings",
            help="what manage.py record made of a job: NAME.json is the scenario of "
            "inputs or instructions with [sandbox:NAME]; may be given several times",
        )
        parser.add_argument("--seed", type=int, help="makes the dice repeatable")

    def handle(self, *args: Any, **options: Any) -> None:
        app = app_for(options)
        with listen(options["host"], options["port"]) as listening:
            url = f"{url_of(listening)}/v1"
            self.stdout.write(f"Sandbox provider at {url} (scale {options['scale']:g})")
            self.stdout.flush()
            with suppress(KeyboardInterrupt):
                make_server(app).run([listening])


def app_for(options: dict[str, Any]) -> Starlette:
    if not 0 <= options["scale"] < math.inf:
        raise CommandError("--scale must be a number, 0 or more.")
    if options["webhook_url"]:
        check_secret(options["webhook_secret"])
    names = ("scale", "webhook_url", "webhook_secret", "seed")
    recordings = dict(map(read_scenario, options["recordings"]))
    app = make_app(recordings=recordings, **{name: options[name] for name in names})
    for given in options["faults"]:
        order_fault(app, given)
    return app


def read_scenario(path: Path) -> tuple[str, Scenario]:
    try:
        return path.stem, read_recording(path.stem, path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CommandError(f"--recording {path}: {error}") from error


def check_secret(secret: str) -> None:
    try:
        Webhook(secret)
    except (EmptyWebhookSecretError, binascii.Error, ValueError) as error:
        raise CommandError(
            f"--webhook-url needs a secret: set {SECRET} to whsec_ and some base64."
        ) from error


def order_fault(app: Starlette, given: str) -> None:
    name, _, rate = given.partition(":")
    try:
        app.state.orders.place(name, rate=read_rate(rate) if rate else None)
    except Refused as refusal:
        raise CommandError(f"--fault {given}: {refusal}") from refusal


def read_rate(given: str) -> float:
    with suppress(ValueError):
        if 0 <= (rate := float(given)) <= 1:
            return rate
    raise Refused(f"The rate is '{given}', and must be a number from 0 to 1.")


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

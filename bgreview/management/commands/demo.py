"""manage.py demo: the whole story on this machine, with real processes."""

import os
import secrets
import signal
from pathlib import Path
from typing import Any, NoReturn

import django
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console

from bgreview.client import ClientError
from bgreview.demo.environment import environment
from bgreview.demo.place import Place, Problem
from bgreview.processes import ROOT, PortTaken
from jobs.kit.loading import loading

SCALE = 0.4  # jobs take 2 to 16 s at the sandbox: time to watch them
SCALE_ONCE = 0.1
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130
WIDTH = 120  # columns where there is no terminal


class Command(BaseCommand):
    help = "Play the whole story with a stand-in for the provider, then serve it."
    requires_system_checks = ()  # there are no settings before we have made them

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once",
            action="store_true",
            help="play the reviewers too; exit 0 if all ends as it should",
        )
        parser.add_argument(
            "--chaos",
            action="store_true",
            help="kill workers and break the provider meanwhile; exit 0 if nothing "
            "was lost",
        )
        parser.add_argument(
            "--seed", type=int, help="repeats the order of --chaos's troubles"
        )
        parser.add_argument(
            "--scale",
            type=float,
            help=f"of the sandbox's durations ({SCALE:g}; with --once {SCALE_ONCE:g})",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        chaos, scale, seed = options["chaos"], options["scale"], options["seed"]
        once = options["once"] or chaos
        if scale is None:
            scale = SCALE_ONCE if once and not chaos else SCALE
        if chaos and seed is None:
            seed = secrets.randbelow(10**6)
        if settings.configured:
            raise CommandError("It has settings of its own: start it by manage.py.")
        try:
            place = prepare(once)
            end_on_signals()
            perform(place, once, scale, seed if chaos else None)
        except KeyboardInterrupt:
            if once:
                raise SystemExit(INTERRUPTED) from None
            self.stdout.write("Stopped. Started again, it goes on where it was.")
        except (Problem, PortTaken, ClientError) as problem:
            raise CommandError(str(problem)) from problem


def prepare(once: bool) -> Place:
    """Find the place, where we are alone."""
    os.umask(0o077)  # what it writes, secrets included, is for nobody else
    default = ROOT / "var" / ("demo-once" if once else "demo")
    place = Place(Path(os.environ.get("DEMO_DIR") or default).resolve())
    place.take()
    if once:
        place.clear()
    return place


def perform(place: Place, once: bool, scale: float, seed: int | None) -> None:
    """Start Django with the demo's settings, and all else after it."""
    urls = place.urls()
    os.environ.update(environment(place, urls))
    with loading():
        django.setup()
        from bgreview.demo.performance import Performance

    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    Performance(place, urls, console, once, scale, seed).run()


def end_on_signals() -> None:
    """Whatever tells us to end, ends us as Ctrl-C does: in order, and once."""
    for each in ENDING:
        if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN:  # nohup
            signal.signal(each, _interrupt)


def _interrupt(number: int, frame: Any) -> NoReturn:
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt

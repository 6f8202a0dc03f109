"""manage.py serve: the web server and the worker together, until Ctrl-C."""

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from bgreview.processes import PortTaken, Processes, free_port, web_command


class Command(BaseCommand):
    help = "Serve pages and API, and run the worker beside them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, **options: Any) -> None:
        host = options["host"]
        try:
            port = free_port(options["port"], host)
        except PortTaken as taken:
            raise CommandError(f"{taken}. Choose another with --port.") from taken
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        with Processes({}) as house:
            house.start("web", web_command(host, port))
            house.manage("worker", "worker", "--skip-checks")  # ours were the same
            self.stdout.write(
                f"bgreview with provider {settings.PROVIDER}: "
                f"http://{host}:{port}/admin/  (Ctrl-C ends it)"
            )
            while not stop.wait(0.5):
                if gone := house.ended():
                    raise CommandError(f"{' and '.join(gone)} ended; see above.")

"""A mail server that speaks as much SMTP as is needed, and keeps what it takes."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import pytest

from reviews.delivery import email


class Postbox(socketserver.ThreadingTCPServer):
    """Answers every recipient with `to_recipients`, or as `to_recipient` has it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Letter)
        self.to_recipients = "250 fine"
        self.to_recipient: dict[str, str] = {}
        self.letters: list[bytes] = []
        self.hangs_up = False

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Self]:
        with cls() as server:
            serve = threading.Thread(target=server.serve_forever, args=[0.01])
            serve.start()
            yield server
            server.shutdown()
            serve.join()


class Letter(socketserver.StreamRequestHandler):
    server: Postbox

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            verb = line[:4].upper()
            answer = "250 fine"
            if verb == b"RCPT":
                one = line.decode().partition("<")[2].partition(">")[0]
                server = self.server
                answer = server.to_recipient.get(one, server.to_recipients)
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.letters.append(b"".join(lines))
                if self.server.hangs_up:
                    return
            self.wfile.write(f"{answer}\r\n".encode())
            if verb == b"QUIT":
                return


@pytest.fixture
def postbox(settings) -> Iterator[Postbox]:
    """The mail server of the house, for as long as a test lasts."""
    with Postbox.open() as server:
        settings.EMAIL_BACKEND = email.SMTP
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.server_address
        yield server

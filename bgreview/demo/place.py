"""Where the demo keeps its files, and what it remembers from run to run."""

import fcntl
import json
import os
import secrets
import shutil
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from bgreview.processes import PortTaken, free_port

HOST = "127.0.0.1"  # everyone may know the passwords, so nobody else may come in
SERVERS = ("web", "sandbox", "receiver")
KEPT = ("demo.sqlite3*", "mail", "logs", "received.jsonl", "ports.json", "secret")


class Problem(Exception):
    """What ends the demo with a word instead of a traceback."""


class InUse(Problem):
    """Another demo is at work there."""


@dataclass(frozen=True)
class Place:
    """A folder, by default under var/, with all that one demo writes."""

    folder: Path

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def mail(self) -> Path:
        return self.folder / "mail"

    @property
    def ledger(self) -> Path:
        """What the receiver got, a line of JSON each."""
        return self.folder / "received.jsonl"

    @property
    def database(self) -> Path:
        return self.folder / "demo.sqlite3"

    def take(self) -> None:
        """Make sure that we are alone here, until this process ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUse(f"A demo is at work in {self.folder} already.") from error

    def clear(self) -> None:
        """Remove what an earlier demo left, and nothing else."""
        for found in (path for name in KEPT for path in self.folder.glob(name)):
            if found.is_dir():
                shutil.rmtree(found)
            else:
                found.unlink()

    def fresh_logs(self) -> Path:
        """The folder of the logs, without those of the last run."""
        self.logs.mkdir(exist_ok=True)
        for log in self.logs.glob("*.log"):
            log.unlink()
        return self.logs

    def secret(self) -> str:
        """The SECRET_KEY: kept, so that whoever is logged in stays so."""
        kept = self.folder / "secret"
        if not kept.exists():
            kept.touch(mode=0o600)
            kept.write_text(secrets.token_urlsafe(50))
        return kept.read_text()

    def urls(self) -> dict[str, str]:
        """Where each server will be."""
        return {name: f"http://{HOST}:{port}" for name, port in self.ports().items()}

    def ports(self) -> dict[str, int]:
        """A port for each server: as the environment says, as last time, or free.

        They stay what they were, because an approved delivery goes to the address
        that was approved, also when it is sent after a restart.
        """
        kept = self.folder / "ports.json"
        last = json.loads(kept.read_text()) if kept.exists() else {}
        ports: dict[str, int] = {}
        for name in SERVERS:
            ports[name] = _port(name, last.get(name, 0), taken=set(ports.values()))
        kept.write_text(json.dumps(ports))
        return ports


def webhook_secret(secret: str) -> str:
    """What the demo's webhooks are signed with, as Standard Webhooks writes it."""
    return "whsec_" + b64encode(sha256(f"webhooks {secret}".encode()).digest()).decode()


def _port(name: str, last: int, taken: set[int]) -> int:
    variable = f"DEMO_{name.upper()}_PORT"
    if wanted := os.environ.get(variable):
        return _given_port(variable, wanted, taken)
    try:
        port = free_port(last, HOST)
    except PortTaken:
        port = free_port(0, HOST)
    return port if port not in taken else _port(name, 0, taken)


def _given_port(variable: str, wanted: str, taken: set[int]) -> int:
    if not wanted.isdecimal() or not 0 < int(wanted) < 65536:
        raise PortTaken(f"{variable}={wanted} is not a port")
    if int(wanted) in taken:
        raise PortTaken(f"{variable}: port {wanted} is taken by another of the demo's")
    try:
        return free_port(int(wanted), HOST)
    except PortTaken as error:
        raise PortTaken(f"{variable}: {error}") from error

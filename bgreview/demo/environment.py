"""The demo's environment: every variable that settings.py reads, so that neither a
developer's .env nor the shell can send a demo to a real provider, queue or database.
"""

import json
import os
import sys
from typing import Any, NoReturn
from urllib.parse import quote

import environ

from bgreview.demo.place import HOST, Place, webhook_secret
from bgreview.processes import ROOT

INSIDE = "DEMO_INSIDE"  # set: we have the demo's environment; says where things are


def enter(place: Place) -> NoReturn:
    """Become the same command with the demo's environment.

    Settings are read when Django starts, before any command runs: to have others, the
    command starts again. It stays one process, which whoever started it can stop.
    """
    sys.stdout.flush()
    surroundings = os.environ | environment(place)
    os.execve(sys.executable, sys.orig_argv, surroundings)  # noqa: S606 (no shell: good)


def environment(place: Place) -> dict[str, str]:
    """What the demo's processes find in their environment."""
    secret, ports = place.secret(), place.ports()
    urls = {name: f"http://{HOST}:{port}" for name, port in ports.items()}
    return {
        "ALLOWED_HOSTS": f"{HOST},localhost",
        "API_RATE": "1200/minute",
        "CSRF_TRUSTED_ORIGINS": "",
        "DATABASE_URL": _given_database() or f"sqlite:///{quote(str(place.database))}",
        "DEBUG": "false",
        "DEFAULT_FROM_EMAIL": "desk@bgreview.example",
        "DELIVERY_HANDLERS": "",
        "DELIVERY_OVER_HTTP": "false",
        "EMAIL_URL": f"filemail:///{quote(str(place.mail))}",
        "INSTANCE_ID": "bgreview-demo",
        "LOG_LEVEL": "WARNING",
        "OPENAI_API_KEY": "sk-sandbox",
        "OPENAI_BASE_URL": f"{urls['sandbox']}/v1",
        "OPENAI_WEBHOOK_SECRET": webhook_secret(f"openai {secret}"),
        "PROVIDER": "sandbox",
        "PUBLIC_URL": urls["web"],
        "Q_BROKER": "orm",
        "Q_WORKERS": "2",
        "SECRET_KEY": secret,
        "SWEEPS": "1",
        "TIME_ZONE": "UTC",
        "TOOL_HANDLERS": "",
        "WEB_DATABASE_POOL": "false",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "PYTHONUNBUFFERED": "1",  # so that a log is whole when its writer dies
        INSIDE: json.dumps({"folder": str(place.folder), "urls": urls}),
        "DEMO_WEBHOOK_SECRET": webhook_secret(secret),
        "SANDBOX_WEBHOOK_SECRET": webhook_secret(f"openai {secret}"),
    }


def _given_database() -> str:
    """DATABASE_URL, if whoever started the demo set it: one from .env is not ours."""
    found = os.environ.get("DATABASE_URL", "")
    return "" if found == _in_env_file().get("DATABASE_URL") else found


def _in_env_file() -> dict[str, Any]:
    """What .env says: settings.py has mixed it into our environment."""

    class Apart(environ.Env):
        ENVIRON: dict[str, Any] = {}

    if (file := ROOT / ".env").exists():
        Apart.read_env(file)
    return Apart.ENVIRON

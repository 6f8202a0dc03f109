"""The demo's environment: every variable that settings.py reads, so that neither a
developer's .env nor the shell can send a demo to a real provider, queue or database.
"""

import os
from typing import Any
from urllib.parse import quote

import environ

from bgreview.demo.place import HOST, Place, webhook_secret
from bgreview.processes import ROOT


def environment(place: Place, urls: dict[str, str]) -> dict[str, str]:
    """What the demo's processes find in their environment."""
    secret = place.secret()
    return {
        "ALLOWED_HOSTS": f"{HOST},localhost",
        "API_RATE": "1200/minute",
        "CSRF_TRUSTED_ORIGINS": "",
        "DATABASE_URL": _given_database() or f"sqlite:///{quote(str(place.database))}",
        "DEBUG": "false",
        "DEFAULT_FROM_EMAIL": "desk@bgreview.example",
        "DELIVERY_HANDLERS": "",
        "DELIVERY_OVER_HTTP": "false",
        "DJANGO_SETTINGS_MODULE": "bgreview.settings",
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
        "DEMO_WEBHOOK_SECRET": webhook_secret(secret),
        "SANDBOX_WEBHOOK_SECRET": webhook_secret(f"openai {secret}"),
    }


def _given_database() -> str:
    """DATABASE_URL, if whoever started the demo set it: the one of .env is not ours."""
    found = os.environ.get("DATABASE_URL", "")
    return "" if found == _in_env_file().get("DATABASE_URL") else found


def _in_env_file() -> dict[str, Any]:
    """What .env says: settings.py, or a shell, mixes it into the environment."""

    class Apart(environ.Env):
        ENVIRON: dict[str, Any] = {}

    if (file := ROOT / ".env").exists():
        Apart.read_env(file)
    return Apart.ENVIRON

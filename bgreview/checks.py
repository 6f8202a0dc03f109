"""What must be set before anything starts."""

import re
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.utils.module_loading import import_string

from jobs.kit.handlers import why_unfit
from jobs.provider.webhook_secrets import SHORTEST, is_real

RATE = re.compile(r"[1-9][0-9]{0,5}/(second|minute|hour|day)")
PROVIDERS = ("openai", "sandbox")


@register(Tags.security)
def provider_is_chosen(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Which provider is used is said, never guessed; with openai there is a key."""
    if settings.PROVIDER not in PROVIDERS:
        return [
            Error(
                f"PROVIDER is {settings.PROVIDER!r}.",
                hint="Set PROVIDER=openai with a key, or PROVIDER=sandbox to try it.",
                id="bgreview.E001",
            )
        ]
    if settings.PROVIDER == "openai" and not settings.OPENAI_API_KEY:
        return [
            Error(
                "PROVIDER=openai, but OPENAI_API_KEY is empty.",
                hint="Put the key into the environment or into .env.",
                id="bgreview.E002",
            )
        ]
    return []


@register(Tags.security)
def webhook_secrets_are_real(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """An empty secret among them, and anybody could sign events."""
    return [
        Error(
            f"Secret {place} in OPENAI_WEBHOOK_SECRET is empty or too short.",
            hint=f"It needs {SHORTEST} bytes; manage.py registerwebhook gives one.",
            id="bgreview.E005",
        )
        for place, secret in enumerate(settings.OPENAI_WEBHOOK_SECRETS, 1)
        if not is_real(secret)
    ]


@register(Tags.security)
def tool_handlers_only_read(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """What answers the model unseen can be found, and says that it only reads."""
    return [
        Error(
            f"TOOL_HANDLERS: {name}={path}: {why}",
            hint="Name a function that is marked with jobs.kit.handlers.reads_only.",
            id="bgreview.E008",
        )
        for name, path in settings.TOOL_HANDLERS.items()
        if (why := why_unfit(path))
    ]


@register(Tags.compatibility)
def handlers_are_there(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """What approved results are given to can be called."""
    return [
        Error(
            f"{name!r} in DELIVERY_HANDLERS is not there, or cannot be called.",
            hint="Name functions of installed packages: package.module.function.",
            id="bgreview.E007",
        )
        for name in settings.DELIVERY_HANDLERS
        if not _is_callable(name)
    ]


def _is_callable(name: str) -> bool:
    try:
        return callable(import_string(name))
    except ImportError:
        return False


@register(Tags.compatibility)
def rate_is_one(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """How often the API may be asked can be understood."""
    if not settings.API_RATE or RATE.fullmatch(settings.API_RATE):
        return []
    return [
        Error(
            f"API_RATE is {settings.API_RATE!r}.",
            hint="Say 20/second, 1200/minute or 9000/hour; empty: as often as wanted.",
            id="bgreview.E009",
        )
    ]


@register(Tags.security, deploy=True)
def settings_are_safe(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """In production no sandbox key, no wildcard host, links that people can open."""
    problems: list[CheckMessage] = []
    if "*" in settings.ALLOWED_HOSTS:
        problems.append(Error("ALLOWED_HOSTS allows any host.", id="bgreview.E003"))
    if not settings.HTTPS:
        problems.append(Error("PUBLIC_URL is not https.", id="bgreview.E004"))
    if settings.DELIVERY_OVER_HTTP:
        problems.append(
            Warning(
                "DELIVERY_OVER_HTTP lets results travel unencrypted.",
                hint="Give every receiver https, and take the setting away.",
                id="bgreview.W001",
            )
        )
    if settings.OPENAI_WEBHOOK_SECRETS and settings.INSTANCE_ID == "bgreview":
        problems.append(
            Error(
                "INSTANCE_ID is the default.",
                hint="Two installations of one name would stop each other's responses.",
                id="bgreview.E006",
            )
        )
    return problems

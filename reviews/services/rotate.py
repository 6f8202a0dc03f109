"""The secret of a destination: made and told once, then only ever replaced."""

import secrets
from base64 import b64encode
from datetime import timedelta

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from jobs.kit.rights import name_of, require
from jobs.lifecycle import MoveRefused
from reviews.models import Destination

log = structlog.get_logger(__name__)
RIGHT = "reviews.change_destination"
BYTES = 32
OVERLAP = 24  # hours
LONGEST = 30 * 24  # hours


def new_secret() -> str:
    """As Standard Webhooks writes it."""
    return f"whsec_{b64encode(secrets.token_bytes(BYTES)).decode()}"


@transaction.atomic
def rotate_secret(destination: Destination, *, by: User, hours: int = OVERLAP) -> str:
    """A new secret, told to the caller alone; the old one signs beside it meanwhile.

    With 0 hours the old one is of no more use at once: for one that leaked.
    """
    require(by, RIGHT)
    row = Destination.objects.select_for_update().get(pk=destination.pk)
    now, hours = timezone.now(), max(0, min(hours, LONGEST))
    if why := _why_not(row, hours):
        raise MoveRefused(why)
    until = now + timedelta(hours=hours) if hours else None
    old, fresh = row.secret if hours else "", new_secret()
    rows = Destination.objects.filter(pk=row.pk)
    rows.update(secret=fresh, old_secret=old, old_secret_until=until)
    log.info(
        "a secret was rotated", destination=row.pk, actor=name_of(by), overlap=hours
    )
    return fresh


def _why_not(destination: Destination, hours: int) -> str:
    """Three secrets would be one too many for receivers to tell apart."""
    if destination.kind != Destination.Kind.WEBHOOK:
        return f"{destination} has no secret: only webhooks are signed."
    if hours and len(destination.secrets_at(timezone.now())) > 1:
        return (
            f"The last rotation lasts until {destination.old_secret_until:%d %b %H:%M} "
            "UTC. Wait for that, or rotate without an overlap."
        )
    return ""

"""Holding deliveries back, all or those to one destination, and letting them go."""

import structlog
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from jobs.kit.rights import name_of, require
from jobs.lifecycle import MoveRefused
from jobs.models import Pause
from reviews.models import Destination

log = structlog.get_logger(__name__)
REASON = "person"


def pause_deliveries(
    destination: Destination | None = None, *, by: User, note: str = ""
) -> Pause:
    """From now on nothing is sent there, or without a destination: nowhere."""
    require(by, "jobs.add_pause")
    said = f"{destination}: {note}" if destination and note else note or destination
    try:
        with transaction.atomic():
            pause = Pause.objects.create(
                scope=scope_of(destination),
                reason=REASON,
                note=str(said or "")[:500],
                actor=name_of(by),
                began_at=timezone.now(),
            )
    except IntegrityError as error:
        raise MoveRefused(f"{_named(destination)} are paused already.") from error
    log.info("deliveries were paused", scope=pause.scope, actor=pause.actor)
    return pause


def resume_deliveries(destination: Destination | None = None, *, by: User) -> None:
    """What waited is sent again, in its order."""
    require(by, "jobs.change_pause")
    scope = scope_of(destination)
    held = Pause.objects.active().filter(scope=scope)
    if not held.update(ended_at=timezone.now()):
        raise MoveRefused(f"{_named(destination)} are not paused.")
    log.info("deliveries were resumed", scope=scope, actor=name_of(by))


def scope_of(destination: Destination | None) -> str:
    return destination.pause_scope if destination else Pause.DELIVERIES


def _named(destination: Destination | None) -> str:
    return f"Deliveries to {destination}" if destination else "Deliveries"

"""An errand: a claimed row on its way to the provider and back."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from jobs.models import Attempt, Job, Pause
from jobs.provider.base import ProviderFault, Snapshot, StartRequest

# A request takes at most 12 s (PATIENCE in provider/openai.py): nobody asks a second
# time while the first may still be under way.
LEASE = timedelta(seconds=15)


class Kind(StrEnum):
    """What the provider is asked."""

    START = "start"
    LOOK = "look"
    STOP = "stop"
    DELETE = "delete"


@dataclass
class Errand:
    """`lease`: what the claim set wake_at to; `reply`: filled in on the way back.

    `probe`: the pause that ends if this start is accepted.
    """

    kind: Kind
    job: Job
    attempt: Attempt
    lease: datetime
    request: StartRequest | None = None
    probe: Pause | None = None
    reply: Snapshot | ProviderFault | None = field(default=None, repr=False)

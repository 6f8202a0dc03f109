"""Panels on the job page that other apps put there: jobs knows nothing of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest

from jobs.models import Job


@dataclass(frozen=True)
class Panel:
    """A template and its context; `action`: address and words of the next step.

    `verbs`: addresses and words of what else can be done, each by a POST.
    `banner`: a template with the same context that stands above everything else.
    """

    template: str
    context: dict[str, Any] = field(default_factory=dict)
    action: tuple[str, str] | None = None
    verbs: tuple[tuple[str, str], ...] = ()
    banner: str = ""


PanelMaker = Callable[[HttpRequest, Job], Panel | None]
_makers: list[PanelMaker] = []


def register(maker: PanelMaker) -> PanelMaker:
    """Have `maker` asked for a panel whenever a job page is shown."""
    _makers.append(maker)
    return maker


def panels_of(request: HttpRequest, job: Job) -> list[Panel]:
    """The panels that have something to say about this job to this person."""
    made = (maker(request, job) for maker in _makers)
    return [panel for panel in made if panel is not None]

"""Making the demo's database and pages ready, as often as it is started."""

import fcntl
import os

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import OperationalError, connection

from bgreview.demo.catalogue import load_destinations, load_types
from bgreview.demo.people import SHOP, make_people
from bgreview.demo.place import Problem
from bgreview.demo.scenes import CANCELLED, Scene
from bgreview.demo.shop import NAME
from jobs.models import Job
from jobs.services.cancel import cancel_job
from jobs.services.retry import retry_job

FORGOTTEN = "The sandbox was started anew, and keeps nothing: this run is lost."


class NotOurs(Problem):
    """The database that was given cannot be used; says why."""


def set_up(receiver: str, webhook_secret: str, scenes: list[Scene]) -> None:
    """Everything that must be there before web server and worker start."""
    call_command("migrate", interactive=False, verbosity=0)
    make_people()
    load_types()
    load_destinations(receiver, webhook_secret)
    set_going_again({scene.key: scene for scene in scenes})
    collect_static()


def check_database(*, once: bool) -> None:
    """Whether a DATABASE_URL that was given may be used: our passwords are known."""
    try:
        tables = connection.introspection.table_names()
    except OperationalError as error:
        raise NotOurs(f"DATABASE_URL leads nowhere: {error}") from error
    if "jobs_job" not in tables:
        return
    if not User.objects.filter(username=SHOP).exists() and User.objects.exists():
        raise NotOurs("DATABASE_URL leads to a database with people of its own.")
    if once and Job.objects.exists():
        raise NotOurs("DATABASE_URL leads to a database with jobs; --once needs none.")


def set_going_again(scenes: dict[str, Scene]) -> None:
    """What ran when the demo was stopped: the operator cancels and retries it."""
    for job in Job.objects.filter(status=Job.Status.RUNNING):
        olivia = User.objects.get(username="olivia")
        cancel_job(job, by=olivia, note=FORGOTTEN)
        scene = scenes.get(job.metadata.get(NAME, ""))
        if scene is None or scene.fate != CANCELLED:
            retry_job(job, by=olivia, note="Once more, from the start.")


def collect_static() -> None:
    """One demo after the other: two at once would each copy what both lack."""
    settings.VAR_DIR.mkdir(exist_ok=True)
    handle = os.open(settings.VAR_DIR, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        call_command("collectstatic", interactive=False, verbosity=0)
    finally:
        os.close(handle)

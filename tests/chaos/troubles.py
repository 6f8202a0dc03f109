"""What is killed and broken: each trouble is a function of the house and the dice.

Named points are reached through what stands around the product, not through hooks in
it: the sandbox or the receiver holds an answer back, or a job's row is locked from
here, and whoever waits for it is killed just then.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from signal import SIGQUIT

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from psutil import Process

from jobs.models import Job, Sweep
from reviews.models import Delivery
from tests.chaos.house import WORKERS, House, kill

PATIENCE = 40.0  # seconds for a point to be reached; then the trouble did not come off
LONG_FAULT = 6.0  # seconds that a storm lasts


@dataclass(frozen=True)
class Trouble:
    """`strike` returns how many were killed; its end is when it returns."""

    name: str
    strike: Callable[[House, Random], int]


# ---- kills at random -------------------------------------------------------------


def kill_a_worker(house: House, dice: Random) -> int:
    """Busy or idle, as it happens; or the monitor or the pusher beside them."""
    return _kill_one_of(house.workers(dice.choice(WORKERS)), dice)


def kill_who_sweeps(house: House, dice: Random) -> int:
    return sum(map(kill, house.sweeping(Sweep.PROVIDER)))


def kill_who_sends(house: House, dice: Random) -> int:
    return sum(map(kill, house.sweeping(Sweep.OUTBOX)))


def kill_a_sentinel(house: House, dice: Random) -> int:
    return _kill_one_of(house.sentinels(dice.choice(WORKERS)), dice)


def kill_a_cluster(house: House, dice: Random) -> int:
    clusters = house.clusters(dice.choice(WORKERS))
    if not clusters:
        return 0
    cluster = dice.choice(clusters)
    family = [cluster, *cluster.children(recursive=True)]
    return sum(kill(one.pid) for one in family)


def kill_a_worker_command(house: House, dice: Random) -> int:
    """With all below it, at once; whoever supervises it starts it again."""
    name = dice.choice(WORKERS)
    killed = 1 + len(house.family(name))
    house.kill_tree(name)
    house.restart_the_dead()
    return killed


def kill_the_web(house: House, dice: Random) -> int:
    house.kill_web()
    house.restart_the_dead()
    return 1


def stop_a_worker_command(house: House, dice: Random) -> int:
    """As a deployment does it, in the middle of whatever it does."""
    house.stop_worker(dice.choice(WORKERS))
    house.restart_the_dead()
    return 0


def cut_connections(house: House, dice: Random) -> int:
    """The database drops everybody but us, idle or in a transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    return 0


def kill_the_database(house: House, dice: Random) -> int:
    """As if it had crashed; it is back two seconds later."""
    connection.close()
    house.postgres.stop(SIGQUIT)
    time.sleep(2)
    house.postgres.start()
    return 1


# ---- kills at named points -------------------------------------------------------


def before_create(house: House, dice: Random) -> int:
    """The attempt is stored, the request has left, the provider did nothing yet."""
    return _kill_while_held(house, "silence-before", "create")


def between_create_and_note(house: House, dice: Random) -> int:
    """The provider has begun a response of which we do not know the id."""
    return _kill_while_held(house, "silence-after", "create")


def between_retrieve_and_apply(house: House, dice: Random) -> int:
    """The answer is here; who applies it waits for the job's row, and dies there."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        Job.objects.all().wake()
        now = timezone.now()
        asked = Job.objects.filter(status=Job.Status.RUNNING, lease_until__gt=now)
        with _rows_locked(asked) as locked:
            if locked and _somebody_waits_for_a_lock(0.5):
                return kill_who_sweeps(house, dice)
    return 0


def between_send_and_record(house: House, dice: Random) -> int:
    """The receiver has it; who records that waits for the job's row, and dies there."""
    house.hold_receiver(2)
    try:
        sent = Job.objects.filter(deliveries__status=Delivery.Status.SENDING)
        if not _until(sent.exists):
            return 0
        ids = list(sent.values_list("pk", flat=True))
        with _rows_locked(Job.objects.filter(pk__in=ids)):
            house.hold_receiver(0)
            if not _somebody_waits_for_a_lock(PATIENCE):
                return 0
            return kill_who_sends(house, dice)
    finally:
        house.hold_receiver(0)


# ---- the provider and its webhooks -----------------------------------------------


def storm(fault: str, **how: object) -> Trouble:
    """A fault that lasts for some seconds."""

    def strike(house: House, dice: Random) -> int:
        house.order(fault, seconds=LONG_FAULT, scale=1, **how)
        time.sleep(LONG_FAULT)
        return 0

    return Trouble(fault, strike)


KILLS = [
    Trouble("a worker is killed", kill_a_worker),
    Trouble("who sweeps is killed", kill_who_sweeps),
    Trouble("who sends is killed", kill_who_sends),
    Trouble("a sentinel is killed", kill_a_sentinel),
    Trouble("a cluster is killed", kill_a_cluster),
    Trouble("a worker command is killed", kill_a_worker_command),
    Trouble("the web server is killed", kill_the_web),
    Trouble("a worker command is told to stop", stop_a_worker_command),
    Trouble("all database connections are cut", cut_connections),
]
POINTS = [
    Trouble("killed before create", before_create),
    Trouble("killed between create and note", between_create_and_note),
    Trouble("killed between retrieve and apply", between_retrieve_and_apply),
    Trouble("killed between send and record", between_send_and_record),
]
DATABASE = Trouble("the database crashes", kill_the_database)
STORMS = [
    storm("rate-limit"),
    storm("rate-limit-seconds"),
    storm("rate-limit-date", rate=0.5),
    storm("rate-limit-decade", rate=0.1),
    storm("no-quota", on="create"),
    storm("wrong-key", rate=0.5),
    storm("server-error", rate=0.7),
    storm("bad-gateway", rate=0.7),
    storm("bad-gateway-after", rate=0.3),
    storm("overloaded"),
    storm("reset-before", rate=0.5),
    storm("reset-after", rate=0.3),
    storm("silence-before", rate=0.1),
    storm("silence-after", rate=0.1),
    storm("broken-off", rate=0.5),
    storm("drip", rate=0.1),
    storm("truncated-json", rate=0.5),
    storm("html", rate=0.5),
    storm("gzip-bomb", rate=0.1),
    storm("huge-body", rate=0.02),
    storm("empty-object", rate=0.5),
    storm("empty-list", rate=0.5),
    storm("wrong-type", rate=0.5),
    storm("unknown-status", rate=0.05),
    storm("same-id", rate=0.1),
    storm("other-id", rate=0.1),
    storm("early-404"),
    storm("relapse", rate=0.5),
    storm("late-completion"),
    storm("cancel-409"),
]
MISCHIEF = {  # of the webhooks, all the time
    "webhook-drop": 0.2,
    "webhook-duplicate": 0.2,
    "webhook-delay": 0.1,
    "webhook-reorder": 0.2,
    "webhook-forge": 0.2,
    "webhook-stale": 0.1,
}


# ---- how points are reached ------------------------------------------------------


def _kill_while_held(house: House, fault: str, call: str) -> int:
    before = house.played(fault)
    house.order(fault, on=call, count=1)
    if not _until(lambda: house.played(fault) > before):
        return 0
    return sum(map(kill, house.sweeping(Sweep.PROVIDER)))


@contextmanager
def _rows_locked(jobs: QuerySet[Job]) -> Iterator[list[Job]]:
    with transaction.atomic():
        rows = jobs.order_by("pk").select_for_update(skip_locked=True, of=("self",))
        yield list(rows)


def _somebody_waits_for_a_lock(patience: float) -> bool:
    """Somebody else's query stands still for one of ours."""

    def waits() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
            )
            return cursor.fetchone()[0] > 0

    return _until(waits, patience)


def _until(holds: Callable[[], bool], patience: float = PATIENCE) -> bool:
    until = time.monotonic() + patience
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def _kill_one_of(processes: list[Process], dice: Random) -> int:
    return int(kill(dice.choice(processes).pid)) if processes else 0

"""What strikes while the demo runs with --chaos: one table.

Only what the demo itself started is killed: the worker command and what is below it,
and the web server.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

import psutil

from bgreview.demo.provider import Provider
from bgreview.demo.servers import Servers
from jobs.models import Sweep

BESIDE = 2  # monitor and pusher, which a cluster starts after its workers


@dataclass(frozen=True)
class Stage:
    """Whom troubles can strike, and the dice that choose among several."""

    servers: Servers
    provider: Provider
    dice: Random


@dataclass(frozen=True)
class Trouble:
    """`strike` says how many processes it killed; a fault stays for some `seconds`."""

    says: str
    strike: Callable[[Stage], int]
    seconds: float = 0.0


def plan(dice: Random) -> list[Trouble]:
    """All of them, in an order that the dice's seed repeats."""
    return dice.sample(TROUBLES, len(TROUBLES))


# ---- kills -----------------------------------------------------------------------


def kill_who_sweeps(stage: Stage) -> int:
    at_work = _at_work()
    return _kill(one for one in _workers(stage) if one.pid in at_work)


def kill_an_idle_worker(stage: Stage) -> int:
    at_work = _at_work()
    return _kill_one(stage, [w for w in _workers(stage) if w.pid not in at_work])


def kill_a_sentinel(stage: Stage) -> int:
    return _kill_one(stage, _sentinels(stage))


def kill_a_cluster(stage: Stage) -> int:
    if not (clusters := _clusters(stage)):
        return 0
    cluster = stage.dice.choice(clusters)
    return _kill([cluster, *cluster.children(recursive=True)])


def kill_the_worker_command(stage: Stage) -> int:
    return stage.servers.kill_and_restart("worker")


def kill_the_web_server(stage: Stage) -> int:
    return stage.servers.kill_and_restart("web")


def _clusters(stage: Stage) -> list[psutil.Process]:
    return _children(psutil.Process(stage.servers.pid("worker")))


def _sentinels(stage: Stage) -> list[psutil.Process]:
    """The guards of django-q2: each cluster has one, with the workers below."""
    return [child for one in _clusters(stage) for child in _children(one)]


def _workers(stage: Stage) -> list[psutil.Process]:
    families = [sorted(_children(s), key=_age) for s in _sentinels(stage)]
    return [worker for family in families for worker in family[:-BESIDE]]


def _age(process: psutil.Process) -> tuple[float, int]:
    return process.create_time(), process.pid


def _at_work() -> set[int]:
    return set(Sweep.objects.filter(ended_at=None).values_list("pid", flat=True))


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children())
    except psutil.NoSuchProcess:
        return []


def _kill_one(stage: Stage, processes: list[psutil.Process]) -> int:
    return _kill([stage.dice.choice(processes)]) if processes else 0


def _kill(processes: Iterable[psutil.Process]) -> int:
    killed = 0
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
        killed += 1
    return killed


# ---- faults of the provider and its webhooks --------------------------------------


def fault(says: str, faults: dict[str, float], seconds: float = 2.0) -> Trouble:
    """These of the sandbox's faults, each at its rate, until they are cleared."""

    def strike(stage: Stage) -> int:
        for name, rate in faults.items():
            stage.provider.order(name, rate=rate)
        return 0

    return Trouble(says, strike, seconds)


MISCHIEF = {"webhook-drop": 0.4, "webhook-duplicate": 0.6, "webhook-forge": 0.8}
TROUBLES = [
    Trouble("SIGKILL to the sweeping process", kill_who_sweeps),
    Trouble("SIGKILL to an idle worker", kill_an_idle_worker),
    Trouble("SIGKILL to a sentinel", kill_a_sentinel),
    Trouble("SIGKILL to a whole cluster", kill_a_cluster),
    Trouble("SIGKILL to the worker command and all below it", kill_the_worker_command),
    Trouble("SIGKILL to the web server", kill_the_web_server),
    fault("The provider answers 429", {"rate-limit": 1}),
    fault("The provider answers 500", {"server-error": 1}),
    fault("The provider hangs up before it has heard a call", {"reset-before": 1}),
    fault("The provider hangs up after it has heard a call", {"reset-after": 1}),
    fault("The provider sends half of its JSON", {"truncated-json": 1}),
    fault("The provider sends 200 and a page of HTML", {"html": 1}),
    fault("The provider falls silent", {"silence-before": 0.5}),
    fault("Webhooks are dropped, doubled and forged", MISCHIEF, seconds=5.0),
]

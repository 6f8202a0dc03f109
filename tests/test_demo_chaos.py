"""`demo --chaos`: its troubles, what is told of them, and who puts right what is left.

That nothing is lost is shown by `make demo CHAOS=1` itself.
"""

import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import httpx2
import psutil
import pytest

from bgreview.audit import Report
from bgreview.client import Unreachable
from bgreview.demo import chaos
from bgreview.demo.chaos import Chaos
from bgreview.demo.fates import EXPECTED, Ending, Fate
from bgreview.demo.operators import (
    check_what_waits_long,
    retry_what_ended_wrongly,
    see_to_deliveries,
)
from bgreview.demo.play import Play
from bgreview.demo.proof import Proof
from bgreview.demo.provider import Provider
from bgreview.demo.scenes import Scene
from bgreview.demo.troubles import TROUBLES, Stage, Trouble, fault, plan
from bgreview.processes import Processes
from jobs.doctor.checks import Found
from jobs.doctor.visit import Diagnosis
from jobs.models import Job
from jobs.sandbox.app import make_app
from jobs.sandbox.serving import Served, serve
from jobs.services.cancel import cancel_job
from tests.deliveries import only_delivery
from tests.house import bring_to, submit
from tests.test_demo import STARTS_WITHIN, wait_until
from tests.test_ways_on import bring_delivery_to


def a_scene(key: str = "01-a-note", fate: str = "rejected") -> Scene:
    return Scene(key, "note", key, {}, fate, "")


# ---- the table -------------------------------------------------------------------


@pytest.fixture
def sandbox() -> Iterator[Served]:
    with serve(make_app(scale=0.001)) as served:
        yield served


class Servers:
    """Ours, at work or not."""

    def __init__(self, at_work: bool = True) -> None:
        self.at_work = at_work

    def are_at_work(self, since: object) -> bool:
        return self.at_work


def stage(sandbox: Served, servers: Servers | None = None) -> Stage:
    return Stage(servers or Servers(), Provider(sandbox.url), Random(1))


def call(sandbox: Served) -> int:
    key = {"Authorization": "Bearer sk-tests"}
    return httpx2.get(
        f"{sandbox.base_url}/models", headers=key, verify=False
    ).status_code


def test_a_seed_repeats_the_order_of_all_troubles():
    assert plan(Random(7)) == plan(Random(7)) != plan(Random(8))
    assert sorted(t.says for t in plan(Random(7))) == sorted(t.says for t in TROUBLES)


def test_the_sandbox_can_play_every_fault_and_forgets_it_when_told(sandbox):
    faults = [trouble for trouble in TROUBLES if trouble.seconds]
    for trouble in faults:
        assert trouble.strike(stage(sandbox)) == 0
    address = f"{sandbox.url}/sandbox/faults"
    assert len(httpx2.get(address, verify=False).json()["data"]) >= len(faults) > 0

    Provider(sandbox.url).clear()
    assert httpx2.get(address, verify=False).json()["data"] == []


def test_calls_that_met_a_fault_are_counted(sandbox):
    provider = Provider(sandbox.url)
    assert provider.played() == 0
    provider.order("server-error", rate=1)
    assert call(sandbox) == 500
    assert provider.played() == 1


# ---- the story -------------------------------------------------------------------


class NobodyElse:
    """A play without any more scenes."""

    def bring_on(self) -> None:
        pass


@pytest.fixture
def told(db, monkeypatch) -> list[str]:
    monkeypatch.setattr(chaos, "REST", 0)
    return []


def story(on: Stage, told: list[str], monkeypatch, *troubles: Trouble) -> Chaos:
    monkeypatch.setattr(chaos, "plan", lambda dice: troubles)
    return Chaos(on, NobodyElse(), told.append)


def play_out(story: Chaos) -> None:
    while story.turn():
        pass


def test_each_trouble_is_told_when_work_goes_on(sandbox, told, monkeypatch):
    troubles = [Trouble("SIGKILL to a few", lambda stage: 3)] * 2
    story_ = story(stage(sandbox), told, monkeypatch, *troubles)
    play_out(story_)
    assert told[0].startswith("SIGKILL to a few: 3 killed, work went on after 0.")
    assert len(told) == 3
    assert (story_.kills, len(story_.resumed), story_.stuck) == (6, 2, [])


def test_a_fault_stays_until_a_call_has_met_it(sandbox, told, monkeypatch):
    trouble = fault("The provider answers 500", {"server-error": 1}, seconds=1e-9)
    story_ = story(stage(sandbox), told, monkeypatch, trouble)
    for _ in range(20):
        assert story_.turn()
    assert told == []
    assert call(sandbox) == 500

    play_out(story_)
    assert story_.faults == 1
    assert "1 met it" in told[0]
    assert call(sandbox) == 200


def test_a_fault_that_nobody_meets_ends_all_the_same(sandbox, told, monkeypatch):
    monkeypatch.setattr(chaos, "UNMET", 0)
    trouble = fault("The provider answers 500", {"server-error": 1}, seconds=1e-9)
    play_out(story(stage(sandbox), told, monkeypatch, trouble))
    assert "nobody met it" in told[0]


def test_where_work_does_not_go_on_it_is_said(sandbox, told, monkeypatch):
    monkeypatch.setattr(chaos, "PATIENCE", 0)
    nobody = stage(sandbox, Servers(at_work=False))
    story_ = story(nobody, told, monkeypatch, Trouble("A blow", lambda stage: 1))
    play_out(story_)
    assert story_.stuck == ["A blow: no work for 0 s"]


def test_a_job_that_is_due_and_not_begun_is_no_work_going_on(
    note, shop, sandbox, told, monkeypatch
):
    monkeypatch.setattr(chaos, "PATIENCE", 0)
    submit(shop)
    story_ = story(stage(sandbox), told, monkeypatch, Trouble("A blow", lambda _: 1))
    play_out(story_)
    assert len(story_.stuck) == 1


def test_a_trouble_that_finds_nobody_is_said(sandbox, told, monkeypatch):
    monkeypatch.setattr(chaos, "PATIENCE", 0)
    trouble = Trouble("SIGKILL to a ghost", lambda stage: 0)
    story_ = story(stage(sandbox), told, monkeypatch, trouble)
    play_out(story_)
    assert story_.stuck == ["SIGKILL to a ghost: nobody was there"]


# ---- the play --------------------------------------------------------------------


class Shop:
    """A shop that takes what is submitted, while it answers."""

    def __init__(self) -> None:
        self.answers, self.there = True, {}

    def submitted(self) -> dict:
        return self.there

    def submit(self, scene: Scene) -> dict:
        if not self.answers:
            raise Unreachable("no web server")
        return {"id": f"new {scene.key}", "status": "queued"}


def test_scenes_come_in_one_by_one_each_once():
    shop = Shop()
    scenes = [a_scene(key) for key in "abc"]
    play = Play(shop, scenes, print, once=True, at_first=1)
    play.begin()
    assert list(play.jobs) == ["a"]

    shop.answers = False
    play.bring_on()
    assert list(play.jobs) == ["a"]

    shop.answers, shop.there = True, {"b": {"id": "taken", "status": "queued"}}
    for _ in range(3):
        play.bring_on()
    assert [job["id"] for job in play.jobs.values()] == ["new a", "taken", "new c"]
    assert (play.scenes, play.to_come) == (scenes, [])


# ---- the fates -------------------------------------------------------------------

DELIVERED = EXPECTED["delivered_by_webhook"]
FAILED = EXPECTED["failed_on_bad_input"]
BAD = "malformed_input"


@pytest.mark.parametrize(
    ("expected", "seen", "right"),
    [
        (DELIVERED, replace(DELIVERED, failures=("transient", "timeout")), True),
        (DELIVERED, replace(DELIVERED, webhooks=2), False),
        (DELIVERED, replace(DELIVERED, wrong=("Event 2 is missing.",)), False),
        (DELIVERED, Ending("failed", failures=("transient",)), False),
        (EXPECTED["failed_once_then_delivered"], DELIVERED, True),
        (EXPECTED["cancelled"], Ending("cancelled"), True),
        (FAILED, replace(FAILED, failures=("transient", BAD)), True),
        (FAILED, replace(FAILED, failures=(BAD, "transient")), False),
    ],
)
def test_in_chaos_a_fate_may_cost_more_tries_and_nothing_else(expected, seen, right):
    assert Fate(a_scene(), expected, seen, troubled=True).is_right == right
    assert not Fate(a_scene(), expected, seen).is_right


# ---- the operator ----------------------------------------------------------------


def scenes_of(job: Job, fate: str) -> dict[str, Scene]:
    return {str(job.public_id): a_scene(fate=fate)}


@pytest.fixture
def failed(note, shop, courier) -> Job:
    return bring_to("failed", submit(shop, "[sandbox:bad-input]"), courier)


@pytest.mark.parametrize(
    ("fate", "retried"), [("failed_on_bad_input", 0), ("delivered_by_webhook", 1)]
)
def test_what_failed_is_retried_unless_its_scene_says_so(fate, retried, failed, olivia):
    assert retry_what_ended_wrongly(olivia, scenes_of(failed, fate)) == retried
    failed.refresh_from_db()
    assert failed.status == ("queued" if retried else "failed")


def test_what_failed_for_another_reason_than_its_scene_says_is_retried(
    note, shop, courier, olivia
):
    said = "[sandbox:error=bio_policy]"
    job = bring_to("failed", submit(shop, said), courier)
    scenes = scenes_of(job, "failed_on_bad_input")
    assert retry_what_ended_wrongly(olivia, scenes) == 1


@pytest.mark.parametrize(("fate", "retried"), [("cancelled", 0), ("rejected", 1)])
def test_what_was_cancelled_stays_so_if_its_scene_says_so(
    fate, retried, note, shop, olivia
):
    job = cancel_job(submit(shop), by=shop)
    assert retry_what_ended_wrongly(olivia, scenes_of(job, fate)) == retried


def test_what_was_put_off_is_looked_at_now(note, shop, olivia):
    job = submit(shop)
    Job.objects.update(wake_at=job.deadline_at)
    check_what_waits_long(olivia)
    job.refresh_from_db()
    assert job.wake_at < job.deadline_at


@pytest.mark.parametrize(
    ("arrived", "becomes"), [(True, "delivered"), (False, "pending")]
)
def test_she_looks_whether_a_mail_has_arrived(
    arrived, becomes, inbox, approval, olivia
):
    bring_delivery_to("uncertain")
    asked = []
    assert see_to_deliveries(olivia, lambda job: asked.append(job) or arrived) == 1
    assert only_delivery().status == becomes
    assert asked == [str(only_delivery().job.public_id)]


# ---- the proof -------------------------------------------------------------------


def test_the_proof_fails_for_whatever_is_wrong(db, sandbox):
    found = {"a_rule": [Found("job 1", "It is wrong.")]}
    quiet = Chaos(stage(sandbox), NobodyElse(), print)
    stuck = replace(quiet, stuck=["A blow: no work for 30 s"])
    clean = Proof(Report(), Diagnosis({}), quiet, mails=0)

    assert clean.reasons == []
    assert replace(clean, report=Report(lost=["job 2: gone"])).reasons
    assert replace(clean, diagnosis=Diagnosis(found)).reasons == ["job 1: It is wrong."]
    assert replace(clean, chaos=stuck).reasons == stuck.stuck


def test_its_last_line_says_it_all(db, sandbox):
    story_ = Chaos(stage(sandbox), NobodyElse(), print, kills=5, resumed=[0.4, 2.6])
    proof = Proof(Report(orphans=["job 3"]), Diagnosis({}), story_, mails=0)
    assert proof.last_line == (
        "lost 0, doubled 0, unapproved 0, orphans 1, kills 5, resumed within 3 s"
    )


# ---- its kills -------------------------------------------------------------------

PARENT = """
import subprocess, time
near = subprocess.Popen(["sleep", "60"])
leader = ["sh", "-c", "(sleep 60 & echo $!); exec sleep 60"]
far = subprocess.Popen(leader, start_new_session=True, stdout=subprocess.PIPE)
orphan = far.stdout.readline().decode().strip()
print(near.pid, far.pid, orphan, flush=True)
time.sleep(60)
"""


def lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_a_kill_takes_all_that_it_started_and_another_may_take_its_place(tmp_path):
    log = tmp_path / "parent.log"
    command = [sys.executable, "-c", PARENT]
    with Processes({}, tmp_path) as house:
        first = house.start("parent", command)
        wait_until(
            lambda: log.exists() and log.read_text().endswith("\n"), STARTS_WITHIN
        )
        family = [psutil.Process(int(pid)) for pid in log.read_text().split()]
        assert house.kill("parent") == 3
        assert first.returncode == -signal.SIGKILL
        assert not any(map(lives, family))

        assert house.ended() == ["parent"]
        second = house.start("parent", command)
        assert (house.ended(), house.pid("parent")) == ([], second.pid)

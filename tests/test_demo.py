"""The demo: its surroundings, its receiver, and all of it as real processes."""

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import psutil
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from standardwebhooks.webhooks import Webhook

from bgreview import processes
from bgreview.demo import catalogue, environment, receiver
from bgreview.demo.people import PASSWORD, PEOPLE, make_people
from bgreview.demo.place import InUse, Place, webhook_secret
from bgreview.demo.play import Play
from bgreview.demo.scenes import Scene, read_scenes
from bgreview.demo.setting_up import NotOurs, check_database, set_going_again
from bgreview.processes import ROOT, PortTaken, Processes, free_port
from jobs.models import Attempt, Job, JobType, Sweep
from jobs.sandbox.serving import serve
from jobs.services.verify import broken_links
from reviews.models import Destination, DestinationVersion
from tests import migrated
from tests.house import SECRET, bring_to, submit

ENDS_WITHIN = 10  # seconds after it was told to
STARTS_WITHIN = 60  # on a machine with much else to do
PLAYS_WITHIN = 170


@pytest.fixture
def place(tmp_path: Path) -> Place:
    folder = tmp_path / "demo"
    folder.mkdir()
    return Place(folder)


# ---- its surroundings ------------------------------------------------------------


def test_no_setting_is_left_to_the_developers_environment(place):
    settings = (ROOT / "bgreview" / "settings.py").read_text()
    read = set(re.findall(r"""env\.\w+\(\s*["'](\w+)""", settings))
    assert {"PROVIDER", "DATABASE_URL", "EMAIL_URL"} <= read
    assert read <= set(environment.environment(place, place.urls()))


def test_a_database_is_taken_from_the_environment_but_not_from_the_env_file(
    place, tmp_path, monkeypatch
):
    theirs = "postgres://ours@db.example/production"
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setenv("DATABASE_URL", theirs)
    urls = place.urls()
    assert environment.environment(place, urls)["DATABASE_URL"] == theirs

    (tmp_path / ".env").write_text(f"DATABASE_URL={theirs}\n")
    found = environment.environment(place, urls)["DATABASE_URL"]
    assert found == f"sqlite:///{place.database}"


def test_a_database_with_other_people_is_left_alone(db):
    check_database(once=True)
    User.objects.create_user("somebody")
    with pytest.raises(NotOurs):
        check_database(once=False)


def test_with_other_settings_than_its_own_it_does_not_begin():
    with pytest.raises(CommandError, match="settings of its own"):
        call_command("demo")


def test_secret_and_ports_stay_what_they_were(place):
    secret, ports = place.secret(), place.ports()
    assert len(set(ports.values())) == 3
    assert (place.secret(), place.ports()) == (secret, ports)


def test_a_port_that_was_asked_for_and_is_taken_is_refused(place, monkeypatch):
    with serve(receiver.make_app(SECRET, place.ledger)) as served:
        port = served.url.rpartition(":")[2]
        monkeypatch.setenv("DEMO_WEB_PORT", port)
        with pytest.raises(PortTaken, match=f"DEMO_WEB_PORT: port {port}"):
            place.ports()


def test_a_port_that_was_taken_since_last_time_is_replaced(place):
    before = place.ports()
    with serve(receiver.make_app(SECRET, place.ledger), port=before["receiver"]):
        after = place.ports()
    assert after["receiver"] != before["receiver"]
    assert after["web"] == before["web"]


def test_a_free_port_is_found_once_and_given_to_nobody_by_chance():
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        given = somebody.getsockname()[1]
    found = {free_port() for _ in range(20)}
    assert len(found) == 20
    assert given > max(found)
    with pytest.raises(PortTaken, match="none could be had"):
        free_port(host="192.0.2.1")  # no address of any machine


def test_clearing_removes_what_the_demo_made_and_nothing_else(place):
    place.ports()
    place.secret()
    theirs = place.folder / "thesis.txt"
    theirs.write_text("not the demo's")
    place.clear()
    assert list(place.folder.iterdir()) == [theirs]


def test_two_demos_cannot_share_a_place(place):
    place.take()
    with pytest.raises(InUse):
        place.take()


# ---- what it works with ----------------------------------------------------------


def test_types_get_a_new_version_only_when_their_file_says_something_new(db):
    catalogue.load_types()
    said = json.loads((catalogue.TYPES / "freeform.json").read_text())
    catalogue.load_types()
    freeform = JobType.objects.get(name="freeform")
    assert freeform.versions.count() == 1
    assert freeform.current.review_policy.hours == said["review_policy"]["hours"]

    catalogue.load_type(said | {"instructions": "Answer in rhymes."})
    assert freeform.current.number == 2


def test_a_destination_gets_a_new_version_only_with_a_new_address(db):
    catalogue.load_types()
    for port in (1001, 1001, 1002):
        catalogue.load_destinations(f"http://127.0.0.1:{port}", SECRET)
    versions = DestinationVersion.objects.filter(destination__name="Order system")
    assert [v.address for v in versions.order_by("number")] == [
        "http://127.0.0.1:1001/approved",
        "http://127.0.0.1:1002/approved",
    ]
    types = Destination.objects.get(name="Letters going out").job_types
    assert [one.name for one in types.all()] == ["customer-reply"]


def test_its_people_can_log_in_and_only_the_program_cannot(db):
    make_people()
    make_people()
    assert User.objects.count() == len(PEOPLE) + 1
    assert all(User.objects.get(username=n).check_password(PASSWORD) for n in PEOPLE)
    shop = User.objects.get(username="shop")
    assert (shop.is_staff, shop.has_usable_password()) == (False, False)


def test_what_ran_when_it_was_stopped_is_set_going_again(note, shop, olivia, courier):
    job = bring_to("running", submit(shop, "Hello. [sandbox:slow]"), courier)
    set_going_again({})
    job.refresh_from_db()
    assert job.status == "queued"
    moves = job.events.filter(actor="olivia").order_by("seq")
    assert [event.became for event in moves] == ["cancelled", "queued"]
    assert broken_links(job) == []


class ShopWith:
    """A shop where these were submitted before, by the key of their scene."""

    def __init__(self, **statuses: str) -> None:
        self.there = {key: {"id": key, "status": s} for key, s in statuses.items()}

    def submitted(self) -> dict:
        return self.there

    def submit(self, scene: Scene) -> dict:
        return {"id": f"new {scene.key}", "status": "queued"}


def test_only_what_is_missing_or_was_reviewed_by_nobody_is_submitted():
    scenes = [Scene(key, "note", key, {}, "rejected", "") for key in "abc"]
    play = Play(ShopWith(a="rejected", b="abandoned"), scenes, print, once=False)
    play.begin()
    assert [job["id"] for job in play.jobs.values()] == ["a", "new b", "new c"]


# ---- its receiver ----------------------------------------------------------------


@pytest.fixture
def receiver_url(place: Place) -> Iterator[str]:
    with serve(receiver.make_app(SECRET, place.ledger)) as served:
        yield f"{served.url}/approved"


def post(url: str, event: dict, secret: str = SECRET) -> int:
    body, now = json.dumps(event), datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", now, body),
    }
    return httpx2.post(url, content=body, headers=headers).status_code


def an_event(content_hash: str) -> dict:
    return {"data": {"content": {"b": 1, "a": "é"}, "content_sha256": content_hash}}


def test_the_receiver_notes_what_is_signed(receiver_url, place):
    event = an_event(receiver.hash_of({"a": "é", "b": 1}))
    assert post(receiver_url, event) == 204
    (line,) = map(json.loads, place.ledger.read_text().splitlines())
    assert (line["webhook_id"], line["event"]) == ("msg_1", event)


def test_the_receiver_refuses_another_signature_or_hash(receiver_url, place):
    right = an_event(receiver.hash_of({"a": "é", "b": 1}))
    assert post(receiver_url, right, webhook_secret("another")) == 400
    assert post(receiver_url, an_event("0" * 64)) == 400
    assert not place.ledger.exists()


# ---- its processes ---------------------------------------------------------------

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if len(sys.argv) == 1:
    again = [sys.executable, __file__, "once more"]
    print(subprocess.Popen(again, start_new_session=True).pid, flush=True)
time.sleep(60)
"""


def test_who_will_not_end_is_killed_with_all_that_it_started(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "GRACE", 0.1)
    program, log = tmp_path / "stubborn.py", tmp_path / "stubborn.log"
    program.write_text(STUBBORN)
    with Processes({}, tmp_path) as house:
        first = house.start("stubborn", [sys.executable, str(program)])
        wait_until(lambda: log.read_text().endswith("\n"), STARTS_WITHIN)
        second = psutil.Process(int(log.read_text()))
    assert first.returncode == -signal.SIGKILL
    assert not second.is_running() or second.status() == psutil.STATUS_ZOMBIE


# ---- all of it, as real processes ------------------------------------------------


class Demo:
    """`manage.py demo` in a process of its own, with its files in `folder`."""

    def __init__(self, folder: Path, env: dict[str, str], *arguments: str) -> None:
        self.folder, self.told = folder, folder.parent / "told"
        with self.told.open("w") as told:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "demo", *arguments],
                cwd=ROOT,
                env=env | {"DEMO_DIR": str(folder)},
                stdout=told,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self.told.read_text()

    def wait_for(self, words: str, seconds: float) -> None:
        wait_until(
            lambda: words in self.output or self.process.poll() is not None, seconds
        )
        assert words in self.output, self.output

    def finish(self, seconds: float) -> int:
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"still at work after {seconds:g} s:\n{self.output}")

    def tell(self, number: int) -> int:
        self.process.send_signal(number)
        return self.finish(ENDS_WITHIN)

    def remains(self) -> list[str]:
        """Its processes, and those that they started, in whatever session."""
        return [p.info["cmdline"] for p in all_processes() if self._is_ours(p)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("DEMO_DIR") == str(self.folder)
        except psutil.Error:  # gone, or a zombie
            return False


def all_processes() -> Iterator[psutil.Process]:
    return psutil.process_iter(["cmdline"])


def wait_until(holds: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not holds() and time.monotonic() < until:
        time.sleep(0.1)


@pytest.fixture
def start_demo(place: Place) -> Iterator[Callable[..., Demo]]:
    demos: list[Demo] = []

    def start(env: dict[str, str], *arguments: str) -> Demo:
        demos.append(Demo(place.folder, env, *arguments))
        return demos[-1]

    yield start
    for demo in demos:
        if demo.process.poll() is None:
            demo.tell(signal.SIGTERM)


@pytest.mark.processes
def test_every_fate_is_as_expected_though_the_sweep_is_killed(
    other_process_env, start_demo
):
    letters_leave_at_once()
    demo = start_demo(other_process_env, "--once", "--scale=0.15")
    killed = kill_sweep_in_mid_run(demo)

    assert demo.finish(PLAYS_WITHIN) == 0, demo.output
    assert demo.output.count(" ok\n") == len(read_scenes())
    assert demo.remains() == []
    sweeps = Sweep.objects.filter(lane=Sweep.PROVIDER, handled__gt=0)
    assert sweeps.exclude(pid=killed).exists()


def letters_leave_at_once() -> None:
    """As managers could have it: in a newer version, which the demo leaves alone."""
    catalogue.load_types()
    said = json.loads((catalogue.TYPES / "customer-reply.json").read_text())
    at_once = said["review_policy"] | {"undo_seconds": 0}
    catalogue.load_type(said | {"review_policy": at_once})


def kill_sweep_in_mid_run(demo: Demo) -> int:
    """SIGKILL the sweeping process while jobs run, and none is just being started."""

    def in_mid_run() -> bool:
        starting = Attempt.objects.filter(response_id=None, ended_at=None)
        running = Job.objects.filter(status=Job.Status.RUNNING)
        return running.exists() and not starting.exists()

    until = time.monotonic() + STARTS_WITHIN
    while demo.process.poll() is None and time.monotonic() < until:
        if in_mid_run():
            pid = Sweep.objects.filter(lane=Sweep.PROVIDER).latest("started_at").pid
            os.kill(pid, signal.SIGSTOP)  # so that nothing starts between look and kill
            if in_mid_run():
                connection.close()
                os.kill(pid, signal.SIGKILL)
                return pid
            os.kill(pid, signal.SIGCONT)
        time.sleep(0.1)
    pytest.fail(f"never in mid run: {demo.output}")


@pytest.mark.processes
def test_stopped_it_leaves_nothing_behind_and_started_again_it_goes_on(
    request, start_demo, place
):
    if request.config.getoption("db") != "sqlite":
        pytest.skip("the demo brings its own SQLite file")
    bring_older_database(place, migrated.kept(request.config.cache))
    env = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"}
    jobs = len(read_scenes())

    first = start_demo(env, "--scale=0.3")
    first.wait_for("running", STARTS_WITHIN)
    assert first.tell(signal.SIGINT) == 0
    assert first.remains() == []
    assert asked(place, "SELECT count(*) FROM jobs_job") == jobs
    assert asked(place, "SELECT count(*) FROM django_session") == 0

    with closing(sqlite3.connect(place.database)) as database, database:
        database.execute("UPDATE reviews_reviewpolicy SET undo_seconds = 0")
    second = start_demo(env, "--scale=0.05")
    left = sum(scene.fate == "left_for_you" for scene in read_scenes())
    second.wait_for(f"{left} wait for you", STARTS_WITHIN)
    assert asked(place, "SELECT count(*) FROM jobs_job") == jobs
    waiting = "SELECT count(*) FROM jobs_job WHERE status = 'awaiting_review'"
    assert asked(place, waiting) == left

    assert second.tell(signal.SIGKILL) == -signal.SIGKILL
    wait_until(lambda: not second.remains(), ENDS_WITHIN)
    assert second.remains() == []


def bring_older_database(place: Place, copy: Path) -> None:
    """From before an update; where no run left a copy, the demo makes all of it."""
    if copy.exists():
        shutil.copyfile(copy, place.database)
        with closing(sqlite3.connect(place.database)) as database, database:
            database.execute("DROP TABLE django_session")
            database.execute("DELETE FROM django_migrations WHERE app = 'sessions'")


def asked(place: Place, query: str) -> int:
    with closing(sqlite3.connect(place.database)) as database:
        return database.execute(query).fetchone()[0]


@pytest.mark.processes
def test_a_taken_port_is_a_clear_message(start_demo, place):
    with serve(receiver.make_app(SECRET, place.ledger)) as served:
        port = served.url.rpartition(":")[2]
        demo = start_demo(os.environ | {"DEMO_WEB_PORT": port})
        assert demo.finish(STARTS_WITHIN) == 1
    assert f"DEMO_WEB_PORT: port {port} on 127.0.0.1 is taken" in demo.output
    assert "Traceback" not in demo.output

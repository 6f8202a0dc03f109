"""One run of the demo, from its first process to its last line."""

import os
import time
from dataclasses import dataclass
from random import Random

from django.contrib.auth.models import User
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from bgreview.audit import audit
from bgreview.demo.board import Board
from bgreview.demo.chaos import Chaos
from bgreview.demo.fates import Fate, Witnesses
from bgreview.demo.operators import (
    check_what_waits_long,
    retry_what_ended_wrongly,
    see_to_deliveries,
)
from bgreview.demo.people import PASSWORD, PEOPLE, new_token
from bgreview.demo.place import Place, Problem
from bgreview.demo.play import Play
from bgreview.demo.proof import Proof
from bgreview.demo.provider import Provider
from bgreview.demo.report import print_fates, print_histories, print_proof
from bgreview.demo.reviewers import decide
from bgreview.demo.scenes import read_scenes
from bgreview.demo.servers import Servers
from bgreview.demo.setting_up import check_database, set_up
from bgreview.demo.shop import Shop
from bgreview.demo.troubles import Stage
from bgreview.processes import Processes
from jobs.doctor.visit import visit

LIMIT = 180.0  # seconds for --once, from its start
LIMIT_OF_CHAOS = 300.0
AT_FIRST = 1  # job that is there when troubles begin; each brings another
SETTLING = 20.0  # seconds for what the provider is told after a job's end
BUSY, IDLE = 0.5, 3.0  # seconds between two looks
UNWATCHED = 1.0  # of --once, which plays for its end


class NotAsExpected(Problem):
    """A job ended otherwise than its scene says, or not in time."""


@dataclass
class Performance:
    """`once`: to the end of every job; else until somebody stops it.

    With a `seed`, troubles strike meanwhile, in the order that it gives.
    """

    place: Place
    urls: dict[str, str]
    console: Console
    once: bool
    scale: float
    seed: int | None = None

    def run(self) -> None:
        """Start everything, play, and end everything, whatever happens."""
        self.limit = LIMIT if self.seed is None else LIMIT_OF_CHAOS
        self.until = time.monotonic() + self.limit
        self.scenes, self.provider = read_scenes(), Provider(self.urls["sandbox"])
        with Processes({}, self.place.fresh_logs()) as house:
            self.servers = Servers(house, self.place, self.urls)
            self._start()
            token = new_token()
            self._greet(token)
            with Shop(self.urls["web"], token) as shop:
                at_first = None if self.seed is None else AT_FIRST
                play = Play(
                    shop, self.scenes, decide, once=self.once, at_first=at_first
                )
                play.begin()
                self._play_as_told(play)
            self.console.print("Stopping ...")

    def _play_as_told(self, play: Play) -> None:
        if self.seed is not None:
            self._play_in_chaos(play, self.seed)
        elif self.once:
            self._play_once(play)
        else:
            self._play_on(play)

    def _start(self) -> None:
        self._say(f"Setting up in {self.place.folder} ...")
        check_database(once=self.once)
        self.servers.start_outside(self.scale, self.seed)
        secret = os.environ["DEMO_WEBHOOK_SECRET"]
        set_up(self.urls["receiver"], secret, self.scenes)
        self._say("Starting web server and worker ...")
        self.servers.start_inside()
        self.servers.wait()

    def _greet(self, token: str) -> None:
        """Where to go, and as whom."""
        web = self.urls["web"]
        people = [f"{name} ({group.lower()})" for name, group in PEOPLE.items()]
        self._say(
            "",
            f"Log in:   {web}/admin/",
            f"as:       {', '.join(people)}",
            f"password: {PASSWORD}  (no secret: only this machine can get in)",
            f"API:      {web}/api/docs/  Authorization: Token {token}",
            f"logs:     {self.place.logs}",
            "",
        )

    # ---- until somebody stops it -------------------------------------------------

    def _play_on(self, play: Play) -> None:
        told = False
        with self._board() as board:
            while True:
                self._turn(play, board)
                if not (told or play.moving):
                    told = True
                    self._tell_what_waits(play)
                time.sleep(BUSY if play.moving else IDLE)

    def _tell_what_waits(self, play: Play) -> None:
        """Once the rest has come to its end: what the visitor can look for."""
        for scene in play.waiting:
            self._say(f"{scene.number} {scene.title}")
            self.console.print(Padding(escape(scene.note), (0, 0, 0, 3)), style="dim")
        self._say("")

    # ---- to the end of every job -------------------------------------------------

    def _play_once(self, play: Play) -> None:
        with self._board() as board:
            while play.moving:
                self._turn(play, board)
                self._check_time(play)
                time.sleep(UNWATCHED)
        fates = self._fates(play)
        print_histories(self.console, play)
        print_fates(self.console, fates)
        _judge(fates)

    def _fates(self, play: Play) -> list[Fate]:
        """How all ended, as soon as that is as expected; else after a while."""
        until = time.monotonic() + SETTLING
        while True:
            witnesses = self._witnesses()
            fates = [
                witnesses.fate_of(scene, play.jobs[scene.key]["id"])
                for scene in self.scenes
            ]
            if all(fate.is_right for fate in fates) or time.monotonic() > until:
                return fates
            time.sleep(BUSY)

    def _witnesses(self) -> Witnesses:
        troubled = self.seed is not None
        return Witnesses(self.place, self.provider, troubled=troubled)

    def _check_time(self, play: Play) -> None:
        if time.monotonic() > self.until:
            where = [
                f"    {s.number} {s.title}: {play.jobs[s.key]['explanation']}"
                for s in play.moving
            ]
            said = f"After {self.limit:g} s these are not at their end:"
            raise NotAsExpected("\n".join([said, *where]))

    # ---- in chaos ----------------------------------------------------------------

    def _play_in_chaos(self, play: Play, seed: int) -> None:
        with self._board() as board:
            stage = Stage(self.servers, self.provider, Random(seed))  # noqa: S311
            board.tell(f"Troubles begin, in the order of --seed {seed}.")
            chaos = Chaos(stage, play, board.tell)
            while chaos.turn() or self._put_right(play) or play.moving:
                self._turn(play, board)
                self._check_time(play)
                time.sleep(BUSY)
        fates, proof = self._fates(play), self._proof(chaos)
        print_fates(self.console, fates)
        print_proof(self.console, proof)
        _judge(fates)
        if proof.reasons:
            raise NotAsExpected("Not as promised: see above.")

    def _put_right(self, play: Play) -> int:
        """What the operator does once the troubles are over; how much that was."""
        olivia = User.objects.get(username="olivia")
        scenes = {play.jobs[scene.key]["id"]: scene for scene in play.scenes}
        check_what_waits_long(olivia)
        done = retry_what_ended_wrongly(olivia, scenes)
        return done + see_to_deliveries(olivia, self._has_arrived)

    def _has_arrived(self, public_id: str) -> bool:
        return bool(self._witnesses().mails_about(public_id))

    def _proof(self, chaos: Chaos) -> Proof:
        """As soon as it is one; else after a while."""
        until = time.monotonic() + SETTLING
        while True:
            seen = self._witnesses()
            report = audit(seen.responses, seen.received)
            if report.is_clean or time.monotonic() > until:
                return Proof(report, visit(whole=True), chaos, len(seen.mails))
            time.sleep(BUSY)

    # ---- all --------------------------------------------------------------------

    def _board(self) -> Board:
        return Board(self.console, f"{self.urls['web']}/admin/reviews/review/")

    def _turn(self, play: Play, board: Board) -> None:
        self.servers.check()
        play.turn()
        board.show(play)

    def _say(self, *lines: str) -> None:
        for line in lines:
            self.console.print(escape(line), highlight=False, soft_wrap=True)


def _judge(fates: list[Fate]) -> None:
    if wrong := [fate.scene.number for fate in fates if not fate.is_right]:
        raise NotAsExpected(f"Not as expected: {', '.join(wrong)}; see above.")

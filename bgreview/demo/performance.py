"""One run of the demo, from its first process to its last line."""

import os
import time
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from bgreview.demo.board import Board
from bgreview.demo.fates import Fate, Witnesses
from bgreview.demo.people import PASSWORD, PEOPLE, new_token
from bgreview.demo.place import Place
from bgreview.demo.play import Play
from bgreview.demo.report import print_fates, print_histories
from bgreview.demo.reviewers import decide
from bgreview.demo.scenes import read_scenes
from bgreview.demo.servers import Servers
from bgreview.demo.setting_up import check_database, set_up
from bgreview.demo.shop import Shop
from bgreview.processes import Processes

LIMIT = 180.0  # seconds for --once, from its start
SETTLING = 20.0  # seconds for what the provider is told after a job's end
BUSY, IDLE = 0.5, 3.0  # seconds between two looks


class NotAsExpected(Exception):
    """A job ended otherwise than its scene says, or not in time."""


@dataclass
class Performance:
    """`once`: to the end of every job; else until somebody stops it."""

    place: Place
    urls: dict[str, str]
    console: Console
    once: bool
    scale: float

    def run(self) -> None:
        """Start everything, play, and end everything, whatever happens."""
        self.until = time.monotonic() + LIMIT
        self.scenes = read_scenes()
        with Processes({}, self.place.fresh_logs()) as house:
            self.servers = Servers(house, self.place, self.urls)
            self._start()
            token = new_token()
            self._greet(token)
            with Shop(self.urls["web"], token) as shop:
                play = Play(shop, self.scenes, decide, once=self.once)
                play.begin()
                self._play_once(play) if self.once else self._play_on(play)
            self.console.print("Stopping ...")

    def _start(self) -> None:
        self._say(f"Setting up in {self.place.folder} ...")
        check_database(once=self.once)
        self.servers.start_outside(self.scale)
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
                time.sleep(BUSY)
        fates = self._fates(play)
        print_histories(self.console, play)
        print_fates(self.console, fates)
        if wrong := [fate.scene.number for fate in fates if not fate.is_right]:
            raise NotAsExpected(f"Not as expected: {', '.join(wrong)}; see above.")

    def _fates(self, play: Play) -> list[Fate]:
        """How all ended, as soon as that is as expected; else after a while."""
        until = time.monotonic() + SETTLING
        while True:
            witnesses = Witnesses(self.place, self.urls["sandbox"])
            fates = [
                witnesses.fate_of(scene, play.jobs[scene.key]["id"])
                for scene in self.scenes
            ]
            if all(fate.is_right for fate in fates) or time.monotonic() > until:
                return fates
            time.sleep(BUSY)

    def _check_time(self, play: Play) -> None:
        if time.monotonic() > self.until:
            where = [
                f"    {s.number} {s.title}: {play.jobs[s.key]['explanation']}"
                for s in play.moving
            ]
            said = f"After {LIMIT:g} s these are not at their end:"
            raise NotAsExpected("\n".join([said, *where]))

    # ---- both --------------------------------------------------------------------

    def _board(self) -> Board:
        return Board(self.console, f"{self.urls['web']}/admin/reviews/review/")

    def _turn(self, play: Play, board: Board) -> None:
        self.servers.check()
        play.turn()
        board.show(play)

    def _say(self, *lines: str) -> None:
        for line in lines:
            self.console.print(escape(line), highlight=False, soft_wrap=True)

"""What the terminal shows: a live table, or lines where there is no terminal."""

from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bgreview.demo.play import ENDED, Play
from bgreview.demo.scenes import Scene
from bgreview.demo.shop import Job

COLOURS = {
    "queued": "bright_black",
    "running": "cyan",
    "awaiting_review": "bold yellow",
    "approved": "green",
    "delivered": "green",
    "rejected": "magenta",
    "failed": "red",
}  # any other: as queued
WIDE = 118  # columns from which on types and explanations find room


class Board:
    """`with Board(...) as board: board.show(play)`, as often as one likes."""

    def __init__(self, console: Console, queue_url: str) -> None:
        self.console, self._queue_url = console, queue_url
        self._told: dict[str, str] = {}
        self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def show(self, play: Play) -> None:
        if self.console.is_terminal:
            wide = self.console.width >= WIDE
            shown = Group(self.next_step(play), _table(play, wide))
            self._live.update(shown, refresh=True)
        else:
            self._tell(play)

    def tell(self, line: str) -> None:
        """What happens around the jobs: above the table, or among the lines."""
        self.console.print(Text(f"     !!  {line}", "red"))

    def next_step(self, play: Play) -> Text:
        """What there is to do now, for the visitor and for the house."""
        waiting, moving = len(play.waiting), len(play.moving)
        if waiting:
            verb = "waits" if waiting == 1 else "wait"
            said = Text(f"{waiting} {verb} for you: ", "bold yellow")
            said.append(self._queue_url, "bold")
        else:
            goes_on = moving or play.to_come
            said = Text("Nothing waits for you yet." if goes_on else "All are done.")
        if moving:
            said.append(f"   {moving} at work", "bright_black")
        return said

    def _tell(self, play: Play) -> None:
        """A line for each job that has another status than when last told."""
        for scene in play.scenes:
            job = play.jobs[scene.key]
            if self._told.get(scene.key) != job["status"]:
                self._told[scene.key] = job["status"]
                line = f"{_elapsed(job):>7}  {scene.number}  {_words(job):<16} "
                self.console.out(f"{line} {scene.title}", highlight=False)
        step = "" if play.moving or play.to_come else self.next_step(play).plain
        if step and self._told.get("") != step:
            self._told[""] = step
            self.console.out(f"\n{step}\n", highlight=False)


def _table(play: Play, wide: bool) -> Table:
    table = Table(box=None, pad_edge=False, expand=True)
    for title, ratio, least, shown in (
        ("", None, 2, True),
        ("Job", 4, None, True),
        ("Type", None, 19, wide),
        ("Status", None, 15, True),
        ("Progress", None, 17, True),
        ("What it says", 5, None, wide),
        ("Time", None, 5, True),
    ):
        if shown:
            table.add_column(
                title, ratio=ratio, min_width=least, no_wrap=True, overflow="ellipsis"
            )
    for scene in play.scenes:
        table.add_row(*_cells(scene, play.jobs[scene.key], wide))
    return table


def _cells(scene: Scene, job: Job, wide: bool) -> list[Text]:
    colour = COLOURS.get(job["status"], "bright_black")
    cells = [
        (Text(scene.number, "bright_black"), True),
        (Text(scene.title), True),
        (Text(scene.type, "bright_black"), wide),
        (Text(_words(job), colour), True),
        (Text(_progress(job)), True),
        (Text(" ".join(job["explanation"].split()), "bright_black"), wide),
        (Text(_elapsed(job)), True),
    ]
    return [cell for cell, shown in cells if shown]


def _words(job: Job) -> str:
    return str(job["status"]).replace("_", " ")


def _progress(job: Job) -> str:
    """Only of what runs: at the end the status says it all."""
    said = job["progress"]
    if job["status"] != "running":
        return ""
    return said["note"] if said["percent"] is None else f"{said['percent']} %"


def _elapsed(job: Job) -> str:
    """From submission until its end; of what waits for a person, until now."""
    until = datetime.now(UTC)
    if job["finished_at"] and job["status"] in ENDED:
        until = datetime.fromisoformat(job["finished_at"])
    began = datetime.fromisoformat(job["created_at"])
    minutes, seconds = divmod(int((until - began).total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"

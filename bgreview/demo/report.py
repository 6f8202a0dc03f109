"""What is said at the end of `demo --once`: each history, then expected and seen."""

from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bgreview.demo.fates import Ending, expected
from bgreview.demo.play import Play
from bgreview.demo.scenes import Scene

def print_histories(console: Console, play: Play) -> None:
    """Every event of every job: time, who, what, and the note."""
    for scene in play.scenes:
        console.print(f"\n[bold]{scene.number} {escape(scene.title)}[/]")
        for event in play.shop.events(play.jobs[scene.key]["id"]):
            console.print(_line(event), highlight=False, soft_wrap=True)


def print_endings(console: Console, scenes: list[Scene], seen: dict[str, Ending]) -> None:
    """One row for each fate."""
    table = Table("", "Fate", "Expected", "As seen", "", box=None, pad_edge=False)
    for scene in scenes:
        wanted, found = expected(scene), seen[scene.key]
        mark = "[green]ok[/]" if wanted == found else "[bold red]NO[/]"
        row = (scene.number, scene.fate, escape(str(wanted)), escape(str(found)), mark)
        table.add_row(*row)
    console.print()
    console.print(table)


def _line(event: dict[str, Any]) -> str:
    at = datetime.fromisoformat(event["at"])
    move = f"{event['was']} -> {event['became']}" if event["was"] else event["became"]
    what = f"{event['kind']} {move}" if event["kind"] != "status" else move
    said = " ".join(part for part in (what.strip(), event["note"]) if part)
    return f"   {at:%H:%M:%S}  {event['actor']:<8} {escape(said)}"

"""What is said at the end of `demo --once`: histories, fates; after chaos, proof."""

from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from bgreview.demo.fates import Fate
from bgreview.demo.play import Play
from bgreview.demo.proof import Proof


def print_histories(console: Console, play: Play) -> None:
    """Every event of every job: time, who, what, and the note."""
    for scene in play.scenes:
        console.print(f"\n[bold]{scene.number} {escape(scene.title)}[/]")
        for event in play.shop.events(play.jobs[scene.key]["id"]):
            console.print(_line(event), highlight=False, soft_wrap=True)


def print_fates(console: Console, fates: list[Fate]) -> None:
    """One row for each: what was expected, and what was seen."""
    table = Table("", "Fate", "Expected", "As seen", "", box=None, pad_edge=False)
    for fate in fates:
        mark = "[green]ok[/]" if fate.is_right else "[bold red]NO[/]"
        said = escape(str(fate.expected)), escape(str(fate.seen))
        table.add_row(fate.scene.number, fate.scene.fate, *said, mark)
    console.print()
    console.print(table)


def print_proof(console: Console, proof: Proof) -> None:
    """What was counted, what is wrong, and all of it in one line."""
    console.print()
    for name, said in proof.lines():
        line = f"[bold]{name:<12}[/]{escape(said)}"
        console.print(line, highlight=False, soft_wrap=True)
    style = "bold red" if proof.reasons else "bold green"
    said = "\n".join([*proof.reasons, "", proof.last_line, ""])
    console.print(Text(said, style), soft_wrap=True)


def _line(event: dict[str, Any]) -> str:
    at = datetime.fromisoformat(event["at"])
    move = f"{event['was']} -> {event['became']}" if event["was"] else event["became"]
    what = f"{event['kind']} {move}" if event["kind"] != "status" else move
    said = " ".join(part for part in (what.strip(), event["note"]) if part)
    return f"   {at:%H:%M:%S}  {event['actor']:<8} {escape(said)}"

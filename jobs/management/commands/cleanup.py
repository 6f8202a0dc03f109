"""manage.py cleanup: what the worker does every hour, now and to its end."""

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from jobs.cleanup import Cleaned, clean_up, would_clean_up


class Command(BaseCommand):
    help = "Delete the content of old jobs as their types say, and rows of no more use."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="only tell what would be done"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        dry = options["dry_run"]
        cleaned = would_clean_up() if dry else clean_up()
        self.stdout.write("\n".join(lines_of(cleaned, dry)))


def lines_of(cleaned: Cleaned, dry: bool) -> list[str]:
    """A line for each job type with something to say, and one for what was old."""
    verb = "would delete" if dry else "deleted"
    lines = []
    for job_type, kept in cleaned.kept.items():
        old = f"{job_type.name}, ended over {job_type.keep_days} days ago"
        if erased := cleaned.erased.get(job_type):
            lines.append(f"{old}: {verb} the content of {_said(erased)}")
        if kept:
            lines.append(f"{old}: kept for {_said(kept, first='reason')}")
    if cleaned.purged:
        lines.append(f"no more use: {verb} {_said(cleaned.purged)}")
    return lines or ["Nothing to clean up."]


def _said(count: Counter[str], first: str = "number") -> str:
    order = "{n} {kind}" if first == "number" else "{kind}: {n}"
    return ", ".join(order.format(n=n, kind=kind) for kind, n in count.items() if n)

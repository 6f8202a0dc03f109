"""manage.py doctor: what is wrong with our rows and our house, in one line each.

Exit code 0: nothing found; 1: something was; 2: it could not look.
"""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from jobs.doctor.checks import Found
from jobs.doctor.visit import Diagnosis, visit

FOUND, COULD_NOT_LOOK = 1, 2


class Command(BaseCommand):
    help = "Find rows that break a rule, say what to do, and mend what is safe."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--repair", action="store_true", help="mend what is safe")
        parser.add_argument("--json", action="store_true", help="for programs")
        parser.add_argument(
            "--whole",
            action="store_true",
            help="read every history, however many, instead of today's part of them",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            diagnosis = visit(repair=options["repair"], whole=options["whole"])
        except DatabaseError as error:
            raise CommandError(
                f"The doctor could not look: {error}. Is the database migrated?",
                returncode=COULD_NOT_LOOK,
            ) from error
        said = as_json(diagnosis) if options["json"] else as_text(diagnosis)
        self.stdout.write(said)
        if len(diagnosis):
            sys.exit(FOUND)


def as_text(diagnosis: Diagnosis) -> str:
    """A heading for each rule that is broken, and a line for each thing."""
    lines = [f"mended: {_line(found)}" for _, found in diagnosis.mended]
    for rule, all_found in diagnosis.found.items():
        lines += [f"{rule}:"] * bool(all_found)
        lines += [f"  {_line(found)}" for found in all_found]
        lines += ["  ... and more"] * (rule in diagnosis.cut)
    if not len(diagnosis):
        lines.append("Nothing found.")
    elif any(found.repair for _, found in diagnosis):
        lines.append("Some of it can be mended: manage.py doctor --repair")
    return "\n".join([*lines, diagnosis.covered])


def _line(found: Found) -> str:
    """Whatever stands in a row, one line."""
    return " ".join(f"{found.subject}: {found.sentence}".split())


def as_json(diagnosis: Diagnosis) -> str:
    said = {
        "found": [_fields(rule, found) for rule, found in diagnosis],
        "mended": [_fields(rule, found) for rule, found in diagnosis.mended],
        "cut": sorted(diagnosis.cut),
        "covered": diagnosis.covered,
    }
    return json.dumps(said, indent=2)


def _fields(rule: str, found: Found) -> dict[str, Any]:
    return {
        "rule": rule,
        "subject": found.subject,
        "sentence": found.sentence,
        "can_repair": found.repair is not None,
    }

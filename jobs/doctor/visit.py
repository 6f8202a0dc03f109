"""A visit of the doctor: look at everything, mend what may be mended, keep the rest."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from django.utils import timezone

from jobs.doctor.checks import SHARE, About, Found, Scope, all_checks
from jobs.models import Finding, Job, Sweep
from jobs.pulse import Pulse

MOST = 100  # findings of one rule: more of them say no more
SENTENCE = 500  # characters; Finding.sentence


@dataclass(frozen=True)
class Diagnosis:
    """What was found, by rule, rules without findings too; `cut`: there is more."""

    found: dict[str, list[Found]]
    cut: frozenset[str] = frozenset()
    mended: list[tuple[str, Found]] = field(default_factory=list)
    covered: str = ""

    def __iter__(self) -> Iterator[tuple[str, Found]]:
        return ((rule, found) for rule, all_ in self.found.items() for found in all_)

    def __len__(self) -> int:
        return sum(map(len, self.found.values()))


def visit(*, repair: bool = False, whole: bool = False) -> Diagnosis:
    """Examine, mend if told to, and keep what is found; `whole`: every history."""
    pulse = Pulse(Sweep.DOCTOR)
    diagnosis = examine(whole=whole)
    if repair and (mended := mend(diagnosis)):
        again = examine(whole=whole)
        diagnosis = Diagnosis(again.found, again.cut, mended, again.covered)
    keep(diagnosis)
    pulse.handled = len(diagnosis)
    pulse.end()
    return diagnosis


def daily() -> dict[str, int]:
    """What the schedule starts: looks and tells, and mends nothing."""
    return {"found": len(visit())}


def examine(*about: About, whole: bool = False) -> Diagnosis:
    """Ask every check about these; only looks."""
    scope = Scope(timezone.now(), MOST + 1, whole)
    looked = {c.rule: list(islice(c.look(scope), MOST + 1)) for c in all_checks(*about)}
    return Diagnosis(
        {rule: found[:MOST] for rule, found in looked.items()},
        frozenset(rule for rule, found in looked.items() if len(found) > MOST),
        covered=_covered(whole),
    )


def mend(diagnosis: Diagnosis) -> list[tuple[str, Found]]:
    """Mend what has a safe repair; gives back what was mended."""
    return [(rule, f) for rule, f in diagnosis if f.repair is not None and f.repair()]


def keep(diagnosis: Diagnosis) -> None:
    """Note what is new, what is still there, and what is gone."""
    now = timezone.now()
    known = {(row.rule, row.subject): row for row in Finding.objects.open()}
    fresh, seen = [], []
    for rule, found in diagnosis:
        row = known.pop((rule, found.subject), None)
        if row is None:
            row = Finding(rule=rule, subject=found.subject, found_at=now)
            fresh.append(row)
        else:
            seen.append(row)
        row.sentence = found.sentence[:SENTENCE]
        row.can_repair = found.repair is not None
        row.seen_at = now
    Finding.objects.bulk_update(seen, ["sentence", "can_repair", "seen_at"], 100)
    # Another visit at the same moment may have noted the same.
    Finding.objects.bulk_create(fresh, ignore_conflicts=True)
    looked = diagnosis.found.keys() - diagnosis.cut
    gone = [row.pk for row in known.values() if row.rule in looked]
    Finding.objects.filter(pk__in=gone).update(gone_at=now)


def _covered(whole: bool) -> str:
    """How many jobs' histories were read."""
    jobs = Job.objects.count()
    read = jobs if whole else min(jobs, SHARE)
    return f"The histories of {read:,} of {jobs:,} jobs were read."

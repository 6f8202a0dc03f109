"""Runs the suite on SQLite and on PostgreSQL, side by side, and adds all up.

Every test runs on SQLite. PostgreSQL repeats those that are about what databases do
differently (marked `both_databases`); with `--all`, or of tests that were chosen, every
one that reaches a database. Tests that start real processes wait more than they
compute, so they have runs of their own beside the others. What else stands on the
command line goes to pytest: `tests/run.py -k deliver -x`.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

COMPUTING, WAITING = ["--processes=without"], ["--processes=only"]
SQLITE, POSTGRES = ["--db=sqlite"], ["--db=postgres", "--only-database"]
MARKED, LONG = ["-m", "both_databases"], ["--hypothesis-profile=long"]
# In their order: the browser's come first, and few tests that last do not come last.
BY_FILE = ["--dist=loadfile", "--no-loadscope-reorder"]
CORES = os.cpu_count() or 1
WIDTH = len("postgres, processes")
ENDED = (0, 1, 5)  # pytest's exit codes: all passed, some failed, there was no test


@dataclass
class Tally:
    """What one run came to."""

    label: str
    passed: int = 0
    failed: int = 0
    skipped: dict[str, int] = field(default_factory=dict)  # how many, by reason

    @classmethod
    def read(cls, path: Path, name: str, exit_code: int) -> "Tally":
        tally = cls(name)
        if path.exists():
            tally = cls(**json.loads(path.read_text()))
        if exit_code not in ENDED or not path.exists():
            tally.label += " (broke off)"
            tally.failed += 1
        return tally

    def lines(self) -> list[str]:
        what = _counts(self.passed, self.failed, sum(self.skipped.values()))
        if not self.passed and not self.failed:
            what += ": no test was run"
        reasons = [f"    {n} skipped: {why}" for why, n in sorted(self.skipped.items())]
        return [f"{self.label}: {what}", *reasons]


class Run:
    """A part of the suite on one database, in a process of its own."""

    def __init__(self, name: str, tally: Path, arguments: list[str]) -> None:
        self.name, self.tally = name, tally
        pytest = [sys.executable, "-m", "pytest", "-q"]
        options = ["-p", "tests.tally", f"--tally={tally}"]
        self.process = subprocess.Popen(
            [*pytest, *options, *arguments],
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C comes to us, and once from us to them
        )
        self.report: list[str] = []
        self.reader = Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        """Progress is shown as it comes; the report after it waits for its turn."""
        assert self.process.stdout
        for line in self.process.stdout:
            if self.report or line.startswith("===="):
                self.report.append(line)
            elif line.strip():
                print(f"{self.name:{WIDTH}} {line}", end="", flush=True)

    def finish(self) -> Tally:
        self.reader.join()
        exit_code = self.process.wait()
        if self.report:
            print(f"\n{self.name}\n", *self.report, sep="", end="", flush=True)
        return Tally.read(self.tally, self.name, exit_code)


def succeeded(tallies: list[Tally], *, chosen: bool) -> bool:
    """Nothing failed, and each ran something; of chosen tests, at least one did."""
    ran = [tally.passed > 0 for tally in tallies]
    enough = any(ran) if chosen else all(ran)
    return enough and not any(tally.failed for tally in tallies)


def closing_line(tallies: list[Tally]) -> str:
    return _counts(
        sum(tally.passed for tally in tallies),
        sum(tally.failed for tally in tallies),
        sum(sum(tally.skipped.values()) for tally in tallies),
    )


def _counts(passed: int, failed: int, skipped: int) -> str:
    line = f"{passed} passed, {failed} failed"
    return f"{line}, {skipped} skipped" if skipped else line


def _environment() -> dict[str, str]:
    """Dozens of processes are started: none should compile our code anew."""
    unwanted = "PYTHONDONTWRITEBYTECODE"
    return {name: value for name, value in os.environ.items() if name != unwanted}


def parts(everything: bool) -> dict[str, list[str]]:
    """What runs side by side, by its name; the computing runs keep all cores busy."""
    if everything:
        return {
            "sqlite": [*SQLITE, *COMPUTING, *LONG, *_workers(CORES // 2)],
            "postgres": [*POSTGRES, *COMPUTING, *_workers(CORES // 2)],
            "sqlite, processes": [*SQLITE, *WAITING],
            "postgres, processes": [*POSTGRES, *WAITING],
        }
    return {
        "sqlite": [*SQLITE, *COMPUTING, *_workers(CORES + 1)],
        "postgres": [*POSTGRES, *COMPUTING, *MARKED],
        "sqlite, processes": [*SQLITE, *WAITING],
    }


def _workers(number: int) -> list[str]:
    return [f"-n{number}", *BY_FILE] if number > 1 else []


def main(arguments: list[str]) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    ours = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    ours.add_argument("--all", action="store_true")
    options, chosen = ours.parse_known_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bgreview-tally-") as scratch:
        runs = [
            Run(name, Path(scratch, name), [*part, *chosen])
            for name, part in parts(options.all or bool(chosen)).items()
        ]
        try:
            tallies = [run.finish() for run in runs]
        except KeyboardInterrupt:
            for run in runs:
                run.process.terminate()  # upon which they tidy up
            tallies = [run.finish() for run in runs]
    print(*(line for tally in tallies for line in ["", *tally.lines()]), sep="\n")
    print(f"\n{closing_line(tallies)}")
    return 0 if succeeded(tallies, chosen=bool(chosen)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

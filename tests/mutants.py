"""Takes one guard at a time out of the way of decisions, deliveries and threads.

    make mutants
    python -m tests.mutants --only decide --jobs 2

Each mutant lives in a copy of the tree, in which the tests named beside it run, on
SQLite unless only PostgreSQL can tell. One that survives is a guard that no test would
miss: that is a failure.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

from tests.guards import MUTANTS, Mutant

ROOT = Path(__file__).parent.parent
KILLED, SURVIVED = 1, 0  # how pytest ends: some tests failed, or none did


def problems_of_the_table() -> list[str]:
    """Guards that no longer stand where the table says, once."""
    return [
        f"{mutant.name}: stands there {count} times"
        for mutant in MUTANTS
        if (count := (ROOT / mutant.file).read_text().count(mutant.guard)) != 1
    ]


def copy_tree(to: Path) -> None:
    """Every file that git knows or would take, and the packages by a link."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True)
    for name in filter(None, names.stdout.split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


def try_out(mutant: Mutant, tree: Path) -> int:
    """How its tests end in this copy of the tree, which is then as before."""
    path = tree / mutant.file
    whole = path.read_text()
    path.write_text(whole.replace(mutant.guard, mutant.gone))
    files = [f"tests/test_{name}.py" for name in mutant.tests.split()]
    command = [
        sys.executable,
        "-B",
        "-m",
        "pytest",
        "-q",
        "-x",
        f"--db={mutant.db}",
        *files,
    ]
    try:
        return subprocess.run(
            command, cwd=tree, env=os.environ, capture_output=True, check=False
        ).returncode
    finally:
        path.write_text(whole)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", nargs="*", default=[""], help="those with one of these in their name"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    if problems := problems_of_the_table():
        print(*problems, sep="\n")
        return 1
    chosen = [m for m in MUTANTS if any(part in m.name for part in asked.only)]
    with tempfile.TemporaryDirectory() as folder:
        trees: Queue[Path] = Queue()
        for number in range(asked.jobs):
            trees.put(Path(folder) / str(number))
            copy_tree(Path(folder) / str(number))

        def run(mutant: Mutant) -> int:
            tree = trees.get()
            try:
                return try_out(mutant, tree)
            finally:
                trees.put(tree)

        survivors = 0
        with ThreadPoolExecutor(asked.jobs) as threads:
            for mutant, end in zip(chosen, threads.map(run, chosen), strict=True):
                said = {KILLED: "killed", SURVIVED: "SURVIVED"}.get(
                    end, f"broke: {end}"
                )
                survivors += end != KILLED
                print(f"{said:10} {mutant.name}", flush=True)
    print(f"{len(chosen)} mutants, {survivors} not killed")
    return 1 if survivors or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())

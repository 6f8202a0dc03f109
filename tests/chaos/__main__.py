"""`python -m tests.chaos [--jobs N] [--seconds S] [--seed N] [--broker redis]`."""

import argparse
import os
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

import django
from rich.console import Console

from tests.chaos.environment import environment, free_ports


def main() -> int:
    """Play one run; 0 if all that was promised was kept."""
    options = read_options()
    console = Console(width=120, highlight=False, markup=False, soft_wrap=True)
    scratch = Path(tempfile.mkdtemp(prefix="bgreview-chaos-"))
    last_line, wrong = play(options, scratch, console)
    for sentence in wrong[:50]:
        console.print(sentence, style="red")
    if wrong:
        console.print(f"{len(wrong)} wrong; logs and ledgers: {scratch}")
    else:
        shutil.rmtree(scratch, ignore_errors=True)
    print(last_line)
    return 1 if wrong else 0


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=90, help="of troubles")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--broker", choices=("orm", "redis"), default="orm")
    return parser.parse_args()


def play(
    options: argparse.Namespace, scratch: Path, console: Console
) -> tuple[str, list[str]]:
    """The last line, and what was not as promised."""
    ports = free_ports()
    told = environment(scratch, ports, options.broker)
    os.environ.update(told | {"DJANGO_SETTINGS_MODULE": "bgreview.settings"})
    django.setup()
    from tests.chaos.drama import Drama  # knows our models, which need the settings
    from tests.chaos.house import House

    with House(scratch, ports, told, options.seed) as house:
        drama = Drama(house, options.jobs, options.seconds, options.seed, console)
        return drama.run(), drama.wrong


if __name__ == "__main__":
    sys.exit(main())

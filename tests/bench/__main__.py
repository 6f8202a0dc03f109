"""python -m tests.bench [NAME]: measure what the docs promise."""

import importlib
import os
import sys

BENCHES = ["web", "wait"]


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bgreview.settings")
    for name in sys.argv[1:] or BENCHES:
        importlib.import_module(f"tests.bench.{name}").main()


if __name__ == "__main__":
    main()

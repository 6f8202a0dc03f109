"""What a run came to, as JSON for `tests/run.py`: a pytest plugin, `--tally=FILE`."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.databases import LABEL


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tally", type=Path, required=True, help="where to write it")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    stats = terminalreporter.stats
    skipped = stats.get("skipped", []) + stats.get("xfailed", [])
    processes = ", processes" * (config.getoption("processes") == "only")
    tally = {
        "label": config.stash[LABEL] + processes,
        "passed": len(stats.get("passed", [])),
        "failed": len(stats.get("failed", []) + stats.get("error", [])),
        "skipped": Counter(_reason(report) for report in skipped),
    }
    config.getoption("tally").write_text(json.dumps(tally))


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    if hasattr(report, "wasxfail"):
        return f"expected to fail: {report.wasxfail}"
    *_, reason = report.longrepr
    return reason.removeprefix("Skipped: ")

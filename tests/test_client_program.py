"""The client as a program: what it prints where, and how it ends."""

import functools
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bgreview import client as module
from bgreview.client import main
from tests.house import PATIENCE
from tests.test_client import (  # noqa: F401
    JOB,
    TOKEN,
    Script,
    answer,
    problem,
    revised,
    script,
    shown,
)

PROGRAM = [sys.executable, module.__file__]
HELLO = '{"text": "Hello."}'


@pytest.fixture
def run(
    script: Script,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str, str]]:
    """The command line in this process: its exit code, output and errors."""
    monkeypatch.setenv("BGREVIEW_URL", script.url)
    monkeypatch.setenv("BGREVIEW_TOKEN", TOKEN)

    def run(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        try:
            code = main(arguments)
        except SystemExit as end:
            code = end.code
        return (code, *capsys.readouterr())

    return run


# ---- submit --------------------------------------------------------------------------


def test_submit_prints_the_id_alone(run, script, tmp_path):  # noqa: F811
    (tmp_path / "in.json").write_text(HELLO)
    script.answers = [answer(shown(), 201)]
    given = ["submit", "note", "--input", str(tmp_path / "in.json"), "--title", "Hi"]
    assert run(*given, "--thread", "user:42", "--key", "k1") == (0, f"{JOB}\n", "")
    (asked,) = script.asked
    assert asked.headers["Authorization"] == f"Token {TOKEN}"
    assert asked.headers["Idempotency-Key"] == "k1"
    assert json.loads(asked.data) == {
        "type": "note",
        "input": {"text": "Hello."},
        "title": "Hi",
        "thread": "user:42",
    }


def test_submit_takes_what_a_submission_may_say(run, script):  # noqa: F811
    script.answers = [answer(shown(), 201)]
    given = ["--thread", "user:42", "--on-active", "reject", "--deadline", "3600"]
    given += ["--metadata", "order=A=7", "--metadata", "note="]
    assert run("submit", "note", "--input", "-", *given, stdin=HELLO)[0] == 0
    assert json.loads(script.asked[0].data) == {
        "type": "note",
        "input": {"text": "Hello."},
        "thread": "user:42",
        "on_active": "reject",
        "metadata": {"order": "A=7", "note": ""},
        "deadline_seconds": 3600,
    }


def test_submit_reads_standard_input(run, script):  # noqa: F811
    script.answers = [answer(shown(), 201)]
    assert run("submit", "note", "--input", "-", stdin=HELLO)[0] == 0
    assert json.loads(script.asked[0].data)["input"] == {"text": "Hello."}


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("approved", 0),
        ("delivered", 0),
        ("completed", 0),
        ("rejected", 3),
        ("failed", 4),
        ("cancelled", 4),
        ("expired", 4),
        ("abandoned", 4),
    ],
)
def test_the_exit_code_tells_how_the_job_ended(run, script, status, code):  # noqa: F811
    script.answers = revised(shown(), shown("running", 2), shown(status, 3))
    found, out, err = run("submit", "note", "--input", "-", "--wait", stdin=HELLO)
    assert (found, out) == (code, f"{JOB}\n")
    said = [re.sub(r"^[\d:]{8} ", "", line) for line in err.splitlines()]
    assert said == ["running: It is running.", f"{status}: It is {status}."]

    script.answers = revised(shown("running", 2), shown(status, 3))
    assert run("watch", JOB)[:2] == (code, f"{status}\n")


def test_without_wait_a_submission_is_well_done_whatever_follows(run, script):  # noqa: F811
    script.answers = [answer(shown("failed"), 201)]
    assert run("submit", "note", "--input", "-", stdin=HELLO)[0] == 0


def test_time_that_is_over_is_told_apart(run, script):  # noqa: F811
    script.answers = [answer(shown("running"))]
    code, out, err = run("watch", JOB, "--timeout", "0.05")
    assert (code, out) == (5, "")
    assert f"Job {JOB} is running after 0.05 s." in err


# ---- json for pipes ------------------------------------------------------------------


def test_json_is_an_object_a_line(run, script):  # noqa: F811
    jobs = [shown("running", 1, title="a\nb"), shown("approved", 2)]
    script.answers = revised(*jobs)
    code, out, _ = run("watch", JOB, "--json")
    assert (code, [json.loads(line) for line in out.splitlines()]) == (0, jobs)

    script.answers = [answer({"next": None, "results": jobs})]
    code, out, err = run("list", "--json")
    assert (code, [json.loads(line) for line in out.splitlines()], err) == (0, jobs, "")

    script.answers = revised(shown(), jobs[1])
    code, out, _ = run("submit", "note", "--input", "-", "--wait", "--json", stdin="{}")
    lines = [json.loads(line) for line in out.splitlines()]
    assert (code, lines[0], lines[-1]) == (0, shown(), jobs[1])


def test_a_result_is_text_or_json(run, script):  # noqa: F811
    result = {
        "version": 1,
        "approved": True,
        "content": "Dear Ann,\n\nyes.",
        "content_sha256": "0" * 64,
        "created_at": "2026-11-26T12:00:00Z",
    }
    script.answers = [answer(result)]
    assert run("result", JOB) == (0, "Dear Ann,\n\nyes.\n", "")
    assert json.loads(run("result", JOB, "--json")[1]) == result
    script.answers = [answer(result | {"content": {"a": "ä"}})]
    assert run("result", JOB)[1] == '{\n  "a": "ä"\n}\n'


# ---- lists ---------------------------------------------------------------------------


def test_a_list_is_columns_narrowed_and_no_longer_than_asked(run, script):  # noqa: F811
    rows = [shown(title=f"Job {n}") for n in range(3)]
    script.answers = [answer({"next": "http://x/?cursor=a", "results": rows})]
    given = ["--status", "failed", "--status", "expired", "--type", "note"]
    given += ["--thread", "user:42"]
    code, out, _ = run("list", *given, "--limit", "4")
    assert code == 0
    assert out.splitlines()[0].split() == ["id", "status", "type", "created", "title"]
    assert out.splitlines()[1] == f"{JOB}  queued  note  2026-11-26 12:00  Job 0"
    assert len(out.splitlines()) == 5
    first, second = script.asked
    assert first.args.getlist("status") == ["failed", "expired"]
    assert (first.args["type"], first.args["page_size"]) == ("note", "4")
    assert first.args["thread"] == "user:42"
    assert second.args["cursor"] == "a"


def test_what_a_terminal_would_obey_is_shown_as_what_it_is(run, script):  # noqa: F811
    evil = "\x1b]0;owned\x07\x1b[2J\u202egnp\u200b[red]x\r\n"
    seen = r"\x1b]0;owned\x07\x1b[2J\u202egnp\u200b[red]x\r\n"
    script.answers = [answer({"next": None, "results": [shown(title=evil)]})]
    assert run("list")[1].rstrip("\n").endswith(f"12:00  {seen}")
    script.answers = [answer(shown("failed", explanation=evil))]
    assert run("watch", JOB)[2].rstrip("\n").endswith(f"failed: {seen}")
    script.answers = [problem(409, evil)]
    assert run("watch", JOB)[2] == f"409: {seen}\n"


# ---- what goes wrong -----------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        [],
        ["submit", "note"],
        ["sing"],
        ["submit", "note", "--input", "-", "--metadata", "order"],
        ["submit", "note", "--input", "-", "--metadata", "=7"],
        ["submit", "note", "--input", "-", "--on-active", "wait"],
        ["watch", JOB, "--timeout", "soon"],
        ["watch", JOB, "--timeout", "nan"],
        ["watch", JOB, "--timeout", "-1"],
        ["watch", "../jobs"],
        ["submit", "note", "--input", "/nowhere/at/all"],
        ["submit", "note", "--input", "-"],  # which is empty
        ["list", "--url", "http://review.example.com"],
        ["list", "--url", ""],
        ["list", "--token", ""],
    ],
)
def test_wrong_usage_is_told_apart_and_asks_nothing(run, script, given):  # noqa: F811
    code, out, err = run(*given)
    assert (code, out, script.asked) == (2, "", [])
    assert err.strip()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409])
def test_what_the_api_refuses_is_told_with_its_reason(run, script, status):  # noqa: F811
    script.answers = [problem(status, "No.", errors={"input.text": ["Too long."]})]
    said = f"{status}: No.; input.text: Too long.\n"
    assert run("submit", "note", "--input", "-", stdin="{}") == (2, "", said)


def test_no_answer_is_told_apart_and_how_to_try_again(run, monkeypatch):
    patient = functools.partialmethod(module.Client.__init__, patience=0)
    monkeypatch.setattr(module.Client, "__init__", patient)
    given = ["--url", "http://127.0.0.1:9", "--key", "k1"]
    code, out, err = run("submit", "note", "--input", "-", *given, stdin="{}")
    assert (code, out) == (6, "")
    assert "no answer" in err
    assert "With --key k1 try again safely." in err


def test_something_else_at_the_address_is_told_apart(run, script):  # noqa: F811
    script.answers = [answer("Welcome")]
    assert run("list")[0] == 6
    script.answers = [problem(500)]
    assert run("list")[0] == 6


def test_the_help_tells_the_exit_codes(run):
    for given in (["--help"], ["submit", "--help"], ["watch", "--help"]):
        code, out, _ = run(*given)
        assert code == 0
        for line in (
            "  3    rejected",
            "  4    failed",
            "  5    the time",
            "  6    no ",
        ):
            assert line in out


# ---- in a terminal, and out of it ----------------------------------------------------


@contextmanager
def started(
    script: Script,  # noqa: F811
    *arguments: str,
    **how,
) -> Iterator[subprocess.Popen]:
    """The program, which is killed should it not end by itself."""
    env = os.environ | {"BGREVIEW_URL": script.url, "BGREVIEW_TOKEN": TOKEN}
    with subprocess.Popen(
        [*PROGRAM, *arguments],
        env=env | {"TERM": "xterm"},
        preexec_fn=heed_ctrl_c,
        **how,
    ) as program:
        try:
            yield program
        finally:
            program.kill()


def heed_ctrl_c() -> None:
    """What runs in the background of a script may have been told to ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_is_no_traceback(script):  # noqa: F811
    script.answers = [answer(shown("running"))]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with started(script, "watch", JOB, **pipes) as program:
        assert "running" in program.stderr.readline()
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=PATIENCE)
    assert (program.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "Interrupted."
    assert "Traceback" not in err


def test_a_reader_that_has_enough_is_no_traceback(script):  # noqa: F811
    rows = [shown(title="x" * 5_000)] * 100  # more than a pipe holds
    script.answers = [answer({"next": None, "results": rows})]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    given = ["list", "--json", "--limit", "100000"]
    with started(script, *given, **pipes) as program:
        program.stdout.read(10)
        program.stdout.close()
        assert program.stderr.read() == b""
    assert program.returncode == 141


def test_a_terminal_gets_a_bar_and_a_table(script):  # noqa: F811
    steps = {"percent": 40, "basis": "time", "note": ""}
    script.answers = [
        answer(shown("running", progress=steps)),
        answer(shown("approved", 2)),
    ]
    assert b"\x1b[?25l" in in_a_terminal(script, "watch", JOB)  # the cursor is hidden
    script.answers = [
        answer({"next": None, "results": [shown("failed", title="[b]x")]})
    ]
    table = in_a_terminal(script, "list")
    assert b"[b]x" in table
    assert b"\x1b[31mfailed" in table


def in_a_terminal(script: Script, *arguments: str) -> bytes:  # noqa: F811
    ours, theirs = pty.openpty()
    pipes = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with started(script, *arguments, **pipes) as program:
        os.close(theirs)
        said, until = b"", time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                said += os.read(ours, 65536)
            except OSError:  # nobody has the other end any more
                break
        os.close(ours)
        assert program.wait(PATIENCE) == 0, said
    return said

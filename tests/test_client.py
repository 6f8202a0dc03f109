"""The client by itself: what it tries again, what it refuses, what it never tells."""

import asyncio
import json
import logging
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from bgreview import client as module
from bgreview.client import (
    AsyncClient,
    Client,
    Conflict,
    Job,
    NotFound,
    Problem,
    ServerProblem,
    Throttled,
    TimedOut,
    Unreachable,
    Unreadable,
)
from tests.deliveries import listening
from tests.house import PATIENCE, receiver

TOKEN = "0123456789abcdef" * 4
JOB = "1f0c9d3e-0000-4000-8000-000000000001"
ROOT = Path(__file__).parent.parent


def shown(status: str = "queued", revision: int = 1, **more: Any) -> dict[str, Any]:
    """A job as the API shows it."""
    over = status not in ("queued", "running", "awaiting_review")
    return {
        "id": JOB,
        "status": status,
        "type": "note",
        "revision": revision,
        "created_at": "2026-11-26T12:00:00Z",
        "finished_at": "2026-11-26T12:01:00Z" if over else None,
        "explanation": f"It is {status}.",
    } | more


def problem(status: int, detail: str = "No.", **more: Any) -> Response:
    said = {"type": "about:blank", "title": "", "status": status, "detail": detail}
    kind = "application/problem+json"
    return Response(json.dumps(said | more), status, content_type=kind)


def answer(said: Any, status: int = 200, **headers: str) -> Response:
    return Response(json.dumps(said), status, headers, content_type="application/json")


class Script:
    """Answers one after the other, the last one for good; and what was asked."""

    def __init__(self, server: HTTPServer) -> None:
        self.asked: list[Request] = []
        self.answers: list[Response] = []
        self.url = f"http://127.0.0.1:{server.port}"
        server.expect_request("/").respond_with_handler(self._answer)
        server.expect_request(module.re.compile("/api/v1/.*")).respond_with_handler(
            self._answer
        )

    def _answer(self, request: Request) -> Response:
        self.asked.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def script(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> Script:
    """A server that answers as it is told, and no long waits before a next try."""
    monkeypatch.setattr(module, "BACKOFF", (0.001, 0.01))
    monkeypatch.setattr(module, "POLL", (0.001, 0.01))
    return Script(httpserver)


@pytest.fixture
def bgreview(script: Script) -> Iterator[Client]:
    with Client(script.url, TOKEN) as client:
        yield client


# ---- trying again --------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_pass_is_tried_again_with_the_same_key_and_bytes(
    script, bgreview, status
):
    script.answers = [problem(status), problem(status), answer(shown(), 201)]
    job = bgreview.submit("note", {"text": "Hello."}, title="T")
    assert (job.id, job.status, job.is_over) == (JOB, "queued", False)
    assert len(script.asked) == 3
    assert len({request.headers["Idempotency-Key"] for request in script.asked}) == 1
    assert len({request.data for request in script.asked}) == 1


def test_every_submission_has_a_key_of_its_own_unless_it_is_given(script, bgreview):
    script.answers = [answer(shown(), 201)]
    for key in (None, None, "mine"):
        bgreview.submit("note", {"text": "Hello."}, key=key)
    keys = [request.headers["Idempotency-Key"] for request in script.asked]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"


def test_a_call_whose_answer_was_lost_is_made_again(monkeypatch):
    monkeypatch.setattr(module, "BACKOFF", (0.001, 0.01))
    body = json.dumps(shown()).encode()
    head = f"HTTP/1.1 201 Created\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    keys: list[bytes] = []

    def serve(port: socket.socket) -> None:
        for said in (b"", head + body[:20], head + body):
            caller, _ = port.accept()
            with caller:
                asked = caller.recv(65536)
                keys.append(asked.lower().split(b"idempotency-key: ")[1].split()[0])
                caller.sendall(said)

    with socket.create_server(("127.0.0.1", 0)) as port:
        thread = threading.Thread(target=serve, args=[port], daemon=True)
        thread.start()
        with Client(f"http://127.0.0.1:{port.getsockname()[1]}", TOKEN) as bgreview:
            assert bgreview.submit("note", {}).id == JOB
        thread.join(PATIENCE)
    assert len(keys) == 3
    assert len(set(keys)) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 413, 418, 500])
def test_what_stands_is_asked_once(script, bgreview, status):
    script.answers = [problem(status, "No.", errors={"title": ["Too long."]})]
    with pytest.raises(Problem, match=r"No\.; title: Too long\.") as no:
        bgreview.submit("note", {})
    assert type(no.value) is module.PROBLEMS.get(
        status, ServerProblem if status == 500 else Problem
    )
    assert (no.value.status, no.value.errors) == (status, {"title": ["Too long."]})
    assert len(script.asked) == 1


def test_retry_after_is_honoured(script, bgreview):
    script.answers = [problem(429), problem(409), answer(shown(), 201)]
    script.answers[0].headers["Retry-After"] = "1"
    script.answers[1].headers["Retry-After"] = "0"  # busy with the same key
    began = time.monotonic()
    assert bgreview.submit("note", {}).id == JOB
    assert 1 <= time.monotonic() - began < 3


def test_what_asks_for_more_patience_than_there_is_ends_at_once(script, bgreview):
    script.answers = [problem(429)]
    script.answers[0].headers["Retry-After"] = "3600"
    with pytest.raises(Throttled):
        bgreview.get(JOB)
    assert len(script.asked) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0),
        ("-3", 0.0),
        ("Thu, 26 Nov 2020 12:00:00 GMT", 0.0),
        ("Fri, 26 Nov 2100 12:00:00 GMT", None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_as_seconds_date_or_nonsense(value, seconds):
    found = module._retry_after(
        module.httpx2.Response(429, headers={"Retry-After": value})
    )
    assert found == seconds or (seconds is None and "2100" in value and found > 1e9)


def test_days_of_waiting_overflow_nothing():
    assert module._poll_in(100_000) <= module.POLL[1]
    silence = module.httpx2.ConnectError("nobody")
    assert module._again_in(silence, 100_000, ()) <= module.BACKOFF[1]


def test_silence_ends_with_the_key_to_try_again_with():
    with (
        listening(backlog=None) as url,
        Client(url, TOKEN, patience=0) as bgreview,
        pytest.raises(Unreachable, match="no answer") as silence,
    ):
        bgreview.submit("note", {}, key="mine")
    assert silence.value.key == "mine"


# ---- what it does not do -------------------------------------------------------------


def test_redirects_are_told_and_not_followed(script, bgreview, httpserver):
    elsewhere = f"{script.url}/elsewhere"
    script.answers = [Response("", 301, {"Location": elsewhere})]
    with pytest.raises(Unreadable, match="elsewhere: give the address itself"):
        bgreview.get(JOB)
    assert len(script.asked) == len(httpserver.log) == 1


def test_the_address_of_the_next_page_is_not_taken_only_its_cursor(script, bgreview):
    script.answers = [
        answer({"next": "http://evil.example/?cursor=abc", "results": [shown()]}),
        answer({"next": None, "results": [shown()]}),
    ]
    assert len(list(bgreview.jobs(status=["queued", "running"]))) == 2
    first, second = script.asked
    assert first.args.getlist("status") == ["queued", "running"]
    assert second.args.getlist("status") == ["queued", "running"]
    assert (second.path, second.args["cursor"]) == ("/api/v1/jobs/", "abc")


def test_pages_are_fetched_as_one_goes(script, bgreview):
    script.answers = [answer({"next": "http://x/?cursor=abc", "results": [shown()]})]
    jobs = bgreview.jobs()
    assert script.asked == []
    assert next(jobs).id == JOB
    assert len(script.asked) == 1


@pytest.mark.parametrize(
    "body", ["<html>Welcome</html>", '{"a": ', "[]", '"x"', '{"id": 1}', "null"]
)
def test_an_answer_that_is_none_of_the_apis_is_told_so(script, bgreview, body):
    script.answers = [Response(body, content_type="text/html")]
    for call in (
        lambda: bgreview.get(JOB),
        lambda: list(bgreview.jobs()),
        lambda: bgreview.submit_bulk([]),
        lambda: bgreview.thread("user:42"),
    ):
        with pytest.raises(Unreadable):
            call()


@pytest.mark.parametrize("said", ["null", '{"a": 1}', "[1]", '"x"', "3"])
def test_a_list_that_is_none_is_told_so(script, bgreview, said):
    script.answers = [Response(said, content_type="application/json")]
    for call in (bgreview.events, bgreview.evidence):
        with pytest.raises(Unreadable):
            call(JOB)


@pytest.mark.parametrize(
    "address", ["http://x/", "http://[x", 7, "?cursor=", "?cursor=a"]
)
def test_a_next_page_without_a_cursor_is_told_so(script, bgreview, address):
    script.answers = [answer({"next": address, "results": []})]
    with pytest.raises(Unreadable):
        list(bgreview.jobs())
    assert len(script.asked) < 3


def test_a_field_that_is_newer_than_we_is_left_in_raw(script, bgreview):
    script.answers = [answer(shown(mood="good", failure={"class": "policy", "x": 1}))]
    job = bgreview.get(JOB)
    assert job.raw["mood"] == "good"
    assert job.failure.class_ == "policy"
    assert job.created_at.isoformat() == "2026-11-26T12:00:00+00:00"


@pytest.mark.parametrize("given", ["../job-types", "a/b", "", "?x", "ä", "a\n"])
def test_what_is_no_id_is_asked_nothing(script, bgreview, given):
    with pytest.raises(ValueError, match="is no id"):
        bgreview.get(given)
    assert script.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://review.example.com",
        "http://127.0.0.1.example.com",
        "http://10.0.0.1",
        "ftp://localhost",
        "review.example.com",
        "https://ann:secret@review.example.com",
        "https://review.example.com/?a=b",
        "https://review.example.com/#a",
        "",
    ],
)
def test_an_address_that_is_not_safe_is_refused(url):
    with pytest.raises(ValueError, match=r"address|over http") as wrong:
        Client(url, TOKEN)
    assert "secret" not in str(wrong.value)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://a.example", "https://a.example/api/v1/"),
        ("https://a.example/house/", "https://a.example/house/api/v1/"),
        ("https://a.example/api/v1/", "https://a.example/api/v1/"),
        ("http://localhost:8000", "http://localhost:8000/api/v1/"),
        ("http://[::1]:8000", "http://[::1]:8000/api/v1/"),
    ],
)
def test_an_address_may_be_of_the_house_or_of_its_api(url, base):
    with Client(url, TOKEN) as bgreview:
        assert repr(bgreview) == f"Client({base!r})"


def test_http_elsewhere_is_a_choice():
    with Client("http://web:8000", TOKEN, over_http=True) as bgreview:
        assert "web:8000" in repr(bgreview)


@pytest.mark.parametrize("token", ["", " ", f"{TOKEN}\nX-Evil: 1", f"a {TOKEN}", "ä"])
def test_a_token_that_is_none_is_refused_and_not_shown(token):
    with pytest.raises(ValueError, match="The token is empty, or has") as wrong:
        Client("https://a.example", token)
    assert TOKEN not in str(wrong.value)


def test_the_token_stands_in_no_log_no_error_and_no_repr(script, bgreview, caplog):
    caplog.set_level(logging.DEBUG)
    script.answers = [problem(503), problem(409)]
    with pytest.raises(Conflict) as no:
        bgreview.submit("note", {})
    assert script.asked[0].headers["Authorization"] == f"Token {TOKEN}"
    everything = [caplog.text, repr(no.value), str(no.value), repr(bgreview)]
    assert "again in" in caplog.text
    assert TOKEN not in " ".join(everything)


def test_the_environment_changes_nothing(script, monkeypatch, tmp_path):
    """Neither a proxy nor another name and password from .netrc."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login eve password eve\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    script.answers = [answer(shown())]
    with Client(script.url, TOKEN) as bgreview:
        bgreview.get(JOB)
    assert script.asked[0].headers["Authorization"] == f"Token {TOKEN}"


def test_a_server_that_cannot_prove_who_it_is_gets_no_token(tmp_path):
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", "k.pem", "-out", "c.pem"),
        ],
        cwd=tmp_path,
        capture_output=True,
    )
    if made.returncode:
        pytest.skip("no openssl here to make a certificate with")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "c.pem", tmp_path / "k.pem")
    heard: list[bytes] = []

    def behave(caller: socket.socket) -> None:
        with context.wrap_socket(caller, server_side=True) as talk:
            heard.append(talk.recv(65536))

    with receiver(behave) as url:
        where = url.replace("http://127.0.0.1", "https://localhost")
        with Client(where, TOKEN) as bgreview, pytest.raises(Unreadable) as wrong:
            bgreview.get(JOB)  # at once: this does not pass by itself
    assert "CERTIFICATE_VERIFY_FAILED" in str(wrong.value)
    assert heard == []


# ---- waiting -------------------------------------------------------------------------


def revised(*jobs: dict[str, Any]) -> list[Response]:
    return [answer(job, ETag=f'"{job["revision"]}"') for job in jobs]


def test_a_held_call_is_made_again_until_the_job_is_over(script, bgreview):
    jobs = [shown(), shown("running", 2), shown("awaiting_review", 3)]
    script.answers = revised(*jobs, shown("rejected", 4))
    seen = list(bgreview.watch(JOB))
    assert [job.status for job in seen] == [
        "queued",
        "running",
        "awaiting_review",
        "rejected",
    ]
    first, *held = script.asked
    assert (first.path, first.query_string) == (f"/api/v1/jobs/{JOB}/", b"")
    for request, known in zip(held, "123", strict=True):
        assert request.path == f"/api/v1/jobs/{JOB}/wait/"
        assert request.args["timeout"] == "20"
        assert request.args["revision"] == known


@pytest.mark.parametrize("status", [404, 405, 501, 503])
def test_where_no_call_is_held_it_looks_again_and_again(script, bgreview, status):
    script.answers = [
        answer(shown(), ETag='"a"'),
        problem(status),
        answer(shown(), ETag='"a"'),
        Response("", 304, {"ETag": '"b"'}),
        answer(shown("approved", 2)),
    ]
    assert bgreview.wait(JOB).is_approved
    paths = [request.path.removeprefix("/api/v1/jobs/") for request in script.asked]
    assert paths == [f"{JOB}/", f"{JOB}/wait/", *[f"{JOB}/"] * 3]
    known = [request.headers.get("If-None-Match") for request in script.asked]
    assert known == [None, None, '"a"', '"a"', '"b"']


def test_where_too_many_wait_already_it_asks_to_be_held_later(
    script, bgreview, monkeypatch
):
    monkeypatch.setitem(module.NOT_HELD, 503, 0.2)
    job = answer(shown())
    script.answers = [job, problem(503), job]
    threads = ThreadPoolExecutor(1)
    waits = threads.submit(bgreview.wait, JOB)
    until = time.monotonic() + PATIENCE
    while sum(r.path.endswith("/wait/") for r in script.asked) < 3:
        assert time.monotonic() < until, "it is not asked for again"
        time.sleep(0.01)
    script.answers = [answer(shown("approved", 2))]
    assert waits.result(PATIENCE).is_approved
    threads.shutdown()


def test_a_call_that_is_not_held_long_is_not_made_at_once_again(
    script, bgreview, monkeypatch
):
    monkeypatch.setattr(module, "POLL", (0.2, 0.2))
    script.answers = [*revised(*[shown()] * 2), answer(shown("failed", 2))]
    began = time.monotonic()
    assert bgreview.wait(JOB).status == "failed"
    assert time.monotonic() - began > 0.09


def test_a_job_that_is_not_there_is_not_waited_for(script, bgreview):
    script.answers = [problem(404)]
    with pytest.raises(NotFound):
        bgreview.wait(JOB)
    assert len(script.asked) == 1


def test_an_approved_job_may_be_waited_for_until_it_is_delivered(script, bgreview):
    script.answers = revised(shown("approved", 1), shown("delivered", 2))
    assert bgreview.wait(JOB).status == "approved"
    script.answers = revised(shown("approved", 1), shown("delivered", 2))
    assert bgreview.wait(JOB, until=["delivered"]).status == "delivered"
    script.answers = revised(shown("running", 1), shown("rejected", 2))
    assert bgreview.wait(JOB, until=["delivered"]).status == "rejected"


def test_waiting_ends_when_its_time_is_over_and_tells_what_was_seen(script, bgreview):
    script.answers = [answer(shown("running"))]
    with pytest.raises(TimedOut, match=r"is running after 0\.2 s") as late:
        bgreview.wait(JOB, timeout=0.2)
    assert late.value.job.status == "running"
    assert "20" not in {request.args.get("timeout") for request in script.asked}
    with pytest.raises(TimedOut):
        bgreview.wait(JOB, timeout=0)


def test_a_server_that_is_gone_is_waited_for_no_longer_than_asked(monkeypatch):
    monkeypatch.setattr(module, "BACKOFF", (0.001, 0.01))
    with listening(backlog=None) as url:
        with Client(url, TOKEN) as bgreview, pytest.raises(TimedOut, match="no answer"):
            bgreview.wait(JOB, timeout=0.2)
        with Client(url, TOKEN, patience=0.1) as bgreview, pytest.raises(Unreachable):
            bgreview.wait(JOB, timeout=60)


def test_a_database_that_is_restarted_does_not_end_the_waiting(script, bgreview):
    script.answers = [answer(shown()), problem(500), answer(shown("approved", 2))]
    assert bgreview.wait(JOB).status == "approved"


def test_many_wait_at_once_in_one_loop(script):
    script.answers = revised(*[shown()] * 20, shown("approved", 2))

    async def wait() -> list[Job]:
        async with AsyncClient(script.url, TOKEN) as bgreview:
            return await asyncio.gather(*(bgreview.wait(JOB) for _ in range(20)))

    assert {job.status for job in asyncio.run(wait())} == {"approved"}


def test_an_async_list_and_watch_are_iterated(script):
    async def both() -> tuple[list[str], list[str]]:
        async with AsyncClient(script.url, TOKEN) as bgreview:
            script.answers = [answer({"next": None, "results": [shown()]})]
            listed = [job.id async for job in bgreview.jobs()]
            script.answers = revised(shown(), shown("approved", 2))
            watched = [job.status async for job in bgreview.watch(JOB)]
            return listed, watched

    assert asyncio.run(both()) == ([JOB], ["queued", "approved"])


# ---- what it is made of --------------------------------------------------------------

ALONE = """
import importlib.metadata, importlib.util, re, sys

def with_what_it_needs(name, known):
    known.add(name)
    for line in importlib.metadata.requires(name) or ():
        needed = re.match(r"[\\w.-]+", line)[0]
        if "extra ==" not in line and needed not in known:
            try:
                with_what_it_needs(needed, known)
            except importlib.metadata.PackageNotFoundError:
                known.add(needed)
    return known

allowed = {name.replace("-", "_") for name in with_what_it_needs("httpx2", set())}

class Nothing_else:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in {*allowed, "client"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Nothing_else())
sys.path.insert(0, ".")
import client
assert client.__file__.startswith(sys.argv[1]), client.__file__
assert not client.HAS_RICH
with client.Client("https://a.example", "0"):
    sys.exit(client.main(["list", "--url", "http://a.example", "--token", "0"]))
"""


def test_the_file_alone_is_enough_with_httpx2(tmp_path):
    (tmp_path / "client.py").write_bytes(Path(module.__file__).read_bytes())
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert "a.example is asked over http" in done.stderr


def test_it_is_not_the_house_that_is_loaded_with_it():
    ours = "{'django', 'jobs', 'reviews'}"
    start = f"import sys, bgreview.client; print([*{ours}.intersection(sys.modules)])"
    done = subprocess.run(
        [sys.executable, "-c", start],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"

"""Where content may go: public https in earnest, this machine alone in the sandbox.

Only name resolution is replaced, being the outside world. Nothing here leaves the
machine: what is refused is refused before a connection, which is what is tested.
"""

import ipaddress
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpcore2
import pytest

from bgreview.checks import settings_are_safe
from reviews.delivery import webhook
from reviews.delivery.answer import Answer
from reviews.delivery.deadline import TimedStream
from reviews.delivery.failures import FailureClass, Outcome
from reviews.delivery.guard import Forbidden, GuardedBackend, check, parts_of
from reviews.delivery.headers import RESERVED, own_headers
from reviews.delivery.webhook import send_webhook
from tests.house import PATIENCE, SECRET, receiver

PUBLIC = "93.184.216.34"


def post(url: str, body: str = "{}") -> Answer:
    request = {"method": "POST", "url": url, "headers": {}, "body": body}
    return send_webhook(request, webhook_id="msg_1", secrets=[SECRET])


def connect(url: str) -> None:
    """Resolve, check, connect: as a delivery would, without a word said."""
    parts = parts_of(url)
    backend = GuardedBackend(time.monotonic() + PATIENCE)
    backend.connect_tcp(parts.host.decode(), parts.port or 443, timeout=0.05).close()


@pytest.fixture(params=["openai", "sandbox"])
def either(request, settings) -> str:
    settings.PROVIDER = request.param
    return request.param


@pytest.fixture
def in_earnest(settings) -> None:
    settings.PROVIDER = "openai"


@pytest.fixture
def at(httpserver) -> str:
    httpserver.expect_request("/").respond_with_data("thanks")
    return f"http://127.0.0.1:{httpserver.port}/"


@pytest.fixture
def names(monkeypatch) -> Callable[..., list[str]]:
    """Names resolve to what a test says, answer by answer; numbers as they do."""
    real, asked = socket.getaddrinfo, []

    def install(**answers: Any) -> list[str]:
        def resolve(host: str, port: int, *args: Any, **more: Any) -> list[Any]:
            if host.strip(".").split(".")[0] not in answers:
                return real(host, port, *args, **more)
            asked.append(host)
            found = answers[host.strip(".").split(".")[0]].pop(0)
            return [one for ip in found for one in real(ip, port, *args, **more)]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        return asked

    return install


# ---- addresses -------------------------------------------------------------------

OURSELVES = [  # this machine, however it is written
    "127.0.0.1",
    "127.0.0.2",
    "127.255.255.254",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "127.1",
    "127.0.1",
]
INSIDE = [
    "0.0.0.0",
    "0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "0xa000001",
    "167772161",
    "012.0.0.1",
    "10.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.257",
    "100.64.0.1",
    "100.127.255.254",
    "169.254.0.1",
    "169.254.169.254",  # the metadata of the cloud
    "0xa9fea9fe",
    "2852039166",
    "100.100.100.200",
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::10.0.0.1]",
    "[::7f00:1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::10.0.0.1]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::10.0.0.1]",
    "[2002:a00:1::]",
    "[2002:a9fe:a9fe::]",
    "[2002:7f00:1::1]",
    "[2001:0:5db8:d822::f5ff:fffe]",  # Teredo to 10.0.0.1 by a public server
    "[2001:0:a00:1::a247:27dd]",  # and the other way round
    "[100::1]",
    "[2001:db8::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fe80::1%lo]",
    "[fec0::1]",
    "[ff02::1]",
    "[ff0e::1]",
]


@pytest.mark.parametrize("host", OURSELVES + INSIDE)
def test_in_earnest_nothing_is_sent_inside(in_earnest, host):
    with pytest.raises(Forbidden, match="is not a public address"):
        connect(f"https://{host}/")


@pytest.mark.parametrize("host", [*INSIDE, PUBLIC, "[2606:2800:220:1::1]"])
def test_in_the_sandbox_nothing_leaves_the_machine(host):
    with pytest.raises(Forbidden, match="loopback only"):
        connect(f"http://{host}/")


def test_a_forbidden_address_is_not_tried_again(in_earnest):
    answer = post("https://169.254.169.254/latest/meta-data/")
    why = "169.254.169.254 is not a public address."
    assert answer == Answer(why, FailureClass.FORBIDDEN, left=False)


@pytest.mark.parametrize("host", OURSELVES)
def test_in_the_sandbox_this_machine_may_be_reached(host):
    (*_, sockaddr), *_ = socket.getaddrinfo(host.strip("[]"), 80)
    check(ipaddress.ip_address(sockaddr[0]))


@pytest.mark.parametrize(
    "address",
    [
        PUBLIC,
        "1.1.1.1",
        "172.15.255.255",
        "172.32.0.1",
        "100.63.255.255",
        "100.128.0.1",
        "169.253.255.255",
        "223.255.255.254",
        "2606:2800:220:1::1",
        f"::ffff:{PUBLIC}",
        f"64:ff9b::{PUBLIC}",
    ],
)
def test_in_earnest_the_public_may_be_reached(in_earnest, address):
    check(ipaddress.ip_address(address))


# ---- URLs ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/",
        "example.com",
        "//example.com/",
        "https:",
        "https://",
        "https:///path",
        "https://:443/",
        "https://?q",
        "https://user@example.com/",
        "https://user:secret@example.com/",
        "https://:@example.com/",
        "https://example.com@127.0.0.1/",
        "https://127.0.0.1:80@example.com/",
        "https://example.com\\@127.0.0.1/",
        "https://127.0.0.1\\.example.com/",
        "https:\\\\example.com\\",
        "https://example.com/a b",
        " https://example.com/",
        "https://example.com/ ",
        "https://example.com /",
        "https://exa\tmple.com/",
        "https://example.com/\r\nHost: 127.0.0.1",
        "https://example.com/?a=\nb",
        "https://example.com\r\n/",
        "https://example.com/\0",
        "https://example.com/\N{LATIN SMALL LETTER A WITH DIAERESIS}",
        "https://ex\N{LATIN SMALL LETTER A WITH DIAERESIS}mple.com/",
        "https://\N{CIRCLED DIGIT ONE}27.0.0.1/",
        "https://example\N{IDEOGRAPHIC FULL STOP}com/",
        "https://127.0.0.1\N{FULLWIDTH SOLIDUS}example.com/",
        "https://example.com:65536/",
        "https://example.com:-1/",
        "https://example.com:http/",
        "https://example.com:443:443/",
        "https://[::1/",
        "https://[127.0.0.1]:443:80/",
        "https://]/",
        "file:///etc/passwd",
        "file://localhost/etc/passwd",
        "gopher://example.com/_x",
        "ftp://example.com/",
        "javascript:alert(1)//example.com",
        "data:text/plain,x",
        "ws://example.com/",
        "unix:///var/run/docker.sock",
        "http+unix://example.com/",
    ],
)
def test_what_is_not_a_plain_url_is_refused(either, names, url):
    asked = names(example=[[PUBLIC]])
    with pytest.raises(Forbidden):
        parts_of(url)
    assert post(url).outcome is Outcome.FAILED
    assert asked == []


def test_in_earnest_only_https_is_used(in_earnest):
    with pytest.raises(Forbidden, match="Only https"):
        parts_of("http://example.com/")
    assert parts_of("HTTPS://Example.com").scheme == b"https"


def test_a_setting_lets_http_pass_and_nothing_else(in_earnest, settings):
    settings.DELIVERY_OVER_HTTP = True
    assert parts_of("http://example.com/").scheme == b"http"
    with pytest.raises(Forbidden, match="Only https"):
        parts_of("ftp://example.com/")
    with pytest.raises(Forbidden, match="not a public address"):
        connect("http://127.0.0.1/")
    assert [found.id for found in settings_are_safe(None)].count("bgreview.W001") == 1


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://example.com", (b"example.com", None, b"/")),
        ("https://EXAMPLE.com:8443/a/b?c=d&e#f", (b"example.com", 8443, b"/a/b?c=d&e")),
        ("https://[2606:2800::1]/x", (b"2606:2800::1", None, b"/x")),
        ("https://example.com/%0d%0a@x", (b"example.com", None, b"/%0d%0a@x")),
    ],
)
def test_a_plain_url_is_taken_apart_as_it_stands(either, url, parts):
    found = parts_of(url)
    assert (found.host, found.port, found.target) == parts


# ---- names -----------------------------------------------------------------------


def test_a_name_is_asked_for_once_and_its_answer_is_what_is_connected_to(
    names, httpserver, at
):
    """Rebinding: a second answer may lie elsewhere, so there is no second question."""
    asked = names(desk=[["127.0.0.1"], [PUBLIC]])

    answer = post(f"http://desk.example:{httpserver.port}/")

    assert answer.outcome is Outcome.DELIVERED
    assert asked == ["desk.example"]
    ((request, _),) = httpserver.log
    assert request.headers["Host"] == f"desk.example:{httpserver.port}"


def test_a_second_answer_that_lies_inside_is_never_asked_for(
    in_earnest, names, monkeypatch
):
    """Rebinding, the other way round: public when checked, inside a moment later."""
    asked, connected = names(desk=[[PUBLIC], ["127.0.0.1"], ["127.0.0.1"]]), []

    def note(address: tuple[str, int], *args: Any, **more: Any) -> None:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", note)
    assert post("https://desk.example/").outcome is Outcome.AGAIN
    assert (asked, connected) == (["desk.example"], [(PUBLIC, 443)])


def test_a_name_that_moved_inside_since_the_last_try_is_refused(in_earnest, names):
    names(desk=[["10.0.0.1"]])
    with pytest.raises(Forbidden, match="not a public address"):
        connect("https://desk.example/")


@pytest.mark.parametrize(
    ("provider", "found"),
    [
        ("sandbox", ["127.0.0.1", PUBLIC]),
        ("sandbox", [PUBLIC, "127.0.0.1"]),
        ("sandbox", ["::1", "127.0.0.1", "10.0.0.1"]),
        ("openai", [PUBLIC, "10.0.0.1"]),
        ("openai", ["2606:2800:220:1::1", PUBLIC, "::1"]),
        ("openai", ["169.254.169.254", PUBLIC]),
    ],
)
def test_one_forbidden_answer_among_several_is_one_too_many(
    settings, names, httpserver, at, provider, found
):
    settings.PROVIDER = provider
    names(desk=[found])
    scheme = "http" if provider == "sandbox" else "https"

    answer = post(f"{scheme}://desk.example:{httpserver.port}/")

    assert answer.outcome is Outcome.FAILED
    assert httpserver.log == []


@pytest.mark.parametrize("host", ["desk.", "desk..", "desk.example.", "DESK.EXAMPLE"])
def test_another_spelling_of_a_name_is_checked_all_the_same(in_earnest, names, host):
    names(desk=[["127.0.0.1"]], DESK=[["127.0.0.1"]])
    with pytest.raises(Forbidden, match="not a public address"):
        connect(f"https://{host}/")


def test_a_name_without_an_address_is_asked_for_again_later(monkeypatch):
    def fail(*args: Any, **more: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert post("http://desk.example/").outcome is Outcome.AGAIN


# ---- detours ---------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(httpserver, at, status):
    inward = {"Location": f"{at}inside"}
    httpserver.expect_request("/moved").respond_with_data(status=status, headers=inward)

    answer = post(f"{at}moved")

    assert (answer.outcome, answer.http_status) == (Outcome.FAILED, status)
    assert [request.path for request, _ in httpserver.log] == ["/moved"]


def test_proxies_of_the_environment_are_not_used(httpserver, at, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    assert post(at).outcome is Outcome.DELIVERED
    ((request, _),) = httpserver.log
    assert request.path == "/"  # and not the whole URL, as a proxy is asked


# ---- headers ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "b\r\nX-Evil: 1"),
        ("X-A", "b\nX-Evil: 1"),
        ("X-A", "b\rX-Evil: 1"),
        ("X-A", "b\r\n\r\nPOST /inside HTTP/1.1"),
        ("X-A", "b\0"),
        ("X-A", "b\r\n X-Evil: 1"),
        ("X-A\r\nX-Evil", "1"),
        ("X-A: 1\r\nX-Evil", "1"),
        ("X A", "b"),
        ("X-A:", "b"),
        ("", "b"),
    ],
)
def test_a_header_that_http_cannot_carry_is_not_sent(httpserver, at, name, value):
    request = {"url": at, "headers": {name: value}, "body": "{}"}
    answer = send_webhook(request, webhook_id="msg_1", secrets=[SECRET])
    assert (answer.failure, answer.left) == (FailureClass.MALFORMED, False)
    assert httpserver.log == []


@pytest.mark.parametrize("name", [*sorted(RESERVED), "Host", "Webhook-Signature"])
def test_a_destination_cannot_set_headers_that_are_ours(name):
    assert "evil" not in own_headers({name: "evil"}).values()


# ---- receivers who take their time -----------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"


def trickle(caller: socket.socket, *, first: bytes, then: bytes) -> None:
    """A little now and then, for much longer than anybody should listen."""
    caller.recv(65_536)
    caller.sendall(first)
    for _ in range(60):
        caller.sendall(then)
        time.sleep(0.025)
    caller.sendall(b"THE END")


def hear(caller: socket.socket) -> None:
    """All of it: who closes before that resets the connection."""
    said = b""
    while not said.endswith(b"{}"):
        said += caller.recv(65_536)


def silent(caller: socket.socket) -> None:
    while caller.recv(65_536):
        pass


def endless_body(caller: socket.socket) -> None:
    caller.recv(65_536)
    caller.sendall(HEAD)
    while True:
        caller.sendall(b"x" * 65_536)


def slow_body(caller: socket.socket) -> None:
    trickle(caller, first=HEAD, then=b"x")


def slow_status(caller: socket.socket) -> None:
    trickle(caller, first=b"HTTP/1.1 200 ", then=b"O")


def slow_headers(caller: socket.socket) -> None:
    trickle(caller, first=b"HTTP/1.1 200 OK\r\n", then=b"X-A: b\r\n")


def endless_continues(caller: socket.socket) -> None:
    trickle(caller, first=b"", then=b"HTTP/1.1 100 Continue\r\n\r\n")


def endless_headers(caller: socket.socket) -> None:
    hear(caller)
    caller.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        caller.sendall(b"X-A: b\r\n" * 1_000)


def garbage(caller: socket.socket) -> None:
    hear(caller)
    caller.sendall(b"220 mail.example.com ESMTP\r\n")


def hangs_up(caller: socket.socket) -> None:
    hear(caller)


TOO_LATE = "No answer within 0.3 s."


@pytest.mark.parametrize(
    ("behave", "outcome", "why"),
    [
        (silent, Outcome.AGAIN, TOO_LATE),
        (endless_body, Outcome.DELIVERED, "HTTP 200"),
        (slow_body, Outcome.DELIVERED, "HTTP 200"),
        (slow_status, Outcome.AGAIN, TOO_LATE),
        (slow_headers, Outcome.AGAIN, TOO_LATE),
        (endless_continues, Outcome.AGAIN, TOO_LATE),
        (endless_headers, Outcome.AGAIN, "RemoteProtocolError: "),
        (garbage, Outcome.AGAIN, "RemoteProtocolError: "),
        (hangs_up, Outcome.AGAIN, "RemoteProtocolError: "),
    ],
)
def test_a_try_ends_when_its_patience_does(monkeypatch, behave, outcome, why):
    monkeypatch.setattr(webhook, "PATIENCE", 0.3)
    with receiver(behave) as url:
        answer = post(url)
    assert answer.outcome is outcome
    assert answer.why.startswith(why)
    assert "THE END" not in answer.said
    assert len(answer.said) <= webhook.ANSWER


def test_a_handshake_that_does_not_come_to_an_end_is_left(monkeypatch):
    monkeypatch.setattr(webhook, "PATIENCE", 0.3)
    done = threading.Event()
    with receiver(lambda caller: done.wait(PATIENCE)) as url:
        answer = post(url.replace("http:", "https:"))
        done.set()
    assert answer == Answer(TOO_LATE, FailureClass.TRANSIENT, left=False)


def test_a_receiver_that_does_not_read_is_left(monkeypatch):
    monkeypatch.setattr(webhook, "PATIENCE", 0.3)
    done = threading.Event()
    with receiver(lambda caller: done.wait(PATIENCE)) as url:
        answer = post(url, body="x" * 20_000_000)
        done.set()
    assert answer == Answer(TOO_LATE, FailureClass.TRANSIENT)


def test_once_the_time_is_over_nothing_is_read_or_written_however_ready():
    """A receiver that always has something to say is no reason to go on."""
    over = TimedStream(httpcore2.MockStream([b"x"]), time.monotonic() - 0.001)
    with pytest.raises(httpcore2.TimeoutException):
        over.read(1)
    with pytest.raises(httpcore2.TimeoutException):
        over.write(b"x")


def test_of_an_answer_the_first_kilobytes_are_kept(httpserver, at):
    httpserver.clear()
    httpserver.expect_request("/").respond_with_data(b"\0\xff" + b"x" * 100_000)
    said = post(at).said
    assert len(said) == webhook.ANSWER
    assert said.startswith("\ufffd\ufffdx")  # no NUL, which no database takes


# ---- TLS -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """A certificate for desk.example, and the key to it, in one file."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl here to make a certificate with")
    path = tmp_path_factory.mktemp("tls") / "desk.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-nodes",
                "-days",
                "3650",
                "-subj",
                "/CN=desk",
            ),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-addext", "subjectAltName=DNS:desk.example"),
            *("-keyout", path, "-out", path),
        ],
        check=True,
        capture_output=True,
    )
    return path


@pytest.fixture
def untold() -> Iterator[None]:
    """As in a process that has read no authorities yet, and leaves none behind."""
    webhook._authorities.cache_clear()
    yield
    webhook._authorities.cache_clear()


@pytest.mark.parametrize(
    ("host", "trusted", "outcome"),
    [
        ("desk.example", True, Outcome.DELIVERED),
        ("desk.other", True, Outcome.AGAIN),
        ("127.0.0.1", True, Outcome.AGAIN),
        ("desk.example", False, Outcome.AGAIN),
    ],
    ids=["right", "another name", "its address", "unknown authority"],
)
def test_a_receiver_must_be_who_its_name_says(
    certificate, untold, names, monkeypatch, host, trusted, outcome
):
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    names(desk=[["127.0.0.1"]])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    heard = []

    def answer_over_tls(caller: socket.socket) -> None:
        with context.wrap_socket(caller, server_side=True) as secured:
            said = secured.recv(65_536)
            while not said.partition(b"\r\n\r\n")[2]:  # unread, it would cut us off
                said += secured.recv(65_536)
            heard.append(said)
            secured.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with receiver(answer_over_tls) as url:
        port = url.strip("/").rpartition(":")[2]
        answer = post(f"https://{host}:{port}/")

    assert answer.outcome is outcome
    assert bool(heard) == (outcome is Outcome.DELIVERED)

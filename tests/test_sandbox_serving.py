"""The sandbox as a server and as a command."""

import ast
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx2
import openai
import pytest
from django.core.management.base import CommandError

import jobs.sandbox
from jobs.management.commands.sandbox import SECRET, Command, app_for, listen
from jobs.sandbox.app import make_app
from jobs.sandbox.serving import serve
from tests import sandbox

provider = sandbox.provider  # fixture


def test_serving_ends_with_its_block():
    before = set(threading.enumerate())
    with serve(make_app()) as served:
        assert httpx2.get(f"{served.url}/healthz", verify=False).json() == {
            "status": "ok"
        }
        assert served.url.startswith("http://127.0.0.1:")
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{served.url}/healthz", verify=False)
    assert set(threading.enumerate()) <= before  # others may have ended meanwhile


def test_the_command_says_when_its_port_is_taken(provider):
    port = int(provider.url.rsplit(":", 1)[1])
    with pytest.raises(CommandError, match=f"Port {port} on 127.0.0.1 is taken"):
        listen("127.0.0.1", port)


def options(*arguments: str) -> dict[str, object]:
    return vars(Command().create_parser("manage.py", "sandbox").parse_args(arguments))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scale", "-1"], "--scale must be"),
        (["--webhook-url", "http://x/"], SECRET),
        (["--webhook-url", "http://x/", "--webhook-secret", "whsec_"], SECRET),
        (["--webhook-url", "http://x/", "--webhook-secret", "whsec_é"], SECRET),
        (["--fault", "earthquake"], "--fault earthquake: .*webhook-drop"),
        (["--fault", "webhook-drop:2"], "--fault webhook-drop:2: .*from 0 to 1"),
        (["--fault", "webhook-drop:often"], "number from 0 to 1"),
    ],
)
def test_the_command_says_what_is_wrong_with_its_options(arguments, said):
    with pytest.raises(CommandError, match=said):
        app_for(options(*arguments))


def test_the_command_takes_its_secret_from_the_environment(monkeypatch):
    monkeypatch.setenv(SECRET, "whsec_c2FuZGJveA==")
    app = app_for(options("--webhook-url", "http://x/"))
    (endpoint,) = app.state.endpoints.known.values()
    assert (endpoint.url, endpoint.secret) == ("http://x/", "whsec_c2FuZGJveA==")


def test_the_command_orders_faults_and_throws_their_dice_from_a_seed():
    faults = ("--fault", "webhook-drop:0.5", "--fault", "webhook-delay")

    def thrown(seed: str) -> list[bool]:
        orders = app_for(options(*faults, "--seed", seed)).state.orders
        assert [order.rate for order in orders.standing] == [0.5, 1]
        return [bool(orders.strikes("webhook-drop")) for _ in range(50)]

    assert thrown("7") == thrown("7") != thrown("8")
    assert 10 < sum(thrown("7")) < 40


# As manage.py would, but without the settings, which the sandbox does not need.
RUN_COMMAND = """
from jobs.management.commands.sandbox import Command
Command().run_from_argv({})
"""


@pytest.mark.processes
def test_the_command_serves_on_a_free_port_and_says_which():
    line = ["manage.py", "sandbox", "--port", "0", "--scale", "0.01"]
    command = [sys.executable, "-c", RUN_COMMAND.format(line)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:[1-9]\d*/v1", said)[0]
        with openai.OpenAI(api_key="sk-test", base_url=url) as client:
            assert client.models.list().data
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stdout.read() == ""


def test_the_sandbox_knows_nothing_of_the_rest():
    for path in Path(jobs.sandbox.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in getattr(node, "names", ())]
            if isinstance(node, ast.ImportFrom):
                assert node.level < 2
                names = [] if node.level else [node.module]
            if isinstance(node, ast.Import | ast.ImportFrom):
                for name in names:
                    assert name.split(".")[0] not in ("django", "jobs", "openai"), path

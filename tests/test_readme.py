"""What the README shows integrators, run as it stands there, against our web server."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

import httpx2
import pytest
from django.contrib.auth.models import User

from bgreview.processes import free_port
from jobs.models import ApiToken, Job, JobType
from jobs.services.submit import submit_job
from reviews.models import Review
from reviews.services.decide import approve
from tests.deliveries import received
from tests.house import (
    PATIENCE,
    SECRET,
    bring_to,
    job_type,
    seen,
    send_due,
    webhook,
)
from tests.web import Web

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]
ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PROMPT = {
    "type": "object",
    "properties": {"prompt": {"type": "string", "minLength": 1}},
    "required": ["prompt"],
    "additionalProperties": False,
}


def snippet(language: str, holding: str) -> str:
    """The one of this language that has these words in it."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    (one,) = [code for code in found if holding in code]
    return one


@pytest.fixture
def freeform(transactional_db: None) -> JobType:
    return job_type("freeform", prompt_template="$prompt", input_schema=PROMPT)


@pytest.fixture
def env(web: Web, freeform: JobType, shop: User) -> dict[str, str]:
    """What the README supposes: an address, a token, and python on the path."""
    _, token = ApiToken.objects.create(user=shop)
    given = {"BGREVIEW_URL": web.url, "BGREVIEW_TOKEN": token}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | given | {"PATH": path, "PYTHONUNBUFFERED": "1"}


@contextmanager
def started(command: list[str], env: dict[str, str]) -> Iterator[subprocess.Popen]:
    with subprocess.Popen(
        command, env=env, cwd=ROOT, stdout=PIPE, stderr=PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def sh(code: str, env: dict[str, str], cwd: Path = ROOT) -> str:
    command = ["sh", "-euc", code]
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def until(holds: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := holds()):
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)
    return found


def decide(courier, ann) -> Review:
    """The one job there is comes to its review, and ann says yes."""
    job = until(Job.objects.first)
    review = Review.objects.get(job=bring_to("awaiting_review", job, courier))
    approve(review, by=ann, seen=seen(review))
    return review


def test_submit_poll_and_wait_with_curl(env, courier):
    submit = snippet("sh", "-d '{")
    job = json.loads(sh(submit, env))
    assert (job["status"], job["title"]) == ("queued", "A line")
    assert json.loads(sh(submit, env))["id"] == job["id"]

    about = env | {"ID": job["id"], "REVISION": str(job["revision"])}
    assert json.loads(sh(snippet("sh", 'jobs/$ID/" -H'), about)) == job
    with started(["sh", "-euc", snippet("sh", "/wait/")], about) as waits:
        moved = bring_to("running", Job.objects.get(), courier)
        said = json.loads(waits.communicate(timeout=PATIENCE)[0])
    assert (said["id"], said["status"]) == (job["id"], moved.status)


def test_submit_poll_wait_and_result_in_python(env, courier, ann):
    code = snippet("python", "bgreview.submit(")
    with started([sys.executable, "-c", code], env) as program:
        review = decide(courier, ann)
        out, err = program.communicate(timeout=PATIENCE)
    assert (program.returncode, err) == (0, "")
    assert out == (f"Waits to be started at the provider.\n{review.result.content}\n")


def test_the_command_line(env, courier, ann):
    code = snippet("sh", "client.py submit")
    with started(["sh", "-euc", code], env) as program:
        decide(courier, ann)
        out, err = program.communicate(timeout=PATIENCE)
    assert (program.returncode, out) == (0, f"{Job.objects.get().public_id}\n")
    assert "approved: " in err.splitlines()[-1]


def test_a_receiver_in_python(env, freeform, courier, shop, ann):
    port = free_port()
    webhook(f"http://127.0.0.1:{port}/", freeform)
    secret = {"BGREVIEW_SECRET": SECRET, "PORT": str(port)}
    code = snippet("python", "class Receiver")
    with started([sys.executable, "-c", code], env | secret) as receiver:
        until(lambda: is_open(port))
        submit_job(by=shop, type_name="freeform", given={"prompt": "Say hello."})
        review = decide(courier, ann)
        send_due()
        said = receiver.stdout.readline()
        forged = httpx2.post(f"http://127.0.0.1:{port}/", content=b"{}", verify=False)
    assert said.split()[:2] == [str(review.job.public_id), "ann"]
    assert review.job.deliveries.get().status == "delivered"
    assert (forged.status_code, "are not there" in forged.text) == (400, True)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_signature_with_other_tools(
    env, freeform, courier, shop, ann, at, httpserver, tmp_path
):
    httpserver.expect_request("/desk").respond_with_data("thanks")
    webhook(f"{at}/desk", freeform)
    submit_job(by=shop, type_name="freeform", given={"prompt": "Say hello."})
    decide(courier, ann)
    send_due()
    (request,) = received(httpserver)
    (tmp_path / "body.json").write_bytes(request.data)
    given = {
        "BGREVIEW_SECRET": SECRET,
        "WEBHOOK_ID": request.headers["webhook-id"],
        "WEBHOOK_TIMESTAMP": request.headers["webhook-timestamp"],
    }
    printed = sh(snippet("sh", "openssl dgst"), env | given, cwd=tmp_path)
    assert request.headers["webhook-signature"] == f"v1,{printed.strip()}"

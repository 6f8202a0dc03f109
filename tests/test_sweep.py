"""The sweep as a task: its life, its row, its end."""

import json
import os
import threading
from datetime import timedelta
from functools import partial

from django.utils import timezone
from werkzeug import Request, Response

from jobs.lifecycle import job_moved
from jobs.models import Sweep
from jobs.sweep import sweep
from tests.house import PATIENCE, submit
from tests.sweeping import (
    RESPONSES,
    history,
    response,
)


def test_a_sweep_works_until_its_row_is_ended_and_brings_its_replies_home(
    note, shop, ask, httpserver, monkeypatch
):
    monkeypatch.setattr("jobs.pulse.EVERY", 0)
    ended = threading.Event()

    def answer_late(request: Request) -> Response:
        assert ended.wait(PATIENCE)
        return Response(json.dumps(response(id="resp_2")["body"]))

    def end_sweep(**moved) -> None:
        Sweep.objects.update(ended_at=timezone.now())
        ended.set()

    expect = partial(httpserver.expect_ordered_request, RESPONSES, "POST")
    expect().respond_with_json(response()["body"])
    expect().respond_with_handler(answer_late)
    jobs = [submit(shop), submit(shop)]
    job_moved.connect(end_sweep)
    try:
        ask(httpserver.url_for("/v1"))
        assert sweep() == {"handled": 2}
    finally:
        job_moved.disconnect(end_sweep)

    assert [history(job)[-1] for job in jobs] == ["running", "running"]
    row = Sweep.objects.get()
    assert (row.lane, row.pid, row.handled) == ("provider", os.getpid(), 2)


def test_a_sweep_that_waited_too_long_leaves_it_to_the_younger_ones(db):
    ago = timezone.now() - timedelta(seconds=91)
    assert sweep(intended=ago.isoformat()) == {"skipped": 1}
    assert not Sweep.objects.exists()

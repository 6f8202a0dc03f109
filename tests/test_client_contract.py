"""The contract of the API, held with curl and with both kinds of our client.

Against a real server process, on committed rows: whoever speaks, the same is true.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from bgreview import client
from bgreview.client import AsyncClient, Client
from bgreview.processes import free_port
from jobs.models import ApiToken, Job
from reviews.models import Review
from reviews.services.decide import approve, reject
from tests.house import PATIENCE, bring_to, person, seen, submit
from tests.voices import VOICES, Refused, Voice
from tests.web import serving

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]
HELLO = {"text": "Say hello."}


def token_of(user) -> str:
    return ApiToken.objects.create(user=user)[1]


@pytest.fixture(params=VOICES)
def voice(request, web, shop, note) -> Voice:
    return VOICES[request.param](web.url, token_of(shop))


def refused(call, *given, **named) -> Refused:
    with pytest.raises(Refused) as no:
        call(*given, **named)
    return no.value


def the_job(said: dict) -> Job:
    return Job.objects.get(public_id=said["id"])


def test_a_job_from_its_submission_to_its_approved_result(voice, courier, ann):
    job = voice.submit("note", HELLO, title="Greeting", metadata={"order": "7"})
    assert (job["status"], job["title"], job["type"]) == ("queued", "Greeting", "note")
    assert voice.get(job["id"]) == job
    assert refused(voice.result, job["id"]).status in (403, 404)

    review = Review.objects.get(job=bring_to("awaiting_review", the_job(job), courier))
    assert voice.get(job["id"])["next_action"]["who"] == "reviewers"
    assert refused(voice.result, job["id"]).status == 403

    approve(review, by=ann, seen=seen(review))
    assert voice.wait(job["id"])["status"] == "approved"
    result = voice.result(job["id"])
    assert (result["approved"], result["content"]) == (True, review.result.content)
    assert "reasoning" in [step["kind"] for step in voice.evidence(job["id"])]
    became = [e["became"] for e in voice.events(job["id"]) if e["kind"] == "status"]
    assert became == ["queued", "running", "completed", "awaiting_review", "approved"]


def test_the_same_submission_with_the_same_key_is_the_same_job(voice):
    job = voice.submit("note", HELLO, key="order-7")
    voice.cancel(job["id"], "Not wanted.")
    assert voice.submit("note", HELLO, key="order-7") == job
    assert Job.objects.count() == 1
    assert refused(voice.submit, "note", {"text": "Hi."}, key="order-7").status == 409
    assert voice.submit("note", HELLO, key="order-8")["id"] != job["id"]


def test_lists_go_on_over_pages_newest_first_and_narrowed(voice):
    ids = [voice.submit("note", HELLO, title=str(n))["id"] for n in range(5)]
    voice.cancel(ids[0], "Not wanted.")
    assert [job["id"] for job in voice.jobs(page_size=2)] == ids[::-1]
    assert [job["id"] for job in voice.jobs(status="cancelled")] == ids[:1]
    assert [job["id"] for job in voice.jobs(type="note", page_size=3)] == ids[::-1]
    assert refused(voice.jobs, status="nowhere").status == 400


def test_what_is_wrong_is_told_by_field_and_as_it_is(voice):
    bad = refused(voice.submit, "note", {"text": "", "tone": "kind"}, title="x" * 201)
    assert bad.status == 400
    assert set(bad.errors) == {"title"}  # what has no form is refused first
    worse = refused(voice.submit, "note", {"text": "", "tone": "kind"})
    assert set(worse.errors) == {"input.text", "input.tone"}
    assert "no job type" in str(refused(voice.submit, "unheard-of", HELLO).errors)


def test_what_is_not_there_or_not_ones_own_is_not_found(voice, web, note):
    other = VOICES["curl"](web.url, token_of(person("mail", "Integrations")))
    theirs = other.submit("note", HELLO)["id"]
    for job in (str(uuid.uuid4()), theirs):
        assert refused(voice.get, job).status == 404
        assert refused(voice.wait, job).status == 404
        assert refused(voice.cancel, job, "").status == 404
    assert voice.jobs() == []


def test_a_token_that_is_none_is_refused(voice, web):
    with_another = type(voice)(web.url, "0" * 64)
    no = refused(with_another.jobs)
    assert (no.status, "token" in no.detail.lower()) == (401, True)


def test_a_cancelled_job_is_set_going_again_once(voice):
    job = voice.submit("note", HELLO)["id"]
    assert voice.cancel(job, "Too early.")["status"] == "cancelled"
    assert voice.wait(job)["status"] == "cancelled"
    assert refused(voice.cancel, job, "").status == 409
    assert refused(voice.retry, job).status == 403  # integrations may not


def test_waiting_ends_when_the_job_is_over(voice, courier, note, ann):
    job = voice.submit("note", HELLO)["id"]
    with ThreadPoolExecutor(1) as threads:
        waits = threads.submit(voice.wait, job)
        reviewed = bring_to("awaiting_review", Job.objects.get(), courier)
        assert not waits.done()
        review = Review.objects.get(job=reviewed)
        reject(review, by=ann, seen=seen(review), comment="No.")
        assert waits.result(PATIENCE)["status"] == "rejected"


def test_many_are_submitted_at_once_all_or_none(voice):
    jobs = [{"type": "note", "input": {"text": str(n)}} for n in range(3)]
    made = voice.submit_bulk(jobs, key="night-1")
    assert [voice.get(one["id"])["input"]["text"] for one in made] == ["0", "1", "2"]
    assert voice.submit_bulk(jobs, key="night-1") == made
    bad = refused(voice.submit_bulk, [*jobs, {"type": "note", "input": {"text": ""}}])
    assert (bad.status, set(bad.errors)) == (400, {"jobs.3.input.text"})
    assert Job.objects.count() == 3


def test_a_thread_is_made_once_and_jobs_run_in_it_until_it_is_deleted(voice):
    thread = voice.thread("user:42", metadata={"shop": "north"}, max_messages=10)
    assert voice.thread("user:42")["id"] == thread["id"]
    assert (thread["state"], thread["metadata"]) == ("idle", {"shop": "north"})
    assert voice.get_thread(thread["id"])["max_messages"] == 10
    job = voice.submit("note", HELLO, thread="user:42")
    assert job["thread"] == {"id": thread["id"], "key": "user:42"}
    voice.thread("user:43")
    assert [one["key"] for one in voice.threads(page_size=1)] == ["user:43", "user:42"]
    assert [one["key"] for one in voice.threads(key="user:42")] == ["user:42"]
    assert voice.thread_stats(thread["id"])["jobs_by_status"]["queued"] == 1
    other = voice.thread("user:43")["id"]
    assert voice.archive_thread(other)["state"] in ("archiving", "archived")
    assert voice.delete_thread(thread["id"], archive=True)["state"] == "deleting"
    assert refused(voice.submit, "note", HELLO, thread="user:42").status == 409
    assert refused(voice.get_thread, str(uuid.uuid4())).status == 404


# ---- a server that is killed in the middle -------------------------------------------


def watch(url: str, token: str, job: str, seen: list[str]) -> None:
    with Client(url, token) as bgreview:
        seen += (found.status for found in bgreview.watch(job, timeout=60))


def watch_async(url: str, token: str, job: str, seen: list[str]) -> None:
    async def act() -> None:
        async with AsyncClient(url, token) as bgreview:
            async for found in bgreview.watch(job, timeout=60):
                seen.append(found.status)

    asyncio.run(act())


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


def test_waiting_goes_on_when_the_server_is_started_again(
    other_process_env, shop, note, courier, ann, caplog, monkeypatch
):
    monkeypatch.setattr(client, "BACKOFF", (0.1, 0.5))
    caplog.set_level(logging.WARNING, "bgreview.client")
    job, ours, theirs, port = submit(shop), [], [], free_port()
    where = f"http://127.0.0.1:{port}", token_of(shop), str(job.public_id)
    with ThreadPoolExecutor(2) as threads:
        with serving(other_process_env, port=port) as web:
            waits = [
                threads.submit(watch, *where, ours),
                threads.submit(watch_async, *where, theirs),
            ]
            until(lambda: ours == theirs == ["queued"])
            web.process.kill()
            until(lambda: caplog.text.count("no answer") > 2)
        review = Review.objects.get(job=bring_to("awaiting_review", job, courier))
        with serving(other_process_env, port=port):
            until(lambda: ours == theirs == ["queued", "awaiting_review"])
            reject(review, by=ann, seen=seen(review), comment="No.")
            for each in waits:
                each.result(PATIENCE)
    assert ours == theirs == ["queued", "awaiting_review", "rejected"]

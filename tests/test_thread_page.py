"""Threads in the admin: the list, a thread read as a conversation, and its ways out."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from jobs.admin import thread_page
from jobs.models import Citation, Conversation, Job, Result, Thread, ThreadItem
from jobs.models.job_type import InThread
from reviews.models import Review
from reviews.services.decide import approve, reject
from tests.house import (
    bring_to,
    browser,
    courier_to,
    job_type,
    person,
    program,
    seen,
    submit,
)
from tests.test_model_written import HOSTILE, NOTE, Tags
from tests.test_pages import assert_strict, path_to
from tests.threads import KEY, thread_of

LIST = "jobs_thread_changelist"


@pytest.fixture(scope="module")
def standing_thread(standing, provider_server) -> int:
    """Three jobs: approved, rejected and taken out, and one that waits."""
    job_type(in_thread=InThread.FORGETS)
    shop, ann = program(), person("ann", "Reviewers")
    texts = ("Answer one.", "Answer two.", "Answer three.")
    jobs = [submit(shop, text, thread=KEY, title=text[7:]) for text in texts]
    with courier_to(provider_server) as courier:
        for job, decide in zip(jobs, (approve, reject), strict=False):
            bring_to("awaiting_review", job, courier)
            review = Review.objects.open().get(job=job)
            decide(review, by=ann, seen=seen(review), comment=f"On {job}")
        bring_to("awaiting_review", jobs[2], courier)
    thread: Thread = jobs[0].thread
    return thread.pk


@pytest.fixture
def thread(standing_thread: int, db: None) -> Thread:
    return Thread.objects.get(pk=standing_thread)


def page_of(thread: Thread, who: Any) -> Any:
    return browser(who).get(path_to("jobs_thread_change", thread.pk))


def test_it_reads_as_a_conversation_with_each_verdict_beside_its_answer(thread, olivia):
    page = page_of(thread, olivia)
    assert_strict(page)
    text = page.content.decode()
    asked = [text.index(f"Answer {n}.") for n in ("one", "two", "three")]
    assert asked == sorted(asked)
    assert "Approved by ann" in text
    assert "Rejected by ann" in text
    assert "On two." in text
    assert text.count("Taken out") == 1
    assert "Waits for a reviewer" in text
    assert Conversation.objects.get(thread=thread).conversation_id in text


def test_answers_that_are_not_approved_need_a_right_of_their_own(thread, shop):
    shop.is_staff = True
    shop.save()
    first = Job.objects.filter(thread=thread).earliest("pk")
    page = page_of(thread, shop).content.decode()
    assert page.count("you lack the right to see it") == 2
    assert Result.objects.get(job=first).html[:40] in page


def test_what_a_model_wrote_is_marked_and_harmless(thread, olivia):
    for result in Result.objects.filter(job__thread=thread):
        result.set_content(HOSTILE)
        result.html = ""
        result.save()
    conversation = Conversation.objects.get(thread=thread)
    ThreadItem.objects.create(
        conversation=conversation,
        position=1,
        item_id="msg_1",
        kind="message",
        role="<b>",
        body='{"content": "<script>alert(1)</script>\\u202e"}',
        copied_at=timezone.now(),
    )
    text = page_of(thread, olivia).content.decode()
    assert NOTE in text
    assert "alert(1)" in text
    assert "\u202e" not in text
    for tag, attrs in Tags(text).found:
        assert not any(name.startswith("on") for name in attrs), (tag, attrs)
        assert not str(attrs.get("href", "")).startswith("javascript:")
        assert tag != "img" or attrs["src"].startswith("/static/")
        assert tag != "script" or attrs.get("src", "").startswith("/static/")


def test_citations_of_each_answer_lead_to_the_page_of_its_job(thread, olivia):
    jobs = thread.jobs.order_by("pk")
    for result in Result.objects.filter(job__in=jobs):
        Citation.objects.create(result=result, position=1, start=0, end=4)
    html = page_of(thread, olivia).content.decode()
    assert 'id="passage-1"' not in html
    for job in jobs:
        assert f'href="{path_to("jobs_job_change", job.pk)}#citation-1"' in html


def test_old_turns_are_a_page_of_their_own(thread, olivia, monkeypatch):
    monkeypatch.setattr(thread_page, "TURNS", 2)
    first, second, third = Job.objects.filter(thread=thread).order_by("pk")
    newest = page_of(thread, olivia).content.decode()
    assert f"?before={second.pk}" in newest
    path = path_to("jobs_thread_change", thread.pk)
    older = browser(olivia).get(f"{path}?before={second.pk}").content.decode()
    assert path_to("jobs_job_change", first.pk) in older
    assert path_to("jobs_job_change", third.pk) not in older


def test_it_takes_no_more_queries_for_more_that_was_said(
    thread, olivia, django_assert_max_num_queries
):
    page_of(thread, olivia)
    with django_assert_max_num_queries(45):
        page_of(thread, olivia)


def test_the_list_shows_states_and_is_narrowed_by_them(thread, olivia, shop):
    other = thread_of(shop, "user:43")
    page = browser(olivia).get(path_to(LIST))
    assert_strict(page)
    assert path_to("jobs_thread_change", other.pk) in page.content.decode()
    active = browser(olivia).get(f"{path_to(LIST)}?state=active").content.decode()
    assert path_to("jobs_thread_change", thread.pk) in active
    assert path_to("jobs_thread_change", other.pk) not in active


def test_a_thread_is_archived_and_deleted_from_its_page(shop, olivia, ann):
    thread = thread_of(shop, "user:44")

    def close(who: Any, how: str, **said: str) -> Any:
        path = path_to("jobs_thread_close", thread.pk, how)
        return browser(who).post(path, said)

    assert close(ann, "archive").status_code == 403
    close(olivia, "archive")
    assert Thread.objects.get(pk=thread.pk).state == "archiving"
    close(olivia, "delete", keep="on")
    gone = Thread.objects.get(pk=thread.pk)
    assert (gone.state, gone.keeps_copy) == ("deleting", True)
    assert "is being deleted" in page_of(gone, olivia).content.decode()
    assert close(olivia, "explode").status_code == 404


def test_others_threads_are_not_there(thread, db):
    eve = person("eve", "Integrations")
    assert page_of(thread, eve).status_code == 404


def test_a_job_is_submitted_into_a_thread_by_hand(thread, olivia):
    path = path_to("jobs_job_submit_type", "note")
    page: Client = browser(olivia)
    said = {"input.text": "Hello.", "thread": "user:45", "on_active": "reject"}
    assert page.post(path, said).status_code == 302
    job = Job.objects.latest("pk")
    assert job.thread.key == "user:45"
    shown = page.get(path_to("jobs_job_change", job.pk)).content.decode()
    assert path_to("jobs_thread_change", job.thread.pk) in shown
    again = page.post(path, said)
    assert again.status_code == 422
    assert str(job.public_id) in again.content.decode()


def test_what_it_has_to_say_of_itself_is_said(thread, olivia):
    Thread.objects.filter(pk=thread.pk).update(trouble="Sorry. \u202e")
    text = page_of(thread, olivia).content.decode()
    assert "did not succeed yet: Sorry." in text

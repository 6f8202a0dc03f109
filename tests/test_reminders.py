"""The time of a review: one reminder before its end, then given up, then reopened."""

import re
from dataclasses import fields
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import pytest
import time_machine
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection
from django.utils import timezone

from jobs.explain import explain
from jobs.lifecycle import MoveRefused
from jobs.models import Job
from jobs.services.verify import broken_links
from jobs.sweep import turn
from reviews import notices
from reviews.models import Review, ReviewPolicy
from reviews.notices import ReviewDue
from reviews.reminders import reminders
from reviews.services import remind
from reviews.services.decide import approve
from reviews.services.remind import LEASE, remind_reviewers
from reviews.services.reopen import reopen_review
from tests.deliveries import listening
from tests.house import bring_to, person, seen, submit
from tests.test_races import at_once

TITLE = "Quarterly figures of Acme"
SECRET_NUMBER = "4711-0815"


@pytest.fixture
def asked(note, shop, courier) -> Review:
    """A review with a day's time and a reminder two hours before its end."""
    job = submit(shop, "A secret text.", title=TITLE, metadata={"order": SECRET_NUMBER})
    ReviewPolicy.objects.create(version=job.version, hours=24, remind_hours=2)
    return bring_to("awaiting_review", job, courier).reviews.get()


@pytest.fixture
def mailed(ann, bob) -> list[User]:
    """Both reviewers can be written to."""
    for user in (ann, bob):
        user.email = f"{user.username}@example.com"
        user.save()
    return [ann, bob]


def in_time(review: Review, **late: float) -> time_machine.travel:
    """Just after its reminder is due."""
    return time_machine.travel(review.remind_at + timedelta(seconds=1, **late))


def test_those_who_may_decide_are_reminded_once(asked, mailed, mailoutbox, settings):
    settings.PUBLIC_URL = "https://review.example.com/"
    assert asked.remind_at == asked.due_at - timedelta(hours=2)
    assert remind_reviewers() == 0

    with in_time(asked):
        assert remind_reviewers() == 1
        assert remind_reviewers() == 0
    with in_time(asked, hours=1):
        assert remind_reviewers() == 0

    assert [mail.to for mail in mailoutbox] == [
        ["ann@example.com"],
        ["bob@example.com"],
    ]
    link = f"https://review.example.com/admin/reviews/review/{asked.pk}/change/"
    assert link in mailoutbox[0].body
    assert f"{asked.due_at:%d %b %Y %H:%M} UTC" in mailoutbox[0].body
    event = asked.job.events.get(kind="reminder")
    assert (event.actor, event.note) == ("system", "Reminded ann, bob.")
    assert broken_links(asked.job) == []


def test_a_reminder_says_nothing_of_what_it_is_about(asked, mailed, mailoutbox):
    with in_time(asked):
        remind_reviewers()

    raw = mailoutbox[0].message().as_string() + mailoutbox[0].subject
    for told in (TITLE, SECRET_NUMBER, "secret", asked.result.content, "Acme"):
        assert told not in raw


def test_a_notice_has_no_room_for_content():
    assert {field.name: field.type for field in fields(ReviewDue)} == {
        "review_id": int,
        "job_id": UUID,
        "due_at": datetime,
    }
    templates = [getattr(notices, name) for name in dir(notices) if name.isupper()]
    named = set(re.findall(r"{(\w+)", " ".join(t for t in templates if type(t) is str)))
    assert named == {"due_at", "url", "job_id"}


def test_only_those_who_may_decide_are_reminded(
    note, courier, ann, bob, olivia, mailoutbox
):
    rita = person("rita", "Reviewers", "Operators", email="rita@example.com")
    legal = Group.objects.create(name="Legal")
    for user in (ann, bob, olivia):
        user.email = f"{user.username}@example.com"
        user.save()
    for user in (ann, rita):
        user.groups.add(legal)
    left = person("left", "Reviewers", is_active=False, email="left@example.com")
    for user in (left, person("silent", "Reviewers")):
        user.groups.add(legal)
    job = submit(rita)
    ReviewPolicy.objects.create(
        version=job.version, hours=9, remind_hours=1, group=legal, four_eyes=True
    )
    review = bring_to("awaiting_review", job, courier).reviews.get()

    with in_time(review):
        remind_reviewers()

    assert [mail.to for mail in mailoutbox] == [["ann@example.com"]]


def test_when_nobody_can_be_written_to_the_history_says_so(asked, ann, mailoutbox):
    with in_time(asked):
        assert remind_reviewers() == 1

    assert mailoutbox == []
    note = asked.job.events.get(kind="reminder").note
    assert note == "Reminded nobody: those who may decide have no mail address."


def test_without_a_time_for_it_nobody_is_reminded(review, mailed, mailoutbox):
    with time_machine.travel(review.due_at - timedelta(seconds=1)):
        assert remind_reviewers() == 0
    assert mailoutbox == []


@pytest.mark.parametrize("late", [False, True], ids=["decided", "over"])
def test_what_is_decided_or_over_is_not_reminded_of(asked, mailed, mailoutbox, late):
    if not late:
        approve(asked, by=mailed[0], seen=seen(asked))
    with in_time(asked, hours=2 if late else 0):
        assert remind_reviewers() == 0
    assert mailoutbox == []


def test_a_mail_server_that_is_down_is_tried_again_later(
    asked, mailed, settings, postbox
):
    port = settings.EMAIL_PORT
    with listening(backlog=None) as url, in_time(asked):
        settings.EMAIL_PORT = int(url.strip("/").rpartition(":")[2])
        assert remind_reviewers() == 0
        assert remind_reviewers() == 0
    settings.EMAIL_PORT = port

    with in_time(asked, minutes=LEASE.total_seconds() / 60 + 1):
        assert remind_reviewers() == 1

    assert len(postbox.letters) == 2
    assert asked.job.events.filter(kind="reminder").count() == 1


def test_an_address_that_is_refused_keeps_no_other_from_its_mail(
    asked, mailed, postbox
):
    postbox.to_recipient["ann@example.com"] = "550 no such user"
    with in_time(asked):
        assert remind_reviewers() == 1
    assert len(postbox.letters) == 1


def test_no_transaction_is_open_while_mail_is_sent(
    transactional_db, asked, mailed, monkeypatch
):
    told = []

    def look(notice: ReviewDue, addresses: list[str]) -> int:
        told.append(connection.in_atomic_block)
        return len(addresses)

    monkeypatch.setattr(remind, "send_reminders", look)
    with in_time(asked):
        remind_reviewers()
    assert told == [False]


def test_two_at_once_remind_once(transactional_db, asked, mailed, mailoutbox):
    with in_time(asked):
        (told,) = at_once([remind_reviewers], [partial(reminders, "")])

    assert sorted([told[0], told[1]["reminded"]]) == [0, 1]
    assert len(mailoutbox) == 2


def test_of_two_that_read_the_same_row_one_claims_it(asked):
    """The race, without threads: two copies of one row."""
    now, mine, theirs = timezone.now(), Review.objects.get(), Review.objects.get()
    assert remind.claim(mine, now)
    assert not remind.claim(theirs, now)


def test_a_task_that_waited_too_long_leaves_it_to_younger_ones(asked, mailoutbox):
    with in_time(asked):
        intended = timezone.now() - timedelta(minutes=2)
        assert reminders(intended.isoformat()) == {"skipped": 1}


def test_a_policy_reminds_before_the_end_and_after_the_beginning(note):
    version = note.versions.get()
    ReviewPolicy(version=version, hours=2, remind_hours=1).full_clean()
    with pytest.raises(ValidationError, match="Must be less than the 2 hours"):
        ReviewPolicy(version=version, hours=2, remind_hours=2).full_clean()


# ---- given up, and reopened ---------------------------------------------------------


@pytest.fixture
def abandoned(asked, courier) -> Job:
    with time_machine.travel(asked.due_at + timedelta(seconds=1)):
        turn(courier, 0)
    job = Job.objects.get()
    assert job.status == "abandoned"
    return job


def test_what_nobody_decided_says_that_it_can_be_reopened(abandoned):
    said = explain(abandoned)
    assert said.sentence == "Abandoned. Nobody decided before the review was due."
    assert (said.what, said.who) == (
        "reopen the review if it is still wanted",
        "reviewers",
    )


@pytest.mark.parametrize("who", ["ann", "olivia"])
def test_a_person_reopens_it_with_time_anew(abandoned, who, request, ann):
    reopen_review(abandoned, by=request.getfixturevalue(who), note="Still wanted.")

    job = Job.objects.get()
    review = job.reviews.get(closed_at=None)
    assert (job.status, review.round) == ("awaiting_review", 2)
    assert job.wake_at == review.due_at == review.opened_at + timedelta(hours=24)
    assert review.remind_at == review.due_at - timedelta(hours=2)
    assert job.events.last().note == "Still wanted."
    approve(review, by=ann, seen=seen(review))
    assert broken_links(Job.objects.get()) == []


def test_reopening_needs_a_right(abandoned, shop):
    with pytest.raises(PermissionDenied):
        reopen_review(abandoned, by=shop)


def test_only_an_abandoned_review_is_reopened(review, ann):
    with pytest.raises(MoveRefused, match="only what was abandoned"):
        reopen_review(review.job, by=ann)


def test_what_was_given_up_before_it_had_an_answer_is_not_reviewed(note, shop, ann):
    job = submit(shop)
    for status in ("running", "requires_action", "abandoned"):
        job.move(status)
    with pytest.raises(MoveRefused, match="only what was abandoned"):
        reopen_review(job, by=ann)
    assert explain(job).what == ""

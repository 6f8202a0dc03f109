"""The time of a review: one reminder before its end, then given up, then reopened."""

import quopri
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlsplit
from uuid import UUID

import pytest
import time_machine
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.mail import EmailMessage
from django.db import connection
from django.utils import timezone

from jobs.courier import Courier
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
from reviews.services.remind import (
    LEASE,
    escalate_reviews,
    remind_reviewers,
    tell_of_openings,
)
from reviews.services.reopen import reopen_review
from tests.deliveries import listening
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
from tests.test_races import at_once, reviews_like

TITLE = "Quarterly figures of Acme"
SECRET_NUMBER = "4711-0815"


def ask(shop: User, courier: Courier) -> Review:
    """For a review with a day's time and a reminder two hours before its end."""
    job = submit(shop, "A secret text.", title=TITLE, metadata={"order": SECRET_NUMBER})
    ReviewPolicy.objects.create(version=job.version, hours=24, remind_hours=2)
    return bring_to("awaiting_review", job, courier).reviews.get()


@pytest.fixture(scope="module")
def standing_review(standing, provider_server) -> int:
    job_type()
    with courier_to(provider_server) as courier:
        return ask(program(), courier).pk


@pytest.fixture
def asked(standing_review, db) -> Review:
    return Review.objects.get(pk=standing_review)


@pytest.fixture
def committed(note, shop, courier) -> Review:
    """The same for tests that commit."""
    return ask(shop, courier)


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
    assert named - {"lines", "more", "count"} == {"due_at", "url", "job_id"}


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


def test_without_a_time_for_it_nobody_is_reminded(committed_review, mailed, mailoutbox):
    with time_machine.travel(committed_review.due_at - timedelta(seconds=1)):
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
    transactional_db, committed, mailed, monkeypatch
):
    told = []

    def look(letters: dict[str, tuple[str, str]]) -> int:
        told.append(connection.in_atomic_block)
        return len(letters)

    monkeypatch.setattr(notices, "_mail", look)
    with in_time(committed):
        reminders()
    assert told == [False, False]


# ---- that they opened ----------------------------------------------------------------


@pytest.fixture
def several(asked, mailed) -> list[Review]:
    """Three reviews that opened meanwhile; four eyes keep the last from ann."""
    ann = mailed[0]
    reviews = [asked, *reviews_like(asked, 2)]
    last = reviews[-1]
    Review.objects.filter(pk=last.pk).update(policy={"four_eyes": True})
    Job.objects.filter(pk=last.job_id).update(requester=ann)
    return reviews


def links(mail: EmailMessage) -> list[int]:
    found = re.findall(r"/admin/reviews/review/(\d+)/change/", mail.body)
    return [int(pk) for pk in found]


def test_each_person_gets_one_mail_of_all_that_opened(several, mailoutbox):
    assert tell_of_openings() == 3
    assert tell_of_openings() == 0

    first, second = mailoutbox
    assert (first.to, second.to) == (["ann@example.com"], ["bob@example.com"])
    assert set(links(first)) == {review.pk for review in several[:2]}
    assert set(links(second)) == {review.pk for review in several}
    assert first.subject == "2 jobs wait for a decision"
    assert f"by {several[0].due_at:%d %b %Y %H:%M} UTC" in first.body


def test_what_is_decided_already_is_not_told(several, mailed, mailoutbox):
    approve(several[0], by=mailed[0], seen=seen(several[0]))
    assert tell_of_openings() == 2
    assert all(several[0].pk not in links(mail) for mail in mailoutbox)


def test_a_mail_names_some_and_links_to_the_rest(several, mailoutbox, monkeypatch):
    monkeypatch.setattr(notices, "MOST", 1)
    tell_of_openings()
    assert len(links(mailoutbox[1])) == 1
    queue = "http://127.0.0.1:8000/admin/reviews/review/"
    assert f"And 2 more: {queue}\n" in mailoutbox[1].body


def test_when_no_mail_server_answers_they_are_told_later(
    asked, mailed, settings, postbox
):
    port = settings.EMAIL_PORT
    with listening(backlog=None) as url:
        settings.EMAIL_PORT = int(url.strip("/").rpartition(":")[2])
        assert tell_of_openings() == 0
    settings.EMAIL_PORT = port
    postbox.to_recipients = "550 no such user"
    assert tell_of_openings() == 1  # each was refused by name: not again every minute
    assert tell_of_openings() == 0


def test_of_two_that_saw_it_open_one_tells(asked):
    now = timezone.now()
    assert remind._take(asked, now)
    assert not remind._take(asked, now)


# ---- that nobody came ----------------------------------------------------------------


@pytest.fixture
def escalating(note, shop, courier, ann) -> Review:
    """An hour before its end the heads are told: hana, and not one who has left."""
    heads = Group.objects.create(name="Heads")
    for name, active in (("hana", True), ("left", False)):
        user = person(name, email=f"{name}@example.com", is_active=active)
        user.groups.add(heads)
    job = submit(shop, "A secret text.", title=TITLE, metadata={"order": SECRET_NUMBER})
    ReviewPolicy.objects.create(
        version=job.version, hours=5, escalate_hours=1, escalate_to=heads
    )
    return bring_to("awaiting_review", job, courier).reviews.get()


def test_when_nobody_comes_others_are_told_once(escalating, mailoutbox):
    assert escalating.escalate_at == escalating.due_at - timedelta(hours=1)
    assert escalate_reviews() == 0
    with time_machine.travel(escalating.escalate_at + timedelta(seconds=1)):
        assert escalate_reviews() == 1
        assert escalate_reviews() == 0

    (mail,) = mailoutbox
    assert mail.to == ["hana@example.com"]
    assert links(mail) == [escalating.pk]
    event = escalating.job.events.get(kind="escalation")
    assert event.note == "Nobody had decided. Told hana."
    assert broken_links(escalating.job) == []


def test_what_was_decided_is_not_escalated(escalating, ann, mailoutbox):
    approve(escalating, by=ann, seen=seen(escalating))
    with time_machine.travel(escalating.escalate_at + timedelta(seconds=1)):
        assert escalate_reviews() == 0
    assert mailoutbox == []


def without_hours(review: Review) -> Review:
    """As if the policy had named the group alone."""
    Review.objects.filter(pk=review.pk).update(escalate_at=review.due_at)
    return Review.objects.get(pk=review.pk)


def abandoned_in_vain(review: Review, courier: Courier) -> None:
    """Its time is over, and the sweep has come by."""
    with time_machine.travel(review.due_at + timedelta(seconds=1)):
        bring_to("abandoned", review.job, courier)


def test_when_nobody_came_at_all_others_are_told_once(escalating, courier, mailoutbox):
    review = without_hours(escalating)
    with time_machine.travel(review.due_at + timedelta(minutes=1)):
        assert escalate_reviews() == 0  # nobody has looked that its time is over
    abandoned_in_vain(review, courier)

    with time_machine.travel(review.due_at + timedelta(minutes=1)):
        assert escalate_reviews() == 1
        assert escalate_reviews() == 0

    (mail,) = mailoutbox
    assert (mail.to, links(mail)) == (["hana@example.com"], [review.pk])
    assert "abandoned, and not approved" in mail.body
    assert SECRET_NUMBER not in mail.subject + mail.body
    event = review.job.events.get(kind="escalation")
    assert event.note == "Nobody decided in time. Told hana."


def test_what_was_reopened_meanwhile_is_not_told(escalating, courier, ann, mailoutbox):
    review = without_hours(escalating)
    abandoned_in_vain(review, courier)
    reopen_review(Job.objects.get(), by=ann)

    with time_machine.travel(review.due_at + timedelta(minutes=1)):
        assert escalate_reviews() == 0
    assert mailoutbox == []
    again = without_hours(Review.objects.open().get())
    abandoned_in_vain(again, courier)
    with time_machine.travel(again.due_at + timedelta(minutes=1)):
        assert escalate_reviews() == 1
    assert [links(mail) for mail in mailoutbox] == [[again.pk]]


def test_a_policy_without_hours_tells_when_it_was_in_vain(note, shop, courier):
    heads = Group.objects.create(name="Heads")
    job = submit(shop)
    ReviewPolicy.objects.create(version=job.version, escalate_to=heads)
    review = bring_to("awaiting_review", job, courier).reviews.get()
    assert review.escalate_at == review.due_at


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"escalate_hours": 2}, "escalate_hours"),
        ({"escalate_hours": 1}, "escalate_to"),
    ],
)
def test_a_policy_says_to_whom_and_before_the_end(note, given, field):
    with pytest.raises(ValidationError) as wrong:
        ReviewPolicy(version=note.versions.get(), hours=2, **given).full_clean()
    assert field in wrong.value.message_dict


# ---- without content -----------------------------------------------------------------


def test_no_notice_says_anything_of_what_it_is_about(
    escalating, ann, postbox, monkeypatch
):
    """Every mail there is, as bytes on the wire, searched for words of the job."""
    ann.email = "ann@example.com"
    ann.save()
    Review.objects.update(remind_at=escalating.escalate_at)
    with time_machine.travel(escalating.escalate_at + timedelta(seconds=1)):
        assert reminders() == {"told": 1, "reminded": 1, "escalated": 1}

    assert len(postbox.letters) == 3
    content = str(escalating.result.content)
    planted = (TITLE, "Acme", SECRET_NUMBER, "order", "secret", content, "shop")
    for letter in postbox.letters:
        plain = quopri.decodestring(letter).decode()
        for word in (*planted, escalating.result.content_hash):
            assert word not in plain


def test_a_notices_link_decides_nothing(asked, mailed, mailoutbox):
    tell_of_openings()
    path = urlsplit(re.findall(r"http://\S+", mailoutbox[0].body)[0]).path
    answer = browser(mailed[0]).get(path)
    assert answer.status_code == 200
    assert Job.objects.get().status == "awaiting_review"


def test_what_notices_are_made_of_has_no_field_for_content():
    """Every dataclass of the module, by reflection: a new one must be thought about."""
    found = {
        thing.__name__: {field.name: field.type for field in fields(thing)}
        for thing in vars(notices).values()
        if is_dataclass(thing) and thing.__module__ == notices.__name__
    }
    assert found == {
        "ReviewDue": {"review_id": int, "job_id": UUID, "due_at": datetime},
        "StatusEvent": {"job_id": UUID, "status": str, "at": datetime},
        "Address": {
            "url": str,
            "headers": Mapping[str, str],
            "secrets": Sequence[str],
        },
    }


@pytest.mark.both_databases
def test_two_at_once_remind_once(transactional_db, committed, mailed, mailoutbox):
    with in_time(committed):
        (told,) = at_once([remind_reviewers], [partial(reminders, "")])

    assert sorted([told[0], told[1]["reminded"]]) == [0, 1]
    assert len([m for m in mailoutbox if "A decision is due" in m.subject]) == 2


def test_of_two_that_read_the_same_row_one_claims_it(asked):
    """The race, without threads: two copies of one row."""
    now, mine, theirs = timezone.now(), Review.objects.get(), Review.objects.get()
    assert remind.claim(mine, remind.REMINDER, now)
    assert not remind.claim(theirs, remind.REMINDER, now)


def test_a_task_that_waited_too_long_leaves_it_to_younger_ones(asked, mailoutbox):
    with in_time(asked):
        intended = timezone.now() - timedelta(minutes=2)
        assert reminders(intended.isoformat()) == {"skipped": 1}


def test_a_policy_reminds_before_the_end_and_after_the_beginning(note):
    version = note.versions.get()
    ReviewPolicy(version=version, hours=2, remind_hours=1).full_clean()
    with pytest.raises(ValidationError, match="Must be less than the 2 hours"):
        ReviewPolicy(version=version, hours=2, remind_hours=2).full_clean()


# ---- given up, and reopened --------------------------------------------------------


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
    assert (job.status, review.round) == ("awaiting_review", 1)
    assert job.wake_at == review.due_at == review.opened_at + timedelta(hours=24)
    assert review.remind_at == review.due_at - timedelta(hours=2)
    assert job.events.last().note == "Still wanted."
    approve(review, by=ann, seen=seen(review))
    assert broken_links(Job.objects.get()) == []


def test_reopening_needs_a_right(abandoned, shop):
    with pytest.raises(PermissionDenied):
        reopen_review(abandoned, by=shop)


def test_only_an_abandoned_review_is_reopened(asked, ann):
    with pytest.raises(MoveRefused, match="only what was abandoned"):
        reopen_review(asked.job, by=ann)


def test_what_was_given_up_before_it_had_an_answer_is_not_reviewed(note, shop, ann):
    job = submit(shop)
    for status in ("running", "requires_action", "abandoned"):
        job.move(status)
    with pytest.raises(MoveRefused, match="only what was abandoned"):
        reopen_review(job, by=ann)
    assert explain(job).what == ""

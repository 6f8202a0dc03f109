"""What the doctor finds of threads, and what it leaves alone."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.doctor.checks import About
from jobs.doctor.visit import examine
from jobs.models import Conversation, Job, Thread
from tests.house import submit
from tests.threads import KEY, thread_of

LONG_AGO = timedelta(days=2)


def lost_conversation(thread: Thread) -> None:
    past = timezone.now() - LONG_AGO
    Conversation.objects.create(
        thread=thread, number=1, created_at=past, lost_at=past, ended_at=past
    )


def thread_step_late(thread: Thread) -> None:
    past = timezone.now() - LONG_AGO
    Thread.objects.filter(pk=thread.pk).update(wake_at=past, trouble="Sorry.")


def thread_closes_slowly(thread: Thread) -> None:
    past = timezone.now() - LONG_AGO
    Thread.objects.filter(pk=thread.pk).update(stage="archiving", closing_at=past)


def turn_of_nobody(thread: Thread) -> None:
    now = timezone.now()
    job = submit(thread.owner, thread=thread.key)
    job.attempts.create(
        number=1,
        created_at=now,
        conversation=Conversation.objects.create(
            thread=thread, number=1, created_at=now
        ),
    )


BROKEN: list[Callable[[Thread], None]] = [
    lost_conversation,
    thread_step_late,
    thread_closes_slowly,
    turn_of_nobody,
]
RULES = {break_it.__name__ for break_it in BROKEN}


@pytest.mark.parametrize("break_it", BROKEN, ids=lambda one: one.__name__)
def test_each_rule_is_found_broken_and_only_there(note, shop, break_it):
    thread = thread_of(shop)
    thread_of(shop, "another")
    break_it(thread)
    found = examine(About.ROWS).found
    assert len(found[break_it.__name__]) == 1
    assert not any(found[rule] for rule in RULES - {break_it.__name__})


def test_a_job_that_waits_its_turn_is_not_late_but_the_one_before_it_is(note, shop):
    first, second = submit(shop, thread=KEY), submit(shop, thread=KEY)
    Thread.objects.update(wake_at=None)
    Job.objects.update(wake_at=timezone.now() - LONG_AGO)
    found = examine(About.ROWS).found["long_due"]
    assert [one.subject for one in found] == [f"job {first.public_id}"]
    Thread.objects.update(active_job=second)
    found = examine(About.ROWS).found["long_due"]
    assert [one.subject for one in found] == [f"job {second.public_id}"]

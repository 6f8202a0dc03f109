"""What tests of erasing begin with: a type whose content is kept for a month."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.utils import timezone

from jobs.cleanup import clean_up
from jobs.models import Job, JobType
from jobs.services.cancel import cancel_job
from tests.house import job_type, person, submit

WORD = "Pelikan"  # in everything that anybody said
KEEP = 30
LATER = timedelta(days=KEEP + 1)


def type_that_is_kept() -> JobType:
    made = job_type(tools=[{"type": "web_search"}])
    made.keep_days, made.deletes_at_provider = KEEP, True
    made.save()
    return made


@pytest.fixture
def kept(db: None) -> JobType:
    """A type whose content is kept for a month, and the provider's no longer."""
    return type_that_is_kept()


@pytest.fixture
def mona(db: None) -> User:
    """A manager."""
    return person("mona", "Managers")


def cancelled(shop: User) -> Job:
    return cancel_job(submit(shop, WORD), by=shop)


def later(call: Callable[[], Any] = clean_up, by: timedelta = LATER) -> Any:
    with time_machine.travel(timezone.now() + by):
        return call()


def erased(job: Job) -> bool:
    return Job.objects.get(pk=job.pk).erased_at is not None

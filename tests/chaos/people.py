"""Who submits, decides, cancels and retries, through what people use for it."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

import httpx2
from django.utils import timezone

from jobs.lifecycle import MoveRefused
from jobs.models import ApiToken, Job
from jobs.models.job_type import InThread
from jobs.services.cancel import cancel_job
from jobs.services.check import check_job
from jobs.services.retry import retry_job
from reviews.models import Delivery, Review
from reviews.services.checks import do_check
from reviews.services.decide import approve, reject
from reviews.services.resend import resend_delivery
from reviews.services.seen import what_is_seen
from tests.chaos.fates import KEY, Fate, fate_of, thread_of
from tests.house import job_type, person, webhook

AT_ONCE = 20  # of each kind, between two looks at the clock
TEXT = "Chaos job {number}: say what it is about, in a sentence or two. {tag}"


class People:
    """One house's people; each act is small, so that troubles come in between."""

    def __init__(self, web: str, receiver: str) -> None:
        self.ann = person("ann", "Reviewers")
        self.bob = person("bob", "Reviewers")
        self.olivia = person("olivia", "Operators", "Managers")
        self.shop = person("shop", "Integrations", is_staff=False)
        _, token = ApiToken.objects.create(user=self.shop, name="chaos")
        self._http = httpx2.Client(
            base_url=f"{web}/api/v1/",
            headers={"Authorization": f"Token {token}"},
            timeout=5,
            trust_env=False,
        )
        sent, _, _ = (
            job_type("sent", in_thread=InThread.FORGETS),
            job_type("kept"),
            job_type("waived", waives_review=True),
        )
        webhook(f"{receiver}/approved", sent)
        self.accepted: set[str] = set()  # the ids that were answered with a 201
        self.unsure = 0  # submissions whose answer was lost

    def submit(self, number: int) -> bool:
        """Whether job `number` was taken; an answer that was lost may mean both."""
        fate = fate_of(number)
        tag = f"[sandbox:{fate.tag}]" if fate.tag else ""
        said = {
            "type": fate.type,
            "input": {"text": TEXT.format(number=number, tag=tag)},
            "title": f"{number}: {fate.name}",
            "metadata": {KEY: str(number)},
        }
        if thread := thread_of(number):
            said["thread"] = thread
        if fate.deadline_seconds:
            said["deadline_seconds"] = fate.deadline_seconds
        try:
            answer = self._http.post("jobs/", json=said)
        except httpx2.TransportError:
            return self._is_there(number)
        if answer.status_code >= 500:
            return self._is_there(number)
        assert answer.status_code == 201, answer.text
        self.accepted.add(answer.json()["id"])
        return True

    def act(self) -> None:
        """What they would do now: decide, cancel, retry, send again."""
        self._decide()
        self._cancel()
        self._retry()
        self._resend()

    def look_now(self, at: Sequence[str] = ("queued",)) -> None:
        """What was put off because of a trouble is looked at now."""
        soon = timezone.now()
        for job in Job.objects.filter(status__in=at, wake_at__gt=soon)[:AT_ONCE]:
            with suppress(MoveRefused):
                check_job(job, by=self.olivia)
        # No person can do this, but time would: a delivery waits up to a day.
        Delivery.objects.filter(status="pending", wake_at__gt=soon).update(wake_at=soon)

    def web_is_up(self) -> bool:
        try:
            return self._http.get("job-types/").is_success
        except httpx2.TransportError:
            return False

    def forgotten(self) -> Iterator[str]:
        """Jobs that the API took, and of which there is no row."""
        there = {str(i) for i in Job.objects.values_list("public_id", flat=True)}
        for public_id in self.accepted - there:
            yield f"job {public_id} was accepted, and is not there"

    def _decide(self) -> None:
        rows = Review.objects.open().select_related("job", "result")
        for review in rows[:AT_ONCE]:
            fate = _fate(review.job)
            with suppress(MoveRefused):
                if fate.approved:
                    self._confirm(review)
                    approve(review, by=self.ann, seen=what_is_seen(review).digest)
                else:
                    seen = what_is_seen(review).digest
                    reject(review, by=self.bob, seen=seen, comment="Not good enough.")

    def _confirm(self, review: Review) -> None:
        """Each flag of a result is a check: ann looks, and lets it pass."""
        for check in review.checks.filter(passed=None).select_related("review__job"):
            seen = what_is_seen(check.review).digest
            do_check(check, passed=True, by=self.ann, seen=seen)
        review.refresh_from_db()

    def _cancel(self) -> None:
        for job in _jobs("running"):
            if _fate(job).cancelled:
                with suppress(MoveRefused):
                    cancel_job(job, by=self.olivia, note="Not wanted any more.")

    def _retry(self) -> None:
        for job in [*_jobs("failed"), *_jobs("expired")]:
            if _ended_by_a_fault(job):
                with suppress(MoveRefused):
                    retry_job(job, by=self.olivia, note="Once more.")

    def _resend(self) -> None:
        rows = Delivery.objects.filter(status__in=["failed", "uncertain"])
        for delivery in rows.select_related("job")[:AT_ONCE]:
            with suppress(MoveRefused):
                resend_delivery(delivery, by=self.olivia, note="Once more.")

    def _is_there(self, number: int) -> bool:
        self.unsure += 1
        return Job.objects.filter(**{f"metadata__{KEY}": str(number)}).exists()


def wrong_ends() -> Iterator[str]:
    """Jobs that are not where their fate demands, a sentence each."""
    for job in Job.objects.order_by("pk").iterator():
        fate = _fate(job)
        if job.status != fate.ends:
            why = f"{job.failure_class} {job.failure_code}".strip()
            yield f"job {job.public_id} ({fate.name}) is {job.status} {why}".strip()


def _jobs(status: str) -> list[Job]:
    rows = Job.objects.filter(status=status).order_by("pk")
    return list(rows[: 10 * AT_ONCE])


def _fate(job: Job) -> Fate:
    return fate_of(int(job.metadata[KEY]))


def _ended_by_a_fault(job: Job) -> bool:
    """It should have ended, but not like this: bad input must fail as bad input."""
    fate = _fate(job)
    if fate.ends == "failed":
        return job.failure_class != "malformed_input"
    return job.status != fate.ends

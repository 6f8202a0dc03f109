"""What the reviews learn of jobs: through the one signal, inside its transaction."""

from typing import Any

from jobs.lifecycle import job_moved
from jobs.models import Job, JobEvent
from jobs.services.submit import checks_callbacks
from reviews.services.callbacks import tell_status, why_not_call_back
from reviews.services.opening import close_review, open_review


def connect() -> None:
    """Called once, when the app is ready."""
    job_moved.connect(on_job_moved, dispatch_uid="reviews")
    checks_callbacks(why_not_call_back)


def on_job_moved(sender: Any, job: Job, event: JobEvent, **kwargs: Any) -> None:
    """A review opens when a job comes to wait for one, and closes when it leaves.

    Whoever asked for the job is told of its status.
    """
    if event.was == Job.Status.AWAITING_REVIEW:
        close_review(job, event.at)
    if event.became == Job.Status.AWAITING_REVIEW:
        open_review(job, event.at)
    tell_status(job, event)

"""A job from submission to its review, against the sandbox over HTTP."""

import pytest

from jobs.models import Job
from tests.house import bring_to, job_type, submit


def test_a_submitted_job_comes_to_its_review(note, shop, courier):
    job = bring_to("awaiting_review", submit(shop), courier)

    moves = list(job.events.order_by("seq").values_list("was", "became"))
    assert moves == [
        ("", "queued"),
        ("queued", "running"),
        ("running", "completed"),
        ("completed", "awaiting_review"),
    ]


@pytest.mark.parametrize("flag", ["refusal", "partial"])
def test_a_flagged_answer_reaches_a_reviewer(note, shop, courier, flag):
    job = bring_to("awaiting_review", submit(shop, f"Hi. [sandbox:{flag}]"), courier)

    assert job.latest_result.flags == [{"refusal": "refused"}.get(flag, flag)]

"""The auditor: clean when all went well, and naming what did not."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from bgreview.audit import Report, audit
from bgreview.demo.provider import Provider
from bgreview.demo.receiver import make_app, read_ledger
from jobs.models import Job, JobEvent, WebhookReceipt
from jobs.sandbox.serving import serve
from jobs.services.cancel import cancel_job
from jobs.services.claim import claim_jobs
from reviews.models import Decision, Delivery, Review
from reviews.services.decide import approve, reject
from tests.house import (
    SECRET,
    bring_to,
    courier_to,
    job_type,
    person,
    program,
    seen,
    send_due,
    submit,
    sweep_until,
    webhook,
    with_terms,
)
from tests.sweeping import let_lease_pass


@dataclass
class World:
    """A delivered job, a rejected one, a cancelled one, and the outside's ledgers."""

    delivered: Job
    rejected: Job
    cancelled: Job
    sandbox: str
    ledger: Path

    @property
    def responses(self) -> list[dict[str, Any]]:
        """Those of this test: the sandbox has served others before."""
        ours = set(map(str, Job.objects.values_list("public_id", flat=True)))
        lines = Provider(self.sandbox).ledger()
        return [line for line in lines if line["metadata"].get("job") in ours]

    @property
    def received(self) -> list[dict[str, Any]]:
        return read_ledger(self.ledger)

    @property
    def delivery(self) -> Delivery:
        return Delivery.objects.get(job=self.delivered)

    def audit(self) -> Report:
        return audit(self.responses, self.received)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A receiver as anybody would write one; its address, and its ledger."""
    ledger = tmp_path_factory.mktemp("desk") / "received.jsonl"
    with serve(make_app(SECRET, ledger)) as served:
        yield f"{served.url}/approved", ledger


@pytest.fixture(scope="module")
def standing_world(standing, provider_server, desk) -> World:
    url, ledger = desk
    note, shop, ann = job_type(), program(), person("ann", "Reviewers")
    webhook(url, note)
    with courier_to(provider_server) as courier:
        first, second = (
            bring_to("awaiting_review", submit(shop), courier) for _ in "ab"
        )
    one, other = (Review.objects.get(job=job) for job in (first, second))
    approve(one, by=ann, seen=seen(one), comment="Good.")
    reject(other, by=ann, seen=seen(other), comment="No.")
    send_due()
    third = cancel_job(submit(shop), by=shop)
    return World(first, second, third, sandbox=provider_server.url, ledger=ledger)


@pytest.fixture
def world(standing_world, db, tmp_path: Path) -> World:
    """With a ledger of its own, as it was after the one delivery."""
    ledger = Path(shutil.copy(standing_world.ledger, tmp_path))
    jobs = standing_world.delivered, standing_world.rejected, standing_world.cancelled
    return World(
        *(Job.objects.get(pk=job.pk) for job in jobs),
        sandbox=standing_world.sandbox,
        ledger=ledger,
    )


def rewrite(ledger: Path, **changes: Any) -> None:
    """Add a line like the last one, changed."""
    *_, last = read_ledger(ledger)
    with ledger.open("a") as file:
        file.write(json.dumps(last | changes) + "\n")


def names(sentences: list[str], job: Job) -> bool:
    return len(sentences) == 1 and str(job.public_id) in sentences[0]


# ---- all is well -------------------------------------------------------------------


def test_when_all_went_well_it_is_clean_and_says_what_it_saw(world):
    report = world.audit()

    assert report.is_clean, report
    assert world.delivered.status == "delivered"
    assert (report.jobs, report.responses, report.held, report.received) == (3, 2, 2, 1)
    assert report.last_line == "lost 0, doubled 0, unapproved 0, orphans 0"


def test_a_repeat_on_the_wire_with_the_same_id_and_content_is_no_fault(world):
    rewrite(world.ledger)

    report = world.audit()

    assert report.is_clean, report
    assert report.repeats == 1


def test_a_ledger_that_is_not_there_is_not_looked_at(world):
    assert audit().is_clean
    assert read_ledger(world.ledger.with_name("none")) == []


# ---- lost --------------------------------------------------------------------------


def test_a_job_that_is_neither_over_nor_with_a_person_is_lost(world, shop):
    job = submit(shop)

    report = world.audit()

    assert names(report.lost, job)
    assert "still queued" in report.lost[0]


def test_a_delivery_that_counts_as_arrived_and_did_not_is_lost(world):
    world.ledger.unlink()

    assert names(world.audit().lost, world.delivered)


def test_an_approved_request_without_a_delivery_is_lost(world, unguarded):
    world.delivery.attempts.all().delete()
    world.delivery.delete()

    report = world.audit()

    assert any("no rows" in sentence for sentence in report.lost)
    assert not report.is_clean


def test_a_delivery_that_is_still_owed_is_lost(world, shop, ann, courier):
    job = bring_to("awaiting_review", submit(shop), courier)
    review = Review.objects.get(job=job)
    approve(review, by=ann, seen=seen(review))

    report = world.audit()

    assert names(report.lost, job)
    assert "pending" in report.lost[0]


def test_a_delivery_that_waits_for_a_person_is_named_and_not_lost(world, unguarded):
    Delivery.objects.update(status="failed")
    JobEvent.objects.filter(became="delivered").update(became="failed")
    Job.objects.filter(pk=world.delivered.pk).update(status="approved")

    report = world.audit()

    assert names(report.waiting, world.delivered)
    assert report.lost == []


def test_a_response_that_the_provider_never_made_is_told(world):
    attempt = world.rejected.attempts.get()
    attempt.response_id = "resp_of_nobody"
    attempt.save()

    report = world.audit()

    assert names(report.lost, world.rejected)
    assert "resp_of_nobody" in report.lost[0]


# ---- doubled, and paid for without a trace ------------------------------------------


def test_one_id_with_two_contents_is_doubled(world):
    event = world.received[0]["event"]
    rewrite(world.ledger, event=event | {"timestamp": "later"})

    assert names(world.audit().doubled, world.delivered)


def test_one_result_under_two_ids_is_doubled(world, unguarded):
    copy = world.delivery
    copy.pk, copy.uuid = None, uuid4()
    copy.save()
    rewrite(world.ledger, webhook_id=copy.webhook_id)

    assert names(world.audit().doubled, world.delivered)


def test_a_response_without_an_attempt_was_paid_for_without_a_trace(world):
    response = world.responses[0]
    made = response | {
        "id": "resp_untold",
        "metadata": response["metadata"] | {"attempt": str(uuid4())},
    }

    report = audit([*world.responses, made], world.received)

    assert names(report.doubled, world.delivered)
    assert "without a trace" in report.doubled[0]


def test_a_second_create_for_one_attempt_is_doubled(world):
    made = world.responses[0] | {"id": "resp_again"}

    report = audit([*world.responses, made], world.received)

    assert any("'resp_again']" in sentence for sentence in report.doubled)


def test_a_second_create_that_a_receipt_told_of_is_an_orphan(world):
    made = world.responses[0] | {"id": "resp_again"}
    orphan_receipt("resp_again")

    report = audit([*world.responses, made], world.received)

    assert report.is_clean, report
    assert len(report.orphans) == 1


def test_an_answer_that_another_attempt_holds_is_doubled(world):
    response, other = world.responses
    swapped = response | {"metadata": other["metadata"]}

    report = audit([swapped], world.received)

    assert any("another attempt" in sentence for sentence in report.doubled)


@pytest.mark.parametrize(("reason", "doubled"), [("retry", 1), ("adopted", 0)])
def test_only_an_adopted_answer_is_held_by_another_attempt_than_begun_it(
    reason, doubled, world
):
    now, job = timezone.now(), world.cancelled
    begun = job.attempts.create(number=1, created_at=now, ended_at=now)
    job.attempts.create(
        number=2,
        created_at=now,
        ended_at=now,
        settled_at=now,
        reason=reason,
        response_id="resp_held",
    )
    tags = {"job": str(job.public_id), "attempt": str(begun.uuid)}
    (first, *_) = world.responses
    made = first | {"id": "resp_held", "metadata": first["metadata"] | tags}

    report = audit([*world.responses, made], world.received)

    assert len(report.doubled) == doubled
    assert len(report.reasons) == doubled


def test_a_response_of_somebody_else_is_none_of_ours(world):
    foreign = world.responses[0] | {"id": "resp_x", "metadata": {"instance": "other"}}

    assert audit([*world.responses, foreign], world.received).is_clean


def orphan_receipt(response_id: str) -> None:
    WebhookReceipt.objects.create(
        webhook_id="wh_1",
        type="response.completed",
        response_id=response_id,
        received_at=timezone.now(),
        outcome=WebhookReceipt.Outcome.ORPHAN,
    )


@pytest.fixture
def lost_response(world, shop, courier) -> dict[str, Any]:
    """A job whose first create was answered while nobody was there to note it."""
    job = submit(shop)
    (errand,) = claim_jobs(1)
    courier.send([errand])
    assert courier.collect(wait=10, most=1)
    let_lease_pass(job)
    with_ann = Job.objects.filter(pk=job.pk, status="awaiting_review")
    sweep_until(courier, with_ann.exists)
    return next(
        line for line in world.responses if line["id"] == errand.reply.response_id
    )


def test_a_lost_create_leaves_an_orphan_that_is_listed_and_no_fault(
    world, lost_response
):
    report = world.audit()

    assert report.is_clean, report
    (orphan,) = report.orphans
    assert lost_response["id"] in orphan
    assert report.last_line.endswith("orphans 1")


def test_an_orphan_with_a_receipt_is_listed_even_if_its_attempt_is_unknown(world):
    made = world.responses[0] | {"id": "resp_orphan"}
    made["metadata"] = made["metadata"] | {"attempt": "none"}
    orphan_receipt("resp_orphan")

    report = audit([*world.responses, made], world.received)

    assert report.is_clean, report
    assert len(report.orphans) == 1


# ---- unapproved --------------------------------------------------------------------


def test_what_arrived_and_is_no_delivery_of_ours_is_unapproved(world):
    rewrite(world.ledger, webhook_id="msg_of_nobody")

    assert names(world.audit().unapproved, world.delivered)


def test_content_that_is_not_the_approved_one_is_unapproved(world):
    (line,) = world.received
    line["event"]["data"]["content"] = "Something else."
    world.ledger.write_text(json.dumps(line) + "\n")

    report = world.audit()

    assert any("another content" in sentence for sentence in report.unapproved)


def to_reject(world: World) -> None:
    Decision.objects.update(verdict="reject")


def on_another_hash(world: World) -> None:
    Decision.objects.update(content_hash="0" * 64)


def on_other_requests(world: World) -> None:
    Decision.objects.update(request_hashes=[])


def taken_later(world: World) -> None:
    Decision.objects.update(at=timezone.now() + timedelta(hours=1))


def on_a_job_that_is_not_approved(world: World) -> None:
    Job.objects.filter(pk=world.delivered.pk).update(status="rejected")


def by_one_of_two(world: World) -> None:
    with_terms(Review.objects.get(job=world.delivered), approvals=2)


@pytest.mark.parametrize(
    "falsify",
    [
        by_one_of_two,
        to_reject,
        on_another_hash,
        on_other_requests,
        taken_later,
        on_a_job_that_is_not_approved,
    ],
)
def test_what_arrived_by_a_decision_that_does_not_fit_is_unapproved(
    falsify, world, unguarded
):
    falsify(world)

    report = world.audit()

    assert report.unapproved
    assert all(str(world.delivered.public_id) in said for said in report.unapproved)


def test_what_arrived_approved_anew_by_too_few_is_unapproved(world, bob, unguarded):
    with_terms(Review.objects.get(job=world.delivered), approvals=2)
    decision = world.delivery.decision
    decision.pk, decision.by = None, bob
    decision.save()
    assert world.audit().unapproved == []
    decision.pk, decision.delivery = None, world.delivery
    decision.save()
    Delivery.objects.update(decision=decision)

    report = world.audit()

    assert names(report.unapproved, world.delivered)
    assert "approved anew by 1 of 2" in report.unapproved[0]


# ---- what the doctor sees ----------------------------------------------------------


def test_what_the_doctor_finds_is_in_the_report(world, unguarded):
    JobEvent.objects.filter(job=world.cancelled, seq=2).update(actor="nobody")

    report = world.audit()

    assert names(report.found, world.cancelled)
    assert "broken_history" in report.found[0]
    assert not report.is_clean
    assert str(report).startswith(report.found[0])

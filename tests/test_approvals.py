"""Approvals of several people: what counts as one, and what undoes them."""

from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.test import Client

from jobs.explain import explain
from jobs.models import Job, Result
from jobs.services.verify import broken_links
from reviews.doctor import approved_without_deliveries
from reviews.models import Decision, Delivery, DestinationVersion, Review
from reviews.services.decide import approve
from tests.house import browser, person, seen, webhook, with_terms
from tests.test_pages import path_to
from tests.test_races import at_once, reviews_like, rounds

ELSEWHERE = "http://127.0.0.1:9/hook"  # nobody listens there


@pytest.fixture
def twofold(review) -> Review:
    """A review that two people must approve, and one destination."""
    webhook(ELSEWHERE, review.job.version.job_type)
    return with_terms(review, approvals=2)


def decide(who: User | Client, review: Review, verdict: str, page: str, **more: str):
    client = who if isinstance(who, Client) else browser(who)
    given = {"verdict": verdict, "seen": page, **more}
    return client.post(path_to("reviews_review_decide", review.pk), given)


def page_of(who: User, review: Review) -> str:
    path = path_to("reviews_review_change", review.pk)
    return browser(who).get(path).content.decode()


def edit(review: Review, by: User, text: str = "Corrected.") -> Result:
    """Another version by a person, as an edit makes it."""
    old = review.result
    new = Result(
        job=old.job,
        number=old.number + 1,
        parent=old,
        author=by,
        created_at=old.created_at,
    )
    new.set_content(text)
    new.save()
    Review.objects.filter(pk=review.pk).update(result=new, revision=2)
    review.refresh_from_db()
    return new


def test_nothing_leaves_before_the_last_of_two_approvals(twofold, ann, bob):
    page = seen(twofold)

    decide(ann, twofold, "approve", page, comment="Fine.")

    job = Job.objects.get()
    assert (job.status, job.approved_hash) == ("awaiting_review", "")
    assert not Delivery.objects.exists()
    assert "1 of 2 approvals, by ann" in explain(job).sentence
    assert "1 of 2 approvals, by ann" in page_of(bob, twofold)
    event = job.events.last()
    assert (event.kind, event.actor, event.became) == ("approval", "ann", "")
    assert event.note == "1 of 2 approvals. Fine."

    decide(bob, twofold, "approve", page)  # the page was open all the time

    job = Job.objects.get()
    assert (job.status, Delivery.objects.count()) == ("approved", 1)
    assert Delivery.objects.get().decision.by == bob
    assert "Approved by ann and bob" in explain(job).sentence
    assert broken_links(job) == []


def test_nobody_approves_twice(twofold, ann):
    page, client = seen(twofold), browser(ann)
    decide(client, twofold, "approve", page)

    again = decide(client, twofold, "approve", page)  # a double click
    assert again.status_code == 302
    assert "was already decided by you" in client.get(again.url).content.decode()
    for verdict in ("reject", "request_changes"):
        other_page = decide(client, twofold, verdict, page, comment="Or not?")
        assert other_page.status_code == 409
        assert "You decided on this version" in other_page.content.decode()

    assert Job.objects.get().status == "awaiting_review"
    assert Decision.objects.count() == 1
    html = page_of(ann, twofold)
    assert "Another person decides next" in html
    assert 'name="verdict"' not in html


def test_one_rejection_ends_it(twofold, ann, bob):
    page = seen(twofold)
    decide(ann, twofold, "approve", page)
    decide(bob, twofold, "reject", page, comment="The sum is wrong.")

    assert Job.objects.get().status == "rejected"
    assert not Delivery.objects.exists()
    late = decide(person("cid", "Reviewers"), twofold, "approve", page)
    assert late.status_code == 409
    assert "bob was first: rejected" in late.content.decode()


def test_an_edit_voids_earlier_approvals(twofold, ann, bob):
    decide(ann, twofold, "approve", seen(twofold))
    stale = seen(twofold)
    edit(twofold, by=person("cid", "Reviewers"))

    assert decide(bob, twofold, "approve", stale).status_code == 409
    decide(bob, twofold, "approve", seen(twofold))

    assert Job.objects.get().status == "awaiting_review"
    assert "1 of 2 approvals, by bob" in explain(Job.objects.get()).sentence
    decide(ann, twofold, "approve", seen(twofold))  # once more, on what there is now
    assert Job.objects.get().approved_hash == twofold.result.content_hash


def test_an_edit_voids_earlier_approvals_even_if_nothing_would_leave(review, ann, bob):
    with_terms(review, approvals=2)
    decide(ann, review, "approve", seen(review))
    edit(review, by=person("cid", "Reviewers"))

    decide(bob, review, "approve", seen(review))

    assert Job.objects.get().status == "awaiting_review"
    assert "1 of 2 approvals, by bob" in explain(Job.objects.get()).sentence


def test_another_address_voids_earlier_approvals(twofold, ann, bob):
    decide(ann, twofold, "approve", seen(twofold))
    desk = twofold.job.version.job_type.destinations.get()
    DestinationVersion(destination=desk, address=f"{ELSEWHERE}/new").save()

    decide(bob, twofold, "approve", seen(twofold))

    assert Job.objects.get().status == "awaiting_review"
    assert "1 of 2 approvals, by bob" in page_of(ann, twofold)


def test_who_approved_for_another_address_may_approve_once_more(twofold, ann, bob):
    decide(ann, twofold, "approve", seen(twofold))
    desk = twofold.job.version.job_type.destinations.get()
    DestinationVersion(destination=desk, address=f"{ELSEWHERE}/new").save()
    now = seen(twofold)
    assert 'value="approve"' in page_of(ann, twofold)

    for _ in range(2):  # a double click
        assert decide(ann, twofold, "approve", now).status_code == 302

    assert Decision.objects.filter(by=ann, seen=now).count() == 1
    assert "1 of 2 approvals, by ann" in page_of(bob, twofold)
    decide(bob, twofold, "approve", seen(twofold))
    job = Job.objects.get()
    assert (job.status, job.deliveries.get().decision.by) == ("approved", bob)
    assert explain(job).sentence.startswith("Approved by ann and bob, ")


@pytest.mark.both_databases
def test_the_database_refuses_a_second_decision_on_just_the_same(twofold, ann):
    decide(ann, twofold, "approve", seen(twofold))
    decision = Decision.objects.get()
    decision.pk, decision.seen = None, "0" * 64
    with pytest.raises(IntegrityError), transaction.atomic():
        decision.save(force_insert=True)


def test_approvals_of_another_review_do_not_count(twofold, ann, bob):
    decide(ann, twofold, "approve", seen(twofold))
    job = Job.objects.get()
    job.move("abandoned")
    job.move("awaiting_review")
    again = job.reviews.open().get()
    with_terms(again, approvals=2)

    decide(bob, again, "approve", seen(again))

    assert Job.objects.get().status == "awaiting_review"


def test_who_edited_it_may_reject_but_not_approve(review, ann, bob):
    with_terms(review, edit_needs_second=True)
    edit(review, by=ann)

    refused = decide(ann, review, "approve", seen(review))
    assert refused.status_code == 403
    assert "You wrote this version" in refused.content.decode()
    assert not Decision.objects.exists()

    decide(bob, review, "approve", seen(review))
    assert Job.objects.get().status == "approved"


def test_a_partial_approval_closes_nothing_for_whoever_comes_late(twofold, ann, bob):
    page = seen(twofold)
    decide(ann, twofold, "approve", page)
    Job.objects.get().move("cancelled")

    late = decide(bob, twofold, "approve", page).content.decode()

    assert "the job is cancelled" in late
    assert "ann was first" not in late


def test_the_doctor_finds_no_fault_with_a_partial_approval(twofold, ann, bob):
    class Everything:
        some = staticmethod(list)

    page = seen(twofold)
    for who in (ann, bob):
        decide(who, twofold, "approve", page)
        assert list(approved_without_deliveries(Everything())) == []  # type: ignore[arg-type]


@pytest.mark.both_databases
@pytest.mark.django_db(transaction=True)
def test_two_who_give_the_first_approval_at_once_count_as_two(
    committed_review, ann, bob
):
    webhook(ELSEWHERE, committed_review.job.version.job_type)
    reviews = reviews_like(with_terms(committed_review, approvals=2), rounds(24))

    def act(by: User, one: Review, page: str) -> Any:
        return approve(Review.objects.get(pk=one.pk), by=by, seen=page)

    pages = [seen(one) for one in reviews]
    told = at_once(
        *[
            [partial(act, by, *pair) for pair in zip(reviews, pages, strict=True)]
            for by in (ann, bob)
        ]
    )

    for one, both in zip(reviews, told, strict=True):
        assert all(isinstance(decision, Decision) for decision in both)
        job = Job.objects.get(pk=one.job_id)
        assert (job.status, job.deliveries.count()) == ("approved", 1)
        assert broken_links(job) == []

"""Claims: who has a review in hand, for how long, and what others may do meanwhile."""

from datetime import timedelta
from functools import partial

import pytest
import time_machine
from django.contrib.auth.models import Permission, User
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone

from jobs.models import Job
from jobs.services.verify import broken_links
from reviews.models import Decision, Review
from reviews.services.claim import LEASE, Claimed, claim_review, renew_claim
from tests.house import browser, person, seen, with_terms
from tests.test_pages import path_to
from tests.test_races import at_once, reviews_like, rounds


def post(who: User | Client, review: Review, verb: str, **given: str):
    client = who if isinstance(who, Client) else browser(who)
    return client.post(path_to(f"reviews_review_{verb}", review.pk), given)


def approve(who: User, review: Review):
    return post(who, review, "decide", verdict="approve", seen=seen(review))


def page_of(who: User, review: Review) -> str:
    path = path_to("reviews_review_change", review.pk)
    return browser(who).get(path).content.decode()


def holder() -> User | None:
    return Review.objects.get().holder(timezone.now())


def after(span: timedelta) -> time_machine.travel:
    return time_machine.travel(timezone.now() + span, tick=False)


def test_a_claim_keeps_others_from_deciding_and_says_until_when(review, ann, bob):
    page = seen(review)
    post(ann, review, "claim")
    until = Review.objects.get().claimed_until

    refused = post(bob, review, "decide", verdict="approve", seen=page)

    html = refused.content.decode()
    assert refused.status_code == 409
    assert f"ann has claimed this review until {until:%H:%M:%S} UTC" in html
    assert 'name="verdict"' not in html
    assert not Decision.objects.exists()
    post(ann, review, "decide", verdict="approve", seen=page)  # no page went stale
    assert Job.objects.get().status == "approved"
    assert Review.objects.get().claimed_by is None


def test_only_one_of_two_claims_is_granted(review, ann, bob):
    post(ann, review, "claim")
    client = browser(bob)
    answer = post(client, review, "claim")

    assert "ann has claimed this review" in client.get(answer.url).content.decode()
    assert holder() == ann


def test_taking_over_is_explicit_and_in_the_history(review, ann, bob):
    post(ann, review, "claim")
    post(bob, review, "claim", take_over="yes")

    assert holder() == bob
    event = Job.objects.get().events.last()
    assert (event.kind, event.actor, event.data) == ("claim", "bob", {"from": "ann"})
    assert "bob took the review over from ann" in event.note
    assert broken_links(Job.objects.get()) == []
    assert approve(ann, review).status_code == 409
    assert Job.objects.get().status == "awaiting_review"


def test_a_claim_that_nobody_holds_is_no_take_over(review, ann):
    post(ann, review, "claim", take_over="yes")
    post(ann, review, "claim", take_over="yes")
    assert not Job.objects.get().events.filter(kind="claim").exists()


def test_a_claim_frees_itself(review, ann, bob):
    post(ann, review, "claim")
    with after(LEASE + timedelta(seconds=1)):
        assert "ann has it in hand" not in page_of(bob, review)
        approve(bob, review)
    assert Job.objects.get().status == "approved"


def test_an_open_page_keeps_its_claim(review, ann):
    post(ann, review, "claim")
    assert "data-beat" in page_of(ann, review)
    with after(LEASE - timedelta(seconds=1)):
        assert "In your hands" in post(ann, review, "renew").content.decode()
    with after(2 * LEASE - timedelta(seconds=2)):
        assert holder() == ann


def test_an_expired_claim_of_ones_own_goes_on_unless_another_took_it(review, ann, bob):
    post(ann, review, "claim")
    with after(2 * LEASE):
        post(ann, review, "renew")
        assert holder() == ann
    with after(4 * LEASE):
        post(bob, review, "claim")
        assert "bob has it in hand" in post(ann, review, "renew").content.decode()
        assert holder() == bob
        assert approve(ann, review).status_code == 409
    assert not Job.objects.get().events.filter(kind="claim").exists()


def test_an_expired_claim_decides_if_nobody_else_took_it(review, ann):
    post(ann, review, "claim")
    with after(2 * LEASE):
        approve(ann, review)
    assert Job.objects.get().status == "approved"


def test_who_may_claim_no_longer_keeps_no_claim(review, ann):
    post(ann, review, "claim")
    until = Review.objects.get().claimed_until
    ann.groups.clear()
    with after(LEASE / 2), pytest.raises(PermissionDenied):
        renew_claim(review, by=User.objects.get(pk=ann.pk))
    assert Review.objects.get().claimed_until == until


@pytest.mark.both_databases
@pytest.mark.django_db(transaction=True)
def test_of_two_who_claim_at_once_one_is_told_whose_it_is(committed_review, ann, bob):
    reviews = reviews_like(committed_review, rounds(40))
    acts = [[partial(claim_review, row, by=by) for row in reviews] for by in (ann, bob)]

    for review, outcomes in zip(reviews, at_once(*acts), strict=True):
        (lost,) = (each for each in outcomes if isinstance(each, Claimed))
        review.refresh_from_db()
        assert f"{review.claimed_by} has claimed this review" in str(lost)


def test_a_heartbeat_claims_nothing(review, ann, bob):
    assert "Nobody has it in hand" in post(ann, review, "renew").content.decode()
    assert holder() is None
    post(bob, review, "claim")
    until = Review.objects.get().claimed_until
    post(ann, review, "renew")
    assert Review.objects.get().claimed_until == until


def test_what_is_released_is_free_and_only_by_its_holder(review, ann, bob):
    post(ann, review, "claim")
    post(bob, review, "release")
    assert holder() == ann
    post(ann, review, "release")
    assert holder() is None


def test_one_of_several_approvals_gives_the_claim_back(review, ann, bob):
    with_terms(review, approvals=2)
    post(ann, review, "claim")
    approve(ann, review)
    assert holder() is None
    approve(bob, review)
    assert Job.objects.get().status == "approved"


@pytest.mark.parametrize("verb", ["claim", "release", "renew"])
def test_a_claim_needs_the_right_and_a_post(review, ann, olivia, verb):
    post(ann, review, "claim")
    audrey = person("audrey", "Auditors")
    for client in (browser(audrey), browser(olivia)):
        post(client, review, verb, take_over="yes")
        assert holder() == ann
    path = path_to(f"reviews_review_{verb}", review.pk)
    assert browser(ann).get(path).status_code == 404


def test_claiming_has_a_right_of_its_own(review, ann):
    ann.groups.clear()
    rights = ["decide_review", "view_all_jobs", "view_unapproved"]
    ann.user_permissions.set(Permission.objects.filter(codename__in=rights))
    post(ann, review, "claim")
    assert holder() is None
    assert "Claim</button>" not in page_of(ann, review)


def test_who_may_not_decide_on_it_may_not_claim_it(review, ann):
    with_terms(review, group="Legal")
    post(ann, review, "claim")
    assert holder() is None


def test_a_closed_review_is_not_claimed(review, ann, bob):
    approve(ann, review)
    post(bob, review, "claim")
    assert Review.objects.get().claimed_by is None

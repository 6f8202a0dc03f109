"""Deciding through the page and the API, when it must not count: the loser is told.

Each case prepares a review that ann has open, and says what she is told.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group, User
from django.http import HttpResponse
from django.test import Client
from django.urls import URLResolver, get_resolver
from django.utils import timezone

from jobs.models import Citation, Job
from jobs.services.cancel import cancel_job
from jobs.services.verify import broken_links
from reviews.models import Decision, Delivery, DestinationVersion, Review
from reviews.services.claim import LEASE, claim_review
from reviews.services.recall import recall_job
from tests.house import api, browser, person, seen, webhook, with_terms
from tests.test_approvals import edit
from tests.test_checks import ASK
from tests.test_pages import path_to
from tests.test_races import at_once, reviews_like, rounds
from tests.test_review_page import rewrite

ELSEWHERE = "http://127.0.0.1:9/hook"  # nobody listens there


def by_page(who: User, review: Review, verdict: str, page: str) -> HttpResponse:
    given = {"verdict": verdict, "seen": page, "comment": "Because."}
    return browser(who).post(path_to("reviews_review_decide", review.pk), given)


def by_api(who: User, review: Review, verdict: str, page: str) -> HttpResponse:
    given = {"verdict": verdict, "seen": page, "comment": "Because."}
    return api(who).post(f"/api/v1/reviews/{review.pk}/decisions/", given)


EDGES = pytest.mark.parametrize("decide", [by_page, by_api])


def told(answer: HttpResponse) -> str:
    if answer["Content-Type"].startswith("text/html"):
        html = answer.content.decode()
        assert "Nothing was changed" in html
        return html.replace("&#x27;", "'")
    return answer.json()["detail"]


# ---- what stands in the way ----------------------------------------------------------
def somebody_was_first(review: Review, ann: User, bob: User) -> None:
    by_page(bob, review, "reject", seen(review))


def it_was_edited(review: Review, ann: User, bob: User) -> None:
    edit(review, by=bob)


def its_destination_moved(review: Review, ann: User, bob: User) -> None:
    desk = review.job.version.job_type.destinations.get()
    DestinationVersion(destination=desk, address=f"{ELSEWHERE}/new").save()


def it_was_cancelled(review: Review, ann: User, bob: User) -> None:
    cancel_job(Job.objects.get(), by=person("olivia", "Operators"))


def time_was_up(review: Review, ann: User, bob: User) -> None:
    Job.objects.get().move("abandoned")


def another_has_it_in_hand(review: Review, ann: User, bob: User) -> None:
    claim_review(review, by=ann)
    with time_machine.travel(timezone.now() - LEASE - timedelta(seconds=9)):
        claim_review(review, by=ann)  # which has run out by now
    claim_review(review, by=bob)


def her_right_was_taken(review: Review, ann: User, bob: User) -> None:
    ann.groups.set(Group.objects.filter(name="Auditors"))


def it_is_her_own_job(review: Review, ann: User, bob: User) -> None:
    with_terms(review, four_eyes=True)
    Job.objects.update(requester=ann)


def others_are_to_decide(review: Review, ann: User, bob: User) -> None:
    with_terms(review, group="Legal")


def she_is_a_program(review: Review, ann: User, bob: User) -> None:
    ann.set_unusable_password()
    ann.save()


STALE = "This page showed an older state"
BOTH_WAYS = [
    (somebody_was_first, 409, "bob was first: rejected at"),
    (it_was_edited, 409, STALE),
    (its_destination_moved, 409, STALE),
    (it_was_cancelled, 409, "the job is cancelled"),
    (time_was_up, 409, "the job is abandoned"),
    (another_has_it_in_hand, 409, "bob has claimed this review until"),
    (her_right_was_taken, 403, ""),
    (it_is_her_own_job, 403, "You asked for this job: another person decides on it"),
    (others_are_to_decide, 403, "Only members of Legal decide"),
    (she_is_a_program, 403, "ann is a service account"),
]


@EDGES
@pytest.mark.parametrize(("meanwhile", "status", "words"), BOTH_WAYS)
def test_it_counts_no_more_and_she_is_told_why(
    review, ann, bob, meanwhile: Callable[..., None], status, words, decide
):
    webhook(ELSEWHERE, review.job.version.job_type)
    page = seen(review)
    meanwhile(review, ann, bob)
    ann = User.objects.get(pk=ann.pk)
    before = (Job.objects.get().status, Job.objects.get().events.count())
    decisions = Decision.objects.count()

    for verdict in ("approve", "reject"):
        answer = decide(ann, review, verdict, page)
        assert answer.status_code == status
        assert not words or words in told(answer)

    assert (Job.objects.get().status, Job.objects.get().events.count()) == before
    assert Decision.objects.count() == decisions
    assert not Delivery.objects.exists()


def a_check_is_open(review: Review, ann: User) -> None:
    with_terms(review, checks=[ASK])


def a_rule_failed(review: Review, ann: User) -> None:
    with_terms(review, checks=[{"rule": "cites-sources"}])


def a_citation_has_no_verdict(review: Review, ann: User) -> None:
    Citation.objects.create(result=review.result, position=1, start=0, end=1)
    with_terms(review, checks_citations=True)


def she_wrote_it(review: Review, ann: User) -> None:
    with_terms(review, edit_needs_second=True)
    edit(review, by=ann)


NOT_TO_APPROVE = [
    (a_check_is_open, 409, "the check “sums” is open"),
    (a_rule_failed, 409, "the check “cites-sources” failed"),
    (a_citation_has_no_verdict, 409, "citation 1 has no verdict"),
    (she_wrote_it, 403, "You wrote this version"),
]


@EDGES
@pytest.mark.parametrize(("obstacle", "status", "words"), NOT_TO_APPROVE)
def test_it_may_be_rejected_but_not_approved(
    review, ann, obstacle, status, words, decide
):
    obstacle(review, ann)
    page = seen(Review.objects.get())

    answer = decide(ann, review, "approve", page)

    assert (answer.status_code, words in told(answer)) == (status, True)
    assert not Decision.objects.exists()
    assert decide(ann, review, "reject", page).status_code in (201, 302)
    assert Job.objects.get().status == "rejected"


@EDGES
def test_other_content_is_not_what_was_seen_even_if_nothing_would_leave(
    review, ann, decide
):
    page = seen(review)
    rewrite(review, "Other words, at the same revision.")
    assert STALE in told(decide(ann, review, "approve", page))
    assert not Decision.objects.exists()


# ---- the same form once more ---------------------------------------------------------
@EDGES
def test_a_form_replayed_in_a_later_round_counts_for_nothing(review, ann, bob, decide):
    page = seen(review)
    decide(ann, review, "approve", page)
    recall_job(Job.objects.get(), by=bob)
    again = Job.objects.get().reviews.open().get()

    decide(ann, review, "approve", page)
    answer = decide(ann, again, "approve", page)

    assert STALE in told(answer)
    assert Job.objects.get().status == "awaiting_review"
    assert Decision.objects.count() == 1


def test_the_back_button_after_a_decision_changes_nothing(review, ann):
    client, page = browser(ann), seen(review)
    path = path_to("reviews_review_decide", review.pk)
    client.post(path, {"verdict": "approve", "seen": page})

    back = client.post(path, {"verdict": "reject", "seen": page, "comment": "No!"})

    assert back.status_code == 409
    assert "You have decided: approved at" in told(back)
    assert "ann was first" not in told(back)
    assert told(back).count("Nothing was changed") == 1
    assert "No!" in back.content.decode()
    assert Job.objects.get().status == "approved"


def addresses(patterns: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        at = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, at)
        else:
            yield at, pattern.callback


def test_no_page_of_ours_takes_forged_forms():
    """Only what knows no session may be posted to without a token against forgery."""
    exempt = {
        at
        for at, view in addresses(get_resolver().url_patterns)
        if getattr(view, "csrf_exempt", False)
    }
    for_programs = ("api/", "^api", "webhooks/")
    assert [at for at in exempt if not at.startswith(for_programs)] == []


BY_POST_ALONE = [
    ("decide", ()),
    ("edit", ()),
    ("claim", ()),
    ("release", ()),
    ("renew", ()),
    ("check", (1,)),
    ("verdict", (1,)),
    ("change_judged", (1,)),
    ("bulk", None),
]


@pytest.mark.parametrize(("verb", "args"), BY_POST_ALONE)
def test_a_link_decides_nothing(review, ann, verb, args):
    with_terms(review, checks=[ASK])
    before = Review.objects.values().get(), Job.objects.values().get()
    query = {
        "seen": seen(review),
        "verdict": "approve",
        "passed": "yes",
        "finding": "supports",
        "done": "yes",
        "content": "Other words.",
        "selected": review.pk,
        f"seen_{review.pk}": seen(review),
    }
    pks = () if args is None else (review.pk, *args)

    browser(ann).get(path_to(f"reviews_review_{verb}", *pks), query)

    assert (Review.objects.values().get(), Job.objects.values().get()) == before
    assert not Decision.objects.exists()
    assert Review.objects.get().checks.get().passed is None


@pytest.mark.parametrize(
    ("verb", "args"), [("claim", ()), ("release", ()), ("check", (1,)), ("bulk", None)]
)
def test_forged_forms_do_nothing(review, ann, verb, args):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ann)
    pks = () if args is None else (review.pk, *args)
    path = path_to(f"reviews_review_{verb}", *pks)
    assert strict.post(path, {f"seen_{review.pk}": seen(review)}).status_code == 403
    assert not Decision.objects.exists()


@pytest.mark.both_databases
@pytest.mark.django_db(transaction=True)
def test_a_double_click_whose_two_posts_come_at_once_decides_once(
    committed_review, ann
):
    reviews = reviews_like(with_terms(committed_review, approvals=2), rounds(16))
    clients = [browser(ann), browser(ann)]
    given = [{"verdict": "approve", "seen": seen(one)} for one in reviews]

    def post(client: Client, one: Review, sent: dict[str, str]) -> Any:
        return client.post(path_to("reviews_review_decide", one.pk), sent)

    rows = list(zip(reviews, given, strict=True))
    answers = at_once(
        *[[partial(post, client, *row) for row in rows] for client in clients]
    )

    for one, both in zip(reviews, answers, strict=True):
        assert [answer.status_code for answer in both] == [302, 302]
        assert Decision.objects.filter(review=one).count() == 1
        assert broken_links(Job.objects.get(pk=one.job_id)) == []


@pytest.mark.django_db(transaction=True)
def test_two_who_decide_at_once_through_their_pages_one_wins(
    committed_review, ann, bob
):
    webhook(ELSEWHERE, committed_review.job.version.job_type)
    reviews = reviews_like(committed_review, rounds(24))
    clients: dict[str, Client] = {"ann": browser(ann), "bob": browser(bob)}
    pages = [seen(one) for one in reviews]

    def post(name: str, verdict: str, one: Review, page: str) -> Any:
        given = {"verdict": verdict, "seen": page, "comment": "Because."}
        path = path_to("reviews_review_decide", one.pk)
        return clients[name].post(path, given)

    rows = list(zip(reviews, pages, strict=True))
    answers = at_once(
        [partial(post, "ann", "approve", *row) for row in rows],
        [partial(post, "bob", "reject", *row) for row in rows],
    )

    for one, (anns, bobs) in zip(reviews, answers, strict=True):
        assert {anns.status_code, bobs.status_code} == {302, 409}
        won, lost = ("ann", bobs) if anns.status_code == 302 else ("bob", anns)
        assert f"{won} was first" in lost.content.decode()
        job = Job.objects.get(pk=one.job_id)
        assert job.status == {"ann": "approved", "bob": "rejected"}[won]
        assert job.deliveries.count() == (won == "ann")
        assert Decision.objects.get(review=one).by.username == won
        assert broken_links(job) == []

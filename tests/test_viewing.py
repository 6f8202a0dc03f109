"""What each reviewer turned to, and when; and the way from one review to the next."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.utils import timezone

from jobs.models import Citation
from reviews.models import Review, Viewing
from reviews.services.decide import reject
from reviews.services.verdicts import set_verdict
from reviews.services.viewing import readings_of
from tests.house import browser, person, seen
from tests.test_pages import path_to
from tests.test_races import reviews_like
from tests.test_review_page import path_of, rewrite


@pytest.fixture
def cited(review: Review) -> Citation:
    result = rewrite(review, "Tea grows in Assam.")
    return Citation.objects.create(result=result, position=1, start=0, end=3)


def turn_to(citation: Citation, who: User, review: Review, **more: Any) -> HttpResponse:
    path = path_to("reviews_review_opened", review.pk, citation.pk)
    return browser(who).post(path, **more)


def test_when_a_reviewer_first_saw_it_is_noted_once(
    review: Review, ann: User, bob: User
) -> None:
    browser(ann).get(path_of(review))
    first = Viewing.objects.get(by=ann).at
    browser(ann).get(path_of(review))
    browser(bob).get(path_of(review))
    browser(person("audrey", "Auditors")).get(path_of(review))
    assert [v.by for v in Viewing.objects.order_by("pk")] == [ann, bob]
    assert Viewing.objects.get(by=ann).at == first


def test_only_those_who_may_decide_are_timed(
    review: Review, cited: Citation, ann: User
) -> None:
    ida = person("ida", "Auditors")
    assert turn_to(cited, ida, review).status_code == 204
    assert turn_to(cited, ann, review).status_code == 204
    assert turn_to(cited, ann, review).status_code == 204  # the first time counts
    assert Viewing.objects.get().by == ann


def test_what_is_of_another_review_or_of_no_post_is_not_there(
    review: Review, cited: Citation, ann: User
) -> None:
    (other,) = reviews_like(review, 1)
    assert turn_to(cited, ann, other).status_code == 404
    path = path_to("reviews_review_opened", review.pk, cited.pk)
    assert browser(ann).get(path).status_code == 404
    assert not Viewing.objects.exists()


def test_after_the_decision_nothing_is_timed(
    review: Review, cited: Citation, ann: User, bob: User
) -> None:
    reject(review, by=bob, seen=seen(review), comment="Not from Assam.")
    turn_to(cited, ann, review)
    assert not Viewing.objects.exists()


def test_who_gives_a_verdict_has_turned_to_it(
    review: Review, cited: Citation, ann: User
) -> None:
    set_verdict(review, cited, "supports", by=ann, seen=seen(review))
    assert Viewing.objects.get().citation == cited


def test_a_reading_goes_from_the_first_look_to_the_decision(
    review: Review, cited: Citation, ann: User, bob: User
) -> None:
    began = timezone.now()
    with time_machine.travel(began, tick=False):
        browser(ann).get(path_of(review))
        browser(bob).get(path_of(review))
        turn_to(cited, ann, review)
    with time_machine.travel(began + timedelta(minutes=4), tick=False):
        reject(review, by=ann, seen=seen(review), comment="Not from Assam.")
    of_ann, of_bob = readings_of(review)
    assert (of_ann.by, of_ann.opened, of_ann.took) == (ann, 1, timedelta(minutes=4))
    assert (of_bob.by, of_bob.opened, of_bob.took) == (bob, 0, None)
    html = browser(bob).get(path_of(review)).content.decode()
    assert "turned to 1 of 1 citation, decided after 4 min" in html


def test_the_page_leads_to_its_neighbours_in_the_queue(
    review: Review, ann: User
) -> None:
    later, last = reviews_like(review, 2)
    now = timezone.now()
    for hours, row in enumerate([review, later, last], 1):
        Review.objects.filter(pk=row.pk).update(due_at=now + timedelta(hours=hours))
    html = browser(ann).get(path_of(later)).content.decode()
    assert f'href="{path_of(review)}" data-press="p"' in html
    assert f'href="{path_of(last)}" data-press="n"' in html
    html = browser(ann).get(path_of(last)).content.decode()
    assert 'data-press="n"' not in html

"""The queue: its parts and filters, and approving several at once."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from jobs.models import Job
from reviews.models import (
    Decision,
    Delivery,
    Destination,
    DestinationVersion,
    Review,
    ReviewPolicy,
)
from reviews.services.decide import LONGEST_COMMENT
from tests.house import browser, job_type, person, seen, webhook, with_terms
from tests.test_approvals import decide
from tests.test_pages import assert_strict, path_to
from tests.test_races import reviews_like
from tests.test_review_page import rewrite

pytestmark = pytest.mark.both_databases

ELSEWHERE = "http://127.0.0.1:9/hook"  # nobody listens there


def queue(who: User | Client, **query: str) -> Any:
    client = who if isinstance(who, Client) else browser(who)
    return client.get(path_to("reviews_review_changelist"), query)


def listed(who: User, **query: str) -> set[int]:
    return {row.pk for row in queue(who, **query).context_data["cl"].result_list}


def counts(who: User) -> dict[str, int]:
    return {tab.words: tab.count for tab in queue(who).context_data["tabs"]}


@pytest.fixture
def four(review) -> list[Review]:
    """Reviews of which each but the first is special; due in their order."""
    webhook(ELSEWHERE, review.job.version.job_type)
    rows = [review, *reviews_like(with_terms(review, approvals=2), 3)]
    for n, row in enumerate(rows):
        due_at = row.due_at + timedelta(minutes=n)
        Review.objects.filter(pk=row.pk).update(due_at=due_at)
    return rows


def test_each_tab_shows_its_part_and_counts_it(four, ann, bob):
    plain, claimed, late, half = four
    rewrite(late, "Half an ans", flags=["partial"])
    past = timezone.now() - timedelta(hours=3)
    Review.objects.filter(pk=late.pk).update(due_at=past, opened_at=past)
    browser(ann).post(path_to("reviews_review_claim", claimed.pk))
    decide(bob, half, "approve", seen(half))

    free = {plain.pk, late.pk, half.pk}
    parts = {
        "All open": ("", free | {claimed.pk}),
        "Mine": ("mine", {claimed.pk}),
        "Unclaimed": ("unclaimed", free),
        "Overdue": ("overdue", {late.pk}),
        "Flagged": ("flagged", {late.pk}),
        "For a second approval": ("partly_approved", {half.pk}),
    }
    assert counts(ann) == {name: len(pks) for name, (_, pks) in parts.items()}
    for tab, pks in parts.values():
        assert listed(ann, tab=tab) == pks
    assert listed(bob, tab="mine") == set()
    assert listed(ann, flag="partial") == {late.pk}
    assert listed(ann, flag="refused") == set()
    assert listed(ann, age="1") == {late.pk}
    assert listed(ann, age="4") == set()
    assert listed(ann, requester="shop", tab="partly_approved") == {half.pk}
    assert listed(ann, requester="olivia") == set()


def test_an_approval_of_what_would_leave_no_more_waits_for_no_second(four, ann, bob):
    for review in four[:2]:
        decide(ann, review, "approve", seen(review))
    here = {review.pk for review in four[:2]}
    assert listed(bob, tab="partly_approved") == here

    desk = Destination.objects.get()
    DestinationVersion(destination=desk, address=f"{ELSEWHERE}/new").save()

    assert listed(bob, tab="partly_approved") == set()
    assert counts(bob)["For a second approval"] == 0
    decide(bob, four[0], "approve", seen(four[0]))
    assert listed(ann, tab="partly_approved") == {four[0].pk}


def test_the_queue_is_in_the_order_of_its_due_times(four, ann):
    Review.objects.filter(pk=four[0].pk).update(due_at=timezone.now())
    rows = queue(ann).context_data["cl"].result_list
    assert [row.pk for row in rows] == [row.pk for row in four]


def test_tabs_keep_the_other_filters_in_the_address(four, ann):
    tabs = queue(ann, flag="partial", q="x").context_data["tabs"]
    assert tabs[0].query == "?flag=partial&q=x"
    assert tabs[1].query == "?tab=mine&flag=partial&q=x"


def test_the_queue_asks_the_same_number_of_questions_however_long(
    four, ann, bob, django_assert_max_num_queries: Any
):
    for review in reviews_like(four[0], 12):
        decide(bob, review, "approve", seen(review))
    client = browser(ann)
    with django_assert_max_num_queries(19):
        assert_strict(queue(client))


def test_the_queue_claims_by_a_button_of_each_row(four, ann):
    client = browser(ann)
    html = queue(client).content.decode()
    path = path_to("reviews_review_claim", four[1].pk)
    assert f'formaction="{path}"' in html
    answer = client.post(path, {"to": "queue"})
    assert answer.url == path_to("reviews_review_changelist")
    assert f'formaction="{path}"' not in queue(client).content.decode()
    audrey = queue(person("audrey", "Auditors")).content.decode()
    assert "data-claim" not in audrey


def test_the_next_review_is_one_that_nobody_else_has_in_hand(four, ann, bob):
    plain, claimed, third, _ = four
    browser(bob).post(path_to("reviews_review_claim", claimed.pk))
    answer = decide(ann, plain, "approve", seen(plain))
    assert answer.url == path_to("reviews_review_change", third.pk)
    answer = decide(ann, third, "reject", seen(third), comment="No.")
    assert answer.url != path_to("reviews_review_change", plain.pk)  # half done by ann


# ---- several at once -----------------------------------------------------------------
@pytest.fixture
def many(review) -> list[Review]:
    """Reviews of a type that may be approved several at once."""
    webhook(ELSEWHERE, review.job.version.job_type)
    return [review, *reviews_like(with_terms(review, allows_bulk=True), 3)]


def choose(client: Client, reviews: list[Review]) -> Any:
    given = {
        "action": "approve_selected",
        "_selected_action": [review.pk for review in reviews],
    }
    return client.post(path_to("reviews_review_changelist"), given)


def approve_shown(client: Client, shown: list[Review], **more: str) -> str:
    """Confirm these; gives what the queue says then."""
    given = {f"seen_{review.pk}": seen(review) for review in shown}
    answer = client.post(path_to("reviews_review_bulk"), given | more)
    return client.get(answer.url).content.decode()


def test_several_are_approved_after_one_page_that_shows_them(many, ann):
    client = browser(ann)
    page = choose(client, many)
    html = page.content.decode()

    assert_strict(page)
    assert not Decision.objects.exists()
    for review in many:
        assert f'name="seen_{review.pk}" value="{seen(review)}"' in html
    assert html.count("POST http://127.0.0.1:9/hook") == len(many)

    told = approve_shown(client, many, comment="All alike.")

    assert "You approved 4 results" in told
    assert {job.status for job in Job.objects.all()} == {"approved"}
    assert Delivery.objects.count() == len(many)
    assert {decision.comment for decision in Decision.objects.all()} == {"All alike."}


def test_what_wants_a_look_of_its_own_is_left_out_and_refused(many, ann, bob):
    plain, flagged, other, claimed = many
    rewrite(flagged, "Half an ans", flags=["partial"])
    with_terms(other)
    browser(bob).post(path_to("reviews_review_claim", claimed.pk))
    client = browser(ann)

    html = choose(client, many).content.decode()

    assert "It is flagged partial" in html
    assert "is approved one by one" in html
    for left_out in (flagged, other):
        assert f"seen_{left_out.pk}" not in html
    told = approve_shown(client, many)
    assert "You approved 1 result." in told
    for why in ("It is flagged partial", "approved one by one", "bob has claimed"):
        assert why in told
    assert Decision.objects.get().review == plain


def test_one_that_has_changed_since_is_left_as_it_is(many, ann):
    first, second, *_ = many
    pages = {f"seen_{review.pk}": seen(review) for review in (first, second)}
    Review.objects.filter(pk=first.pk).update(revision=7)
    client = browser(ann)

    answer = client.post(path_to("reviews_review_bulk"), pages)

    told = client.get(answer.url).content.decode()
    assert "showed an older state" in told
    assert Decision.objects.get().review == second


def test_ids_that_one_may_not_see_are_passed_over_in_silence(many, ann):
    mine, *others = many
    rita = person("rita", "Reviewers")
    rita.groups.clear()
    rights = ["decide_review", "view_unapproved"]
    rita.user_permissions.set(Permission.objects.filter(codename__in=rights))
    Job.objects.filter(pk=mine.job_id).update(requester=rita, title="Mine")
    Job.objects.exclude(pk=mine.job_id).update(title="Somebody's secret")
    client = browser(rita)

    html = choose(client, many).content.decode() + approve_shown(client, others)

    assert "Mine" in html
    assert "secret" not in html
    assert not Decision.objects.exists()
    for number in ("999999", "x", "", "9" * 30, "9" * 5_000):
        sent, form = f"seen_{number}=0", "application/x-www-form-urlencoded"
        answer = client.post(path_to("reviews_review_bulk"), sent, content_type=form)
        assert answer.status_code == 302
    assert client.get(path_to("reviews_review_bulk")).status_code == 404


def test_a_result_that_one_may_not_see_yet_is_neither_shown_nor_approved_here(many):
    for review in many:
        rewrite(review, "The price is 7 francs.")
    blind = person("blind")
    rights = ["view_review", "decide_review", "view_all_jobs"]
    blind.user_permissions.set(Permission.objects.filter(codename__in=rights))

    html = choose(browser(blind), many).content.decode()

    assert "You lack the right to see it before it is approved." in html
    assert "7 francs" not in html
    assert "seen_" not in html


def test_a_comment_that_would_not_be_kept_whole_approves_nothing(many, ann):
    told = approve_shown(browser(ann), many, comment="x" * (LONGEST_COMMENT + 1))

    assert told.count("A comment has at most 10,000 characters.") == 1
    assert not Decision.objects.exists()


def test_only_who_decides_approves_several(many, ann):
    client = browser(person("audrey", "Auditors"))
    choose(client, many)
    given = {f"seen_{review.pk}": seen(review) for review in many}
    assert client.post(path_to("reviews_review_bulk"), given).status_code == 403
    assert not Decision.objects.exists()


# ---- the policy's form ---------------------------------------------------------------
TEXT = "sums: Do the sums add up?\r\nrule: cites-sources"
GIVEN = {
    "approvals": "2",
    "hours": "8",
    "max_rounds": "3",
    "undo_seconds": "10",
    "checks": TEXT,
}


def test_a_policy_is_written_without_json(db):
    version = job_type().versions.get()
    client, path = browser(person("max", "Managers")), "reviews_reviewpolicy_{}"
    given = {**GIVEN, "version": version.pk, "checks_citations": "on"}

    answer = client.post(path_to(path.format("add")), given)

    policy = ReviewPolicy.objects.get()
    assert answer.status_code == 302
    assert policy.checks == [
        {"name": "sums", "question": "Do the sums add up?"},
        {"rule": "cites-sources"},
    ]
    assert (policy.approvals, policy.checks_citations) == (2, True)
    change = path_to(path.format("change"), policy.pk)
    assert "sums: Do the sums add up?\nrule: cites-sources" in (
        client.get(change).content.decode()
    )
    client.post(change, {**GIVEN, "checks": ""})
    assert ReviewPolicy.objects.get().checks == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"checks": "rule: cites-nothing"}, "no rule is called “cites-nothing”"),
        ({"checks": "sums"}, "Line 1: write"),
        ({"approvals": "0"}, "greater than or equal to 1"),
        ({"escalate_hours": "2"}, "Say which group is told"),
        ({"escalate_hours": "9"}, "Must be less than the 8 hours"),
        ({"remind_hours": "8"}, "Must be less than the 8 hours"),
        ({"hours": "8785"}, "less than or equal to 8784"),
        ({"hours": "8784", "remind_hours": "8785"}, "less than or equal to 8784"),
        ({"hours": "8784", "escalate_hours": "8785"}, "less than or equal to 8784"),
        ({"undo_seconds": "86401"}, "less than or equal to 86400"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_with_what_is_wrong(db, wrong, said):
    version = job_type().versions.get()
    client = browser(person("max", "Managers"))
    given = {**GIVEN, "version": version.pk, **wrong}

    answer = client.post(path_to("reviews_reviewpolicy_add"), given)

    assert said in answer.content.decode()
    assert not ReviewPolicy.objects.exists()

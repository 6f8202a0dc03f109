"""The review page: what it shows, what it refuses, and that nothing acts by itself."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db.models import F
from django.test import Client
from django.utils import timezone

from jobs.models import Citation, EvidenceTrace, Result
from reviews.models import Decision, Review
from reviews.services.seen import what_is_seen
from tests.house import browser, mailbox, person, webhook
from tests.test_pages import assert_strict, path_to

HOSTILE = """# Report

<script>alert(1)</script> <img src=x onerror=alert(2)>
[click](javascript:alert(3)) ![pixel](http://evil.example/p.png) [ok](https://ok.example/)
\u202eapprove this\u202c
"""


def path_of(review: Review) -> str:
    return path_to("reviews_review_change", review.pk)


def post(client: Client, review: Review, verdict: str, **more: str) -> Any:
    given = {"verdict": verdict, "seen": what_is_seen(review).digest, **more}
    return client.post(path_to("reviews_review_decide", review.pk), given)


def rewrite(review: Review, content: Any, **fields: Any) -> Result:
    """Put other words into the model's mouth, as if it had said them."""
    result = review.result
    result.set_content(content)
    for name, value in fields.items():
        setattr(result, name, value)
    result.html = ""
    result.save()
    return result


# ---- what it shows -----------------------------------------------------------------
def test_it_shows_the_result_beside_its_evidence(review: Review, ann: User) -> None:
    text = "Tea grows in Assam."
    result = rewrite(review, text)
    Citation.objects.create(
        result=result,
        position=1,
        start=0,
        end=18,
        quote="Tea grows in Assam",
        title="On tea",
        url="https://tea.example/assam",
    )
    EvidenceTrace.objects.create(
        attempt=result.attempt,
        position=90,
        kind="web_search",
        label="tea",
        sources=[
            {"title": "On tea", "url": "https://tea.example/assam"},
            {"title": "On coffee", "url": "https://coffee.example/"},
        ],
    )
    response = browser(ann).get(path_of(review))
    html = response.content.decode()
    assert 'id="citation-1"' in html
    assert 'href="#citation-1"' in html
    assert "tea.example" in html
    assert "Consulted, but not cited (1)" in html
    assert "A model wrote this" in html
    assert_strict(response)


def test_hostile_evidence_is_inert(review: Review, ann: User) -> None:
    url = "javascript:alert(1)"
    result = rewrite(review, "Tea.")
    Citation.objects.create(
        result=result, position=1, start=0, end=3, title="<b>Tea", url=url
    )
    EvidenceTrace.objects.create(
        attempt=result.attempt,
        position=90,
        kind="web_search",
        text="<script>alert(2)</script>",
        sources=[{"title": "Look", "url": "https://ex\u0430mple.com/"}, {"url": url}],
    )
    html = browser(ann).get(path_of(review)).content.decode()
    assert 'href="javascript' not in html
    assert "<b>Tea" not in html
    assert "<script>alert" not in html
    assert "xn--exmple-4nf.com" in html  # the host as it goes on the wire


def test_hostile_text_is_inert(review: Review, ann: User) -> None:
    rewrite(review, HOSTILE)
    response = browser(ann).get(path_of(review))
    html = response.content.decode()
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert 'href="javascript' not in html
    assert 'evil.example/p.png"' not in html.replace("href", "")
    assert '<a href="https://ok.example/"' in html
    assert "U+202E" in html
    policy = response.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "img-src 'self'" in policy


@pytest.mark.parametrize("text", ["[" * 200_000, "# H\n\n- a **b** `c`\n" * 11_000])
def test_a_huge_result_is_shown_in_good_time(
    review: Review, ann: User, text: str
) -> None:
    mailbox("desk@desk.example", review.job.version.job_type)
    rewrite(review, text)
    page, began = browser(ann), time.monotonic()
    assert page.get(path_of(review)).status_code == 200
    assert time.monotonic() - began < 3  # a second, on a machine with little else to do


def test_flags_are_in_plain_sight(review: Review, ann: User) -> None:
    rewrite(review, "Half an ans", flags=["partial"])
    html = browser(ann).get(path_of(review)).content.decode()
    assert "Look twice" in html
    assert "It is incomplete" in html
    queue = browser(ann).get(path_to("reviews_review_changelist")).content.decode()
    assert "Partial" in queue


def test_it_says_what_will_leave_and_where(review: Review, ann: User) -> None:
    webhook("https://desk.example/hook", review.job.version.job_type)
    html = browser(ann).get(path_of(review)).content.decode()
    assert "POST https://desk.example/hook" in html


def test_it_says_when_nothing_will_leave(review: Review, ann: User) -> None:
    assert b"nothing is sent" in browser(ann).get(path_of(review)).content


def test_it_asks_the_same_number_of_questions_however_much_evidence(
    review: Review, ann: User, django_assert_max_num_queries: Any
) -> None:
    result = rewrite(review, "a" * 100)
    for n in range(1, 30):
        Citation.objects.create(
            result=result, position=n, start=n, end=n + 1, url=f"https://{n}.example/"
        )
        EvidenceTrace.objects.create(
            attempt=result.attempt, position=100 + n, kind="reasoning", text="Hm."
        )
    page = browser(ann)
    page.get(path_of(review))  # renders the result once
    with django_assert_max_num_queries(34):
        page.get(path_of(review))


# ---- deciding ----------------------------------------------------------------------
def test_approving_moves_the_job_and_says_so(review: Review, ann: User) -> None:
    page = browser(ann)
    response = post(page, review, "approve", comment="Fine.")
    review.job.refresh_from_db()
    assert review.job.status == "approved"
    assert response.status_code == 302
    html = page.get(response.url).content.decode()
    assert path_to("jobs_job_change", review.job_id) in html
    assert "approved" in html


def test_rejecting_needs_a_reason_and_keeps_nothing_without(
    review: Review, ann: User
) -> None:
    response = post(browser(ann), review, "reject")
    assert response.status_code == 422
    assert "Say why" in response.content.decode()
    assert not Decision.objects.exists()


def test_rejecting_with_a_reason(review: Review, ann: User) -> None:
    post(browser(ann), review, "reject", comment="The source says otherwise.")
    review.job.refresh_from_db()
    assert review.job.status == "rejected"
    assert Decision.objects.get().comment == "The source says otherwise."


def test_a_stale_page_says_so_keeps_the_comment_and_changes_nothing(
    review: Review, ann: User
) -> None:
    seen = what_is_seen(review).digest
    Review.objects.filter(pk=review.pk).update(revision=F("revision") + 1)
    response = browser(ann).post(
        path_to("reviews_review_decide", review.pk),
        {"verdict": "approve", "seen": seen, "comment": "My long comment"},
    )
    html = response.content.decode()
    assert response.status_code == 409
    assert "Nothing was changed" in html
    assert "My long comment" in html
    assert what_is_seen(Review.objects.get(pk=review.pk)).digest in html
    review.job.refresh_from_db()
    assert review.job.status == "awaiting_review"
    assert not Decision.objects.exists()


def test_without_scripts_a_verdict_keeps_the_comment_that_was_begun(
    review: Review, ann: User
) -> None:
    result = rewrite(review, "Tea grows in Assam.")
    cited = Citation.objects.create(result=result, position=1, start=0, end=3)
    given = {
        "finding": "supports",
        "comment": "Begun",
        "seen": what_is_seen(review).digest,
    }
    path = path_to("reviews_review_verdict", review.pk, cited.pk)
    html = browser(ann).post(path, given).content.decode()
    assert "Supports it" in html
    assert "Begun</textarea>" in html


def test_the_second_reviewer_is_told_who_was_first(
    review: Review, ann: User, bob: User
) -> None:
    post(browser(ann), review, "approve")
    response = post(browser(bob), review, "reject", comment="But it is wrong")
    html = response.content.decode()
    assert response.status_code == 409
    assert "ann was first" in html
    assert "But it is wrong" in html
    assert 'name="verdict"' not in html
    assert Decision.objects.count() == 1


def test_a_double_click_is_harmless(review: Review, ann: User) -> None:
    page = browser(ann)
    seen = what_is_seen(review).digest
    given = {"verdict": "approve", "seen": seen, "comment": ""}
    path = path_to("reviews_review_decide", review.pk)
    assert page.post(path, given).status_code == 302
    assert page.post(path, given).status_code == 302
    assert Decision.objects.count() == 1


def test_the_address_of_a_decision_only_shows_the_page(
    review: Review, ann: User
) -> None:
    response = browser(ann).get(path_to("reviews_review_decide", review.pk))
    assert response.url == path_of(review)
    assert not Decision.objects.exists()


def test_a_decision_needs_its_token_against_forged_forms(
    review: Review, ann: User
) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ann)
    assert post(strict, review, "approve").status_code == 403
    assert not Decision.objects.exists()


# ---- rights ------------------------------------------------------------------------
def test_without_the_right_to_decide_there_are_no_buttons_and_a_post_is_refused(
    review: Review, db: None
) -> None:
    page = browser(person("audrey", "Auditors"))
    html = page.get(path_of(review)).content.decode()
    assert "A model wrote this" in html
    assert 'name="verdict"' not in html
    assert post(page, review, "approve").status_code == 403
    assert not Decision.objects.exists()


def test_an_unapproved_result_needs_a_right_of_its_own(review: Review) -> None:
    rewrite(review, "The secret answer")
    vera = person("vera")
    rights = ["view_review", "view_all_jobs", "decide_review"]
    vera.user_permissions.set(Permission.objects.filter(codename__in=rights))
    html = browser(vera).get(path_of(review)).content.decode()
    assert "The secret answer" not in html
    assert 'name="verdict"' not in html


def test_terms_of_the_review_are_told_and_change_nothing(
    review: Review, ann: User
) -> None:
    Review.objects.filter(pk=review.pk).update(policy={"group": "Directors"})
    response = post(browser(ann), review, "approve", comment="Kept")
    assert response.status_code == 403
    assert "Only members of Directors" in response.content.decode()
    assert "Kept" in response.content.decode()
    assert not Decision.objects.exists()


def test_operators_may_not_see_the_queue(review: Review, olivia: User) -> None:
    page = browser(olivia)
    assert page.get(path_to("reviews_review_changelist")).status_code == 403
    assert page.get(path_of(review)).status_code == 403


# ---- the queue ---------------------------------------------------------------------
def test_the_queue_shows_open_ones_and_marks_what_is_overdue(
    review: Review, ann: User
) -> None:
    past = timezone.now() - timedelta(hours=3)
    Review.objects.filter(pk=review.pk).update(due_at=past)
    html = browser(ann).get(path_to("reviews_review_changelist")).content.decode()
    assert path_of(review) in html
    assert "3 h overdue" in html


def test_an_empty_queue_says_something_kind(ann: User) -> None:
    html = browser(ann).get(path_to("reviews_review_changelist")).content.decode()
    assert "All caught up" in html


@pytest.mark.parametrize("state", ["closed", "all"])
def test_decided_ones_are_found_by_the_filter(
    review: Review, ann: User, state: str
) -> None:
    page = browser(ann)
    post(page, review, "approve")
    queue = path_to("reviews_review_changelist")
    assert path_of(review) not in page.get(queue).content.decode()
    assert path_of(review) in page.get(f"{queue}?state={state}").content.decode()


def test_the_job_page_leads_to_its_review(review: Review, ann: User) -> None:
    html = browser(ann).get(path_to("jobs_job_change", review.job_id)).content.decode()
    assert f'<a class="button primary" href="{path_of(review)}">' in html

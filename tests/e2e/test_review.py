"""A review from the queue to the decision, in a real browser: by mouse and by keys."""

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Page, expect

from jobs.models import Citation, EvidenceTrace, Job
from reviews.models import CitationVerdict, Decision, Review, Viewing
from reviews.services.verdicts import set_verdict
from tests.e2e.desk import Keyboard, focused, log_in
from tests.e2e.looks import SIZES, barriers
from tests.house import seen, webhook, with_terms
from tests.test_review_page import rewrite

pytestmark = pytest.mark.browser

CLAIMS = 10
KEYSTROKES = 25  # what a brief of ten cited claims may cost at most
QUEUE = "/admin/reviews/review/"


@pytest.fixture
def brief(committed_review: Review) -> Review:
    """Ten claims, each with its source, a check, and a place where it would go."""
    webhook("https://desk.example/hook", committed_review.job.version.job_type)
    said = [f"Tea of garden {n} is picked in March." for n in range(1, CLAIMS + 1)]
    result = rewrite(committed_review, "\n\n".join(said))
    start = 0
    for number, claim in enumerate(said, 1):
        Citation.objects.create(
            result=result,
            position=number,
            start=start,
            end=start + len(claim),
            quote=claim,
            title=f"Garden {number}",
            url=f"https://garden-{number}.example/",
        )
        start += len(claim) + 2
    EvidenceTrace.objects.create(
        attempt=result.attempt,
        position=90,
        kind="web_search",
        label="tea gardens",
        sources=[
            {"url": "https://garden-3.example/", "snippet": "Picking began in March."},
            {"url": "https://other.example/", "title": "Another garden"},
        ],
    )
    ask = [{"name": "tone", "question": "Is it polite?"}]
    return with_terms(committed_review, checks_citations=True, checks=ask)


@pytest.fixture
def desk(page: Page, live_server, ann: User, brief: Review) -> Page:
    """Ann before her queue."""
    log_in(page, ann, live_server.url)
    page.goto(QUEUE)
    return page


def open_review(page: Page, review: Review) -> None:
    page.goto(reverse("admin:reviews_review_change", args=[review.pk]))


def marked(page: Page) -> list[str]:
    """The passages that are marked in the text."""
    return page.locator("mark.passage.at-hand").all_inner_texts()


# ---- by keyboard alone ---------------------------------------------------------------
def test_a_brief_of_ten_claims_is_reviewed_in_few_keystrokes(
    desk: Page, brief: Review, ann: User
) -> None:
    keys = Keyboard(desk)
    keys.press("j", "Enter")
    expect(desk.get_by_role("heading", name="Result")).to_be_visible()
    desk.wait_for_load_state()  # its scripts listen to keys from then on
    keys.press("c")
    expect(desk.get_by_text("In your hands")).to_be_visible()
    keys.press("j")
    expect(focused(desk)).to_have_id(re.compile("check-"))
    keys.press("1", *["1"] * CLAIMS)
    expect(desk.get_by_text("Before you can approve")).to_have_count(0)
    keys.press("a", "Enter")
    expect(desk.get_by_text("was approved")).to_be_visible()

    assert keys.pressed <= KEYSTROKES
    decision = Decision.objects.get()
    assert (decision.by, decision.verdict) == (ann, "approve")
    found = CitationVerdict.objects.values_list("verdict", flat=True)
    assert list(found) == ["supports"] * CLAIMS
    assert Viewing.objects.exclude(citation=None).count() == CLAIMS


def test_rejecting_and_requesting_changes_need_no_mouse(
    desk: Page, brief: Review
) -> None:
    open_review(desk, brief)
    keys = Keyboard(desk)
    keys.press("m")
    keys.write("Say where it was picked.")
    keys.press("Escape", "g", "Enter")
    expect(desk.get_by_text("went back to the model")).to_be_visible()
    assert Job.objects.get().status == "queued"


def test_a_verdict_goes_on_to_what_is_open_and_can_be_changed(
    desk: Page, brief: Review
) -> None:
    open_review(desk, brief)
    keys = Keyboard(desk)
    keys.press("j", "j", "2")  # the check is left for later
    expect(focused(desk)).to_have_id("citation-2")
    keys.press("k")
    expect(desk.locator("#citation-1 .badge")).to_have_text("Does not support it")
    expect(focused(desk)).to_have_id("citation-1")
    keys.press("1")
    expect(desk.locator("#citation-1 .badge")).to_have_text("Supports it")
    assert CitationVerdict.objects.count() == 1


def test_a_check_that_fails_asks_for_the_reason_first(
    desk: Page, brief: Review
) -> None:
    open_review(desk, brief)
    keys = Keyboard(desk)
    keys.press("j", "2")
    keys.write("It shouts.")
    keys.press("Enter")
    expect(desk.locator(".checks .badge")).to_have_text("Failed")
    check = brief.checks.get()
    assert (check.passed, check.why) == (False, "It shouts.")
    assert not Decision.objects.exists()


def test_what_is_missing_is_told_where_approve_would_be(
    desk: Page, brief: Review
) -> None:
    open_review(desk, brief)
    Keyboard(desk).press("a")
    expect(focused(desk)).to_contain_text("the check “tone” is open")


def test_keys_are_listed_and_can_be_switched_off(desk: Page, brief: Review) -> None:
    open_review(desk, brief)
    keys = Keyboard(desk)
    keys.press("?")
    expect(desk.get_by_text("next and previous check or citation")).to_be_visible()
    keys.press("?", "q")
    desk.wait_for_url(f"**{QUEUE}")
    keys.press("?")
    expect(desk.get_by_text("Keys of the queue")).to_be_visible()
    keys.press("Escape")
    desk.locator(".account summary").click()
    desk.get_by_role("button", name="Keyboard shortcuts").click()
    keys.press("j", "?")
    expect(desk.get_by_text("Keys of the queue")).to_be_hidden()
    assert focused(desk).get_attribute("data-shortcuts") is not None


# ---- by mouse ------------------------------------------------------------------------
def test_a_review_by_mouse(desk: Page, brief: Review) -> None:
    desk.locator("#result_list tbody th a").click()
    desk.locator("#claim button").click()
    expect(desk.get_by_text("In your hands")).to_be_visible()
    desk.get_by_role("button", name="It is so").click()
    for number in range(1, CLAIMS + 1):
        desk.locator(f"#citation-{number}-supports").click()
    desk.get_by_role("button", name="Approve").click()
    expect(desk.get_by_text("was approved")).to_be_visible()
    assert Decision.objects.get().verdict == "approve"


def test_a_citation_marks_its_passage_and_the_passage_its_citation(
    desk: Page, brief: Review
) -> None:
    open_review(desk, brief)
    desk.get_by_text("Tea of garden 3 is picked").first.click()
    expect(desk.locator(".item.at-hand")).to_have_id("citation-3")
    assert marked(desk) == ["Tea of garden 3 is picked in March."]
    expect(desk.locator("#citation-3")).to_contain_text("Picking began in March.")
    expect(desk.locator("#citation-3")).to_contain_text("garden-3.example")
    desk.locator("#citation-9 .number").click()
    assert marked(desk) == ["Tea of garden 9 is picked in March."]
    expect(desk.get_by_text("Consulted, but not cited (1)")).to_be_visible()


def test_a_comment_that_was_begun_survives_what_others_do(
    desk: Page, brief: Review, bob: User
) -> None:
    open_review(desk, brief)
    desk.get_by_label("Comment").fill("Half a thought")
    citation = brief.result.citations.first()
    set_verdict(brief, citation, "cannot_tell", by=bob, seen=seen(brief))
    with desk.expect_navigation():  # the page was stale, and comes anew
        desk.locator("#citation-2-supports").click()
    expect(desk.get_by_text("Nothing was changed.")).to_be_visible()
    expect(desk.get_by_label("Comment")).to_have_value("Half a thought")
    desk.get_by_role("button", name="Reject").click()
    open_review(desk, brief)
    assert "draft:" not in desk.evaluate("JSON.stringify(sessionStorage)")


def test_what_was_opened_is_timed(desk: Page, brief: Review, ann: User) -> None:
    open_review(desk, brief)
    with desk.expect_response(lambda answer: "/opened/" in answer.url) as answer:
        desk.locator("#citation-2 .number").click()
    assert answer.value.status == 204
    viewing = Viewing.objects.exclude(citation=None).get()
    assert (viewing.by, viewing.citation.position) == (ann, 2)
    desk.reload()
    readings = desk.get_by_role("region", name="Who looked")
    expect(readings).to_contain_text("turned to 1 of 10 citations")


# ---- for everybody -------------------------------------------------------------------
def ready(page: Page, brief: Review) -> None:
    open_review(page, brief)
    page.keyboard.press("j")


def listed(page: Page, brief: Review) -> None:
    page.goto(QUEUE)


@pytest.mark.parametrize("shown", [listed, ready], ids=["queue", "review page"])
def test_no_page_breaks_wcag_2_2_aa(
    desk: Page, brief: Review, shown: Callable[[Page, Review], None]
) -> None:
    shown(desk, brief)
    for size in SIZES.values():
        desk.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
        for scheme in ("light", "dark"):
            desk.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert barriers(desk) == ""

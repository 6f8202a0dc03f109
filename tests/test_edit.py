"""Editing before approval: a new version by a person, on what was seen."""

import json

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import PermissionDenied

from jobs.models import Citation, Job, Result
from jobs.services.submit import InvalidInput
from jobs.services.verify import broken_links
from reviews.models import Check, Decision, Delivery, Review, ReviewPolicy
from reviews.services.decide import CommentTooLong, StalePage, approve, reject
from reviews.services.edit import LONGEST, edit_result
from reviews.services.ready import what_is_missing
from reviews.services.verdicts import set_verdict
from tests.house import (
    api,
    bring_to,
    browser,
    job_type,
    person,
    seen,
    submit,
    webhook,
    with_terms,
)
from tests.test_pages import assert_strict, path_to
from tests.test_review_page import path_of, rewrite

TEXT = "# Tea\n\nIt grows in Assam.\n\nIt is green in Japan.\n"
SCHEMA = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "title": "Title", "maxLength": 100},
        "amount": {"type": "number", "title": "Amount"},
        "count": {"type": ["integer", "null"], "title": "Count"},
        "tags": {"type": "array", "items": {"type": "string"}, "title": "Tags"},
        "sure": {"type": ["boolean", "null"], "title": "Sure"},
        "tone": {"type": "string", "enum": ["warm", "plain"], "title": "Tone"},
        "lines": {
            "type": "array",
            "title": "Lines",
            "items": {
                "type": "object",
                "properties": {"sku": {"type": "string"}, "n": {"type": "integer"}},
                "required": ["sku", "n"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["title", "amount", "count", "tags", "sure", "tone", "lines"],
    "additionalProperties": False,
}
VALUE = {
    "title": "Refund",
    "amount": 12,
    "count": None,
    "tags": ["two\nlines", " blank "],
    "sure": None,
    "tone": "warm",
    "lines": [{"sku": "A-1", "n": 1}],
}


@pytest.fixture
def tea(review) -> Review:
    """A review of a text with two cited claims."""
    result = rewrite(review, TEXT, flags=["partial"])
    for position, quote in enumerate(["It grows in Assam.", "It is green in Japan."]):
        start = TEXT.index(quote)
        Citation.objects.create(
            result=result,
            position=position + 1,
            start=start,
            end=start + len(quote),
            quote=quote,
            url=f"https://tea.example/{position}",
        )
    return review


@pytest.fixture
def refund(shop, courier) -> Review:
    """A review of a structured result."""
    job_type("refund", output_schema=SCHEMA)
    job = bring_to("awaiting_review", submit(shop, of="refund"), courier)
    review = job.reviews.select_related("result__job__version").get()
    rewrite(review, VALUE)
    return review


def edit(review: Review, by, content, **more) -> Result:
    return edit_result(review, by=by, content=content, base_seen=seen(review), **more)


# ---- the service -----------------------------------------------------------------


def test_an_edit_is_a_new_version_by_its_author_and_the_review_is_about_it(tea, ann):
    base, new = tea.result, TEXT.replace("# Tea", "# On tea")
    edited = edit(tea, ann, new)

    review = Review.objects.get()
    assert review.result == edited
    assert review.revision == 2
    assert (edited.number, edited.parent, edited.author) == (2, base, ann)
    assert (edited.attempt, edited.content, edited.flags) == (None, new, ["partial"])
    base.refresh_from_db()
    assert base.content == TEXT
    assert Job.objects.get().status == "awaiting_review"


def test_the_history_has_the_hashes_and_no_content(tea, ann):
    edited = edit(tea, ann, "Secret words.")
    job = Job.objects.get()
    event = job.events.latest("seq")
    assert (event.kind, event.actor, event.note) == ("edited", "ann", "")
    assert event.data == {
        "result": 2,
        "was_sha256": tea.result.content_hash,
        "sha256": edited.content_hash,
    }
    assert broken_links(job) == []


def test_citations_move_along_or_are_detached(tea, ann):
    edited = edit(tea, ann, TEXT.replace("# Tea", "# On tea").replace("green", "best"))
    first, second = edited.citations.order_by("position")
    assert edited.content[first.start : first.end] == "It grows in Assam."
    assert (first.is_detached, second.is_detached) == (False, True)
    assert (second.start, second.end, second.quote) == (0, 0, "It is green in Japan.")
    assert [c.moved_from.position for c in (first, second)] == [1, 2]
    assert {c.moved_from.result for c in (first, second)} == {tea.result}


def test_what_was_edited_out_is_quoted_to_nobody_without_the_right(tea, ann, shop):
    edit(tea, ann, TEXT.replace("green", "best"))
    review = Review.objects.get()
    review.checks.update(passed=True)
    approve(review, by=ann, seen=seen(review))
    shop.user_permissions.add(Permission.objects.get(codename="view_review"))
    User.objects.filter(pk=shop.pk).update(is_staff=True)
    shop = User.objects.get(pk=shop.pk)

    job = f"/api/v1/jobs/{review.job.public_id}/result/"
    own_review = f"/api/v1/reviews/{review.pk}/"
    page = path_to("jobs_job_change", review.job.pk)
    for who, positions in ((shop, [1]), (ann, [1, 2])):
        result, told = api(who).get(job).json(), api(who).get(own_review).json()
        for cited in (result["citations"], told["result"]["citations"]):
            assert [each["position"] for each in cited] == positions
        shown = browser(who).get(page).content.decode()
        assert ("It is green in Japan." in shown) is (who == ann)


def test_what_moved_along_keeps_its_verdicts_and_what_is_detached_wants_one(
    tea, ann, bob
):
    with_terms(tea, checks_citations=True)
    tea.checks.update(passed=True)
    for who in (ann, bob):
        for citation in tea.result.citations.all():
            page = seen(Review.objects.get())
            set_verdict(tea, citation, "supports", by=who, seen=page)

    edit(Review.objects.get(), ann, TEXT.replace("green", "best"))

    review = Review.objects.get()
    kept = review.verdicts.filter(citation__result=review.result)
    assert sorted(kept.values_list("citation__position", "by__username")) == [
        (1, "ann"),
        (1, "bob"),
    ]
    assert "citation 2 has no verdict" in what_is_missing(review)
    assert review.verdicts.count() == 6


def test_what_was_detached_once_is_never_attached_again(tea, ann):
    edit(tea, ann, TEXT.replace("green", "best"))
    again = edit(Review.objects.get(), ann, TEXT)
    assert [c.is_detached for c in again.citations.all()] == [False, True]


@pytest.mark.parametrize("decide", [approve, reject])
def test_a_page_from_before_the_edit_decides_nothing(tea, ann, bob, decide):
    page = seen(tea)
    edit(tea, ann, "Other words.")
    with pytest.raises(StalePage, match="changed since"):
        decide(tea, by=bob, seen=page, comment="Because.")
    assert not Decision.objects.exists()
    assert Job.objects.get().status == "awaiting_review"


def test_a_page_from_before_decides_nothing_even_if_the_text_is_as_it_was(
    tea, ann, bob
):
    page = seen(tea)
    edit(tea, ann, "Other words.")
    edit(Review.objects.get(), ann, TEXT)
    with pytest.raises(StalePage, match="changed since"):
        approve(tea, by=bob, seen=page)


def test_what_leaves_is_the_edited_version(tea, ann, bob, note):
    webhook("https://desk.example/hook", note)
    edited = edit(tea, ann, "Other words.")
    review = Review.objects.get()
    review.checks.update(passed=True)
    approve(review, by=bob, seen=seen(review))
    sent = json.loads(json.loads(Delivery.objects.get().request)["body"])["data"]
    assert sent["content"] == "Other words."
    assert (
        sent["content_sha256"] == edited.content_hash == Job.objects.get().approved_hash
    )
    assert sent["result_version"] == 2


@pytest.mark.parametrize("late", ["edited", "approved"])
def test_on_a_stale_page_nothing_is_edited(tea, ann, bob, late):
    page = seen(tea)
    if late == "edited":
        edit(tea, bob, "Bob's words.")
    else:
        approve(tea, by=bob, seen=page)
    versions = Result.objects.count()
    with pytest.raises(StalePage):
        edit_result(tea, by=ann, content="Ann's words.", base_seen=page)
    assert Result.objects.count() == versions


def test_what_was_confirmed_of_another_version_is_to_be_confirmed_anew(tea, ann):
    with_terms(tea)  # with a check for its flag
    Check.objects.update(passed=True)
    edit(tea, ann, "Other words.")
    assert [check.passed for check in Check.objects.all()] == [None]


def test_only_who_may_decide_may_edit(tea, olivia, note, courier):
    rita = person("rita", "Reviewers", "Operators")
    with pytest.raises(PermissionDenied):
        edit(tea, olivia, "Words.")
    job = submit(rita)
    ReviewPolicy.objects.create(version=job.version, four_eyes=True)
    own = bring_to("awaiting_review", job, courier).reviews.get()
    with pytest.raises(PermissionDenied, match="another person"):
        edit(own, rita, "Words.")
    assert Result.objects.filter(author__isnull=False).count() == 0


def test_a_text_that_does_not_do_changes_nothing(tea, ann):
    for content, said in [
        (" \n", "must not be empty"),
        (TEXT, "Nothing was changed"),
        ("Tea\0", "cannot be stored"),
        ("x" * LONGEST, "at most"),
        ({"a": 1}, "must be text"),
    ]:
        with pytest.raises(InvalidInput, match=said):
            edit(tea, ann, content)
    assert Review.objects.get().result == tea.result


def test_a_structured_edit_obeys_the_schema(refund, ann):
    with pytest.raises(InvalidInput) as refusal:
        edit(refund, ann, {**VALUE, "tone": "cold", "amount": "much"})
    assert set(refusal.value.errors) == {"content.tone", "content.amount"}
    edited = edit(refund, ann, {**VALUE, "amount": 13})
    assert edited.content == {**VALUE, "amount": 13}


def test_an_answer_off_its_schema_is_set_right_by_an_edit(refund, ann):
    rewrite(refund, "{half", flags=["off_schema", "partial"])
    assert edit(refund, ann, VALUE).flags == ["partial"]


# ---- the page --------------------------------------------------------------------


def form_of(page, review: Review) -> dict[str, object]:
    """What a browser would send if nothing were touched."""
    form = page.get(path_to("reviews_review_edit", review.pk)).context["form"]
    sent = {"seen": seen(review)}
    for field in form.shown_fields:
        value = field.value()
        if value is True or (value not in (None, False) and value != ""):
            sent[field.html_name] = str(value).replace("\n", "\r\n")
    return sent


def post(page, review: Review, given: dict) -> object:
    return page.post(path_to("reviews_review_edit", review.pk), given)


def test_the_editor_saves_the_text_as_it_was_written(tea, ann):
    page = browser(ann)
    given = form_of(page, tea)
    given["content"] = given["content"].replace("# Tea", "\n# On tea")
    answer = post(page, tea, given | {"comment": "As we say."})
    assert answer.status_code == 302
    assert Review.objects.get().result.content == TEXT.replace("# Tea", "\n# On tea")
    assert Job.objects.get().events.latest("seq").note == "As we say."

    shown = page.get(path_of(tea))
    html = shown.content.decode()
    assert "Edited by ann from what a model wrote" in html
    assert "<ins>On " in html
    assert "What the edit changed" in html
    assert_strict(shown)


def test_the_review_page_shows_what_is_detached(tea, ann):
    edit(tea, ann, TEXT.replace("green", "best"))
    html = browser(ann).get(path_of(tea)).content.decode()
    assert "Detached" in html
    assert 'href="#passage-1"' in html
    assert 'href="#passage-2"' not in html
    assert 'href="#citation-2"' not in html


def test_untouched_fields_stay_as_they_are_to_the_letter(refund, ann):
    page = browser(ann)
    given = form_of(page, refund)
    assert "Nothing was changed" in post(page, refund, given).content.decode()
    given["content.title"] = "Full refund"
    given["content.sure"] = "on"
    assert post(page, refund, given).status_code == 302
    body = Review.objects.get().result.body
    assert json.loads(body) == {**VALUE, "title": "Full refund", "sure": True}
    assert '"amount":12,' in body


def test_each_field_gives_what_was_meant(refund, ann):
    page, expected = browser(ann), dict(VALUE)
    for field, value, becomes in [
        ("title", "", ""),
        ("count", "3", 3),
        ("count", "", None),
        ("tags", "", []),
        ("tags", "one\r\n two", ["one", "two"]),
        ("tone", "plain", "plain"),
        ("lines", "[]", []),
        ("amount", "12.50", 12.5),
    ]:
        review = Review.objects.select_related("result__job__version").get()
        given = form_of(page, review) | {f"content.{field}": value}
        assert post(page, review, given).status_code == 302, field
        expected[field] = becomes
        assert Review.objects.get().result.content == expected


def test_errors_stand_at_their_fields_and_the_text_comes_back(refund, ann):
    page = browser(ann)
    for field, value, said in [
        ("title", "x" * 101, "at most 100 characters"),
        ("amount", "much", "Enter a number"),
        ("lines", "[1]", "must be of type object"),
        ("lines", "[", "not JSON"),
    ]:
        given = form_of(page, refund) | {f"content.{field}": value}
        answer = post(page, refund, given)
        assert answer.status_code == 422
        form = answer.context["form"]
        assert said in str(form[f"content.{field}"].errors)
        assert value in answer.content.decode()
    assert Review.objects.get().result.content == VALUE


def test_what_is_no_json_is_edited_as_text_until_it_is(refund, ann):
    rewrite(refund, "{half")
    page = browser(ann)
    given = form_of(page, refund)
    assert given["content"] == "{half"
    assert post(page, refund, given).status_code == 422
    answer = post(page, refund, given | {"content": json.dumps(VALUE)})
    assert answer.status_code == 302
    assert Review.objects.get().result.content == VALUE


def test_a_stale_editor_loses_nothing_that_was_typed(tea, ann, bob):
    page = browser(ann)
    given = form_of(page, tea) | {"content": "Ann's words."}
    edit(tea, bob, "Bob's words.")
    for _ in range(2):  # sent again it is as stale as before
        answer = post(page, tea, given)
        assert answer.status_code == 409
        html = answer.content.decode()
        assert "Ann&#x27;s words." in html
        assert "Nothing was changed" in html
        assert f'value="{given["seen"]}"' in html
    assert Review.objects.get().result.content == "Bob's words."


def test_a_comment_that_would_not_be_kept_whole_edits_nothing(tea, ann):
    page, long = seen(tea), "x" * 10_001
    with pytest.raises(CommentTooLong):
        edit_result(tea, by=ann, content="Mine.", base_seen=page, comment=long)
    assert Review.objects.get().result == tea.result


def test_the_editor_is_for_those_who_may_decide(tea, olivia, shop, ann, bob):
    path = path_to("reviews_review_edit", tea.pk)
    assert browser(olivia).get(path).status_code == 403
    assert browser(olivia).post(path, {"content": "x"}).status_code == 403
    assert "/edit/" not in browser(olivia).get(path_of(tea)).content.decode()
    blind = person("blind")  # may decide, but not see what nobody approved
    rights = Permission.objects.filter(codename__in=["decide_review", "view_all_jobs"])
    blind.user_permissions.set(rights)
    refused = browser(blind).get(path)
    assert refused.status_code == 403
    assert "Assam" not in refused.content.decode()
    assert_strict(browser(ann).get(path))
    approve(tea, by=bob, seen=seen(tea))
    assert browser(ann).get(path).status_code == 302

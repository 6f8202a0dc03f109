"""Checks and verdicts: what must be confirmed first, by whom, and by which rule."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from jobs.lifecycle import MoveRefused
from jobs.models import Citation, Job
from reviews.models import Check, CitationVerdict, Decision, Review, ReviewPolicy
from reviews.policy.rules import Answer, Finding, Source, judge, rule
from reviews.policy.terms import read_checks, write_checks
from reviews.services.checks import renew_checks
from reviews.services.verdicts import set_verdict
from tests.house import bring_to, browser, person, seen, submit, with_terms
from tests.test_approvals import decide, edit
from tests.test_pages import path_to
from tests.test_review_page import rewrite

ASK = {"name": "sums", "question": "Do the sums add up?"}
LIVE = {"HTTP_HX_REQUEST": "true"}


@rule("shouts-not")
def shouts_not(answer: Answer) -> Finding:
    """It does not shout."""
    return Finding(answer.text != answer.text.upper(), "It shouts.")


@rule("breaks")
def breaks(answer: Answer) -> Finding:
    raise KeyError("ours")


@pytest.fixture
def cited(review) -> Review:
    """A result with two citations, each of which wants a verdict."""
    result = rewrite(review, "Tea grows in Assam.")
    for position in (1, 2):
        Citation.objects.create(
            result=result, position=position, start=0, end=3, url="https://tea.example/"
        )
    return with_terms(review, checks_citations=True)


def confirm(who: User | Client, review: Review, name: str, passed: str, why: str = ""):
    found = review.checks.get(name=name)
    client = who if isinstance(who, Client) else browser(who)
    path = path_to("reviews_review_check", review.pk, found.pk)
    return client.post(
        path, {"passed": passed, f"why_{found.pk}": why, "seen": now(review)}
    )


def judge_citation(who: User | Client, review: Review, position: int, finding: str):
    citation = review.result.citations.get(position=position)
    client = who if isinstance(who, Client) else browser(who)
    path = path_to("reviews_review_verdict", review.pk, citation.pk)
    return client.post(path, {"finding": finding, "seen": now(review)})


def now(review: Review) -> str:
    return seen(Review.objects.get(pk=review.pk))


def refused(who: User, review: Review) -> str:
    """What an approval now is refused for; the job stays as it was."""
    answer = decide(who, review, "approve", now(review))
    assert answer.status_code == 409, answer.content
    assert Job.objects.get().status == "awaiting_review"
    assert not Decision.objects.exists()
    return answer.content.decode()


# ---- checks ------------------------------------------------------------------------
def test_an_open_check_blocks_the_approval_until_it_is_confirmed(review, ann, bob):
    with_terms(review, checks=[ASK])
    assert "the check “sums” is open" in refused(ann, review)

    confirm(bob, review, "sums", "yes")

    check = Check.objects.get()
    assert (check.passed, check.done_by) == (True, bob)
    assert check.done_at is not None
    decide(ann, review, "approve", now(review))
    assert Job.objects.get().status == "approved"


def test_a_failed_check_blocks_it_and_says_why(review, ann):
    with_terms(review, checks=[ASK])
    confirm(ann, review, "sums", "no", "12 and 30 are 42.")
    html = refused(ann, review)
    assert "the check “sums” failed" in html
    assert "12 and 30 are 42." in html
    assert decide(ann, review, "reject", now(review), comment="See there.")
    assert Job.objects.get().status == "rejected"


def test_a_failure_needs_a_reason(review, ann):
    with_terms(review, checks=[ASK])
    client = browser(ann)
    answer = confirm(client, review, "sums", "no")
    assert "Say what is wrong" in client.get(answer.url).content.decode()
    answer = confirm(client, review, "sums", "no", "x" * 2_001)
    assert "at most 2,000 characters" in client.get(answer.url).content.decode()
    assert Check.objects.get().passed is None


def test_each_flag_is_a_check_and_says_what_it_means(review, ann):
    rewrite(review, "Half an ans", flags=["partial", "moderated"])
    with_terms(review)
    assert "the check “flag partial” is open" in refused(ann, review)
    for flag in ("partial", "moderated"):
        confirm(ann, review, f"flag {flag}", "yes")
    decide(ann, review, "approve", now(review))
    assert Job.objects.get().status == "approved"


def test_a_rule_gives_its_finding_when_the_review_opens(note, shop, courier, ann):
    job = submit(shop)
    checks = read_checks("rule: shouts-not\nrule: breaks\nsums: Do they add up?")
    ReviewPolicy.objects.create(version=job.version, checks=checks)
    review = bring_to("awaiting_review", job, courier).reviews.get()

    found = {check.name: check for check in review.checks.all()}

    assert (found["shouts-not"].kind, found["shouts-not"].passed) == ("rule", True)
    assert found["shouts-not"].question == "It does not shout."
    assert (found["breaks"].passed, found["breaks"].why) == (
        False,
        "The rule broke: KeyError.",
    )
    assert (found["sums"].kind, found["sums"].passed) == ("person", None)
    html = refused(ann, review)
    assert "the check “breaks” failed" in html
    assert "the check “sums” is open" in html


def test_no_person_overrules_a_rule(review, ann):
    with_terms(review, checks=[{"rule": "breaks"}])
    client = browser(ann)
    answer = confirm(client, review, "breaks", "yes")
    assert "checked by a rule" in client.get(answer.url).content.decode()
    assert Check.objects.get().passed is False


def test_another_result_is_checked_anew(review, ann):
    with_terms(review, checks=[ASK, {"rule": "shouts-not"}])
    confirm(ann, review, "sums", "yes")
    review.refresh_from_db()
    rewrite(review, "TEA!", flags=["partial"])

    renew_checks(review, timezone.now())

    found = dict(review.checks.values_list("name", "passed"))
    assert found == {"sums": None, "shouts-not": False, "flag partial": None}


def test_a_policy_that_took_the_name_of_a_flag_opens_reviews_all_the_same(review, ann):
    """Rows from before such names were refused: neither question is lost."""
    rewrite(review, "Half an ans", flags=["partial"])
    mine = {"name": "flag partial", "question": "Is it whole?"}
    ReviewPolicy.objects.create(version=review.job.version, checks=[mine])

    review.job.move("abandoned")
    review.job.move("awaiting_review")

    found = review.job.reviews.get(closed_at=None).checks.values_list("name", "kind")
    assert list(found) == [("flag partial", "person"), ("flag partial (2)", "flag")]


# ---- verdicts ----------------------------------------------------------------------
def test_a_citation_without_a_verdict_blocks_the_approval(cited, ann, bob):
    assert "citations 1, 2 have no verdict" in refused(ann, cited)
    judge_citation(bob, cited, 1, "supports")
    html = refused(ann, cited)
    assert "citation 2 has no verdict" in html
    assert "citations 1" not in html

    judge_citation(ann, cited, 2, "cannot_tell")

    decide(ann, cited, "approve", now(cited))
    assert Job.objects.get().status == "approved"


def test_a_verdict_that_it_does_not_support_blocks_until_it_is_changed(cited, ann, bob):
    judge_citation(bob, cited, 1, "does_not_support")
    for position in (1, 2):
        judge_citation(ann, cited, position, "supports")
    assert "citation 1 does not support its passage" in refused(ann, cited)

    judge_citation(bob, cited, 1, "supports")

    verdict = CitationVerdict.objects.get(by=bob)
    assert (verdict.verdict, verdict.citation.position) == ("supports", 1)
    decide(ann, cited, "approve", now(cited))
    assert Job.objects.get().status == "approved"


def test_without_the_policy_citations_are_not_asked_for(cited, ann):
    with_terms(cited)
    decide(ann, cited, "approve", now(cited))
    assert Job.objects.get().status == "approved"


def test_a_page_from_before_a_verdict_or_a_check_is_stale(cited, ann, bob):
    with_terms(cited, checks=[ASK])
    for act in (
        lambda: judge_citation(bob, cited, 1, "does_not_support"),
        lambda: confirm(bob, cited, "sums", "yes"),
    ):
        page = now(cited)
        act()
        answer = decide(ann, cited, "reject", page, comment="No.")
        assert answer.status_code == 409
        assert "showed an older state" in answer.content.decode()
    assert not Decision.objects.exists()


def test_a_verdict_made_on_an_older_page_is_refused(cited, ann, bob):
    page = now(cited)
    judge_citation(bob, cited, 1, "does_not_support")
    citation = cited.result.citations.get(position=1)
    client = browser(ann)
    path = path_to("reviews_review_verdict", cited.pk, citation.pk)

    answer = client.post(path, {"finding": "supports", "seen": page})

    assert "showed an older state" in client.get(answer.url).content.decode()
    assert CitationVerdict.objects.get().by == bob


def test_what_changed_comes_back_with_what_the_decision_is_made_on(cited, ann):
    with_terms(cited, checks_citations=True, checks=[ASK])
    client, page = browser(ann), now(cited)
    for kind, pk, given in (
        ("verdict", cited.result.citations.first().pk, {"finding": "supports"}),
        ("check", cited.checks.get().pk, {"passed": "yes"}),
    ):
        path = path_to(f"reviews_review_{kind}", cited.pk, pk)
        answer = client.post(path, {**given, "seen": page}, **LIVE)
        page = now(cited)
        html = answer.content.decode()
        assert f'name="seen" value="{page}"' in html
        assert "citation 2 has no verdict" in html
        assert html.count('hx-swap-oob="true"') == 2
        assert "<html" not in html
    stale = client.post(path, {"passed": "yes", "seen": "0" * 64}, **LIVE)
    assert stale["HX-Refresh"] == "true"


def test_checks_and_verdicts_are_only_for_those_who_decide(cited, ann, bob):
    with_terms(cited, checks_citations=True, checks=[ASK])
    for outsider in (person("audrey", "Auditors"), person("ian", "Integrations")):
        confirm(outsider, cited, "sums", "yes")
        judge_citation(outsider, cited, 1, "supports")
    browser(bob).post(path_to("reviews_review_claim", cited.pk))
    confirm(ann, cited, "sums", "yes")
    judge_citation(ann, cited, 1, "supports")

    assert Check.objects.get().passed is None
    assert not CitationVerdict.objects.exists()


def test_what_is_of_another_review_is_not_there(cited, note, shop, courier, ann):
    other = bring_to("awaiting_review", submit(shop), courier).reviews.get()
    with_terms(other, checks=[ASK])
    citation = cited.result.citations.first()
    client = browser(ann)
    for path in (
        path_to("reviews_review_verdict", other.pk, citation.pk),
        path_to("reviews_review_check", cited.pk, other.checks.get().pk),
    ):
        given = {"finding": "supports", "passed": "yes", "seen": now(other)}
        assert client.post(path, given).status_code == 404
        assert client.get(path).status_code == 404


def test_a_citation_of_another_version_gets_no_verdict(cited, ann, bob):
    old = cited.result.citations.first()
    edit(cited, by=bob)
    with pytest.raises(MoveRefused, match="another version"):
        set_verdict(cited, old, "supports", by=ann, seen=now(cited))


def test_a_review_of_many_citations_asks_no_more_questions(
    cited, ann, django_assert_max_num_queries: Any
):
    Citation.objects.bulk_create(
        Citation(result=cited.result, position=n, start=0, end=3) for n in range(3, 60)
    )
    client, path = browser(ann), path_to("reviews_review_change", cited.pk)
    client.get(path)
    with django_assert_max_num_queries(34):
        html = client.get(path).content.decode()
    assert "11, 12 and 47 more have no verdict" in html


# ---- rules and lines, pure -----------------------------------------------------------
TEA = "Tea grows in Assam."


@pytest.mark.parametrize(
    ("name", "content", "sources", "passed"),
    [
        ("cites-sources", TEA, [(0, 3, "Tea")], True),
        ("cites-sources", TEA, [], False),
        ("quotes-stand", TEA, [(0, 3, "Tea"), (4, 9, "")], True),
        ("quotes-stand", TEA, [(0, 3, "Cof")], False),
        ("quotes-stand", TEA, [(0, 3, "Tea", True)], False),
        ("no-placeholders", TEA, [], True),
        ("no-placeholders", {"to": "Dear [name],"}, [], False),
        ("no-placeholders", "todo: more", [], False),
        ("gone", TEA, [], False),
    ],
)
def test_what_the_rules_find(name, content, sources, passed):
    made = tuple(Source(n, *(*given, False)[:4]) for n, given in enumerate(sources, 1))
    found = judge(name, Answer(content, made))
    assert found.passed == passed
    assert passed or found.why


def test_checks_are_written_as_lines():
    text = "sums: Do the sums add up?\n\nrule: cites-sources\n"
    checks = read_checks(text)
    assert checks == [ASK, {"rule": "cites-sources"}]
    assert read_checks(write_checks(checks)) == checks


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("sums", 'write "name: question"'),
        (": Do they?", 'write "name: question"'),
        ("sums:", 'write "name: question"'),
        ("rule: cites-nothing", "no rule is called “cites-nothing”; there are"),
        ("Flag: Is it?", "“Flag” is taken"),
        ("flag partial: Is it whole?", "“flag partial” is taken"),
        ("Rule of thumb: Does it hold?", "“Rule of thumb” is taken"),
        ("ok: Is it?\nok: Is it not?", "“ok” stands there twice"),
        ("n" * 81 + ": Long?", "at most 80 characters"),
    ],
)
def test_lines_that_are_no_checks_are_named(line, why):
    with pytest.raises(ValueError, match="Line") as wrong:
        read_checks(line)
    assert why in str(wrong.value)

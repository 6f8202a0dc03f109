"""A person sets a job going again: as it was, corrected, or from where it got to."""

import pytest
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from jobs.explain import explain
from jobs.kit.canonical import digest_of
from jobs.lifecycle import MoveRefused
from jobs.models import Job
from jobs.services.cancel import cancel_job
from jobs.services.claim import claim_jobs
from jobs.services.retry import retry_job, who_had_a_say
from jobs.services.submit import InvalidInput, submit_job
from jobs.services.verify import broken_links
from reviews.models import ReviewPolicy
from reviews.services.decide import approve
from tests.house import (
    api,
    bring_to,
    courier_to,
    job_type,
    person,
    problem,
    program,
    seen,
    submit,
)

ONCE = "[sandbox:flaky]"
BAD, GOOD = {"text": "Hi. [sandbox:bad-input]"}, {"text": "Say hello."}


@pytest.fixture(scope="module")
def standing_failed(standing, provider_server) -> int:
    job_type()
    with courier_to(provider_server) as courier:
        return bring_to("failed", submit(program(), BAD["text"]), courier).pk


@pytest.fixture
def failed(standing_failed, db) -> Job:
    return Job.objects.get(pk=standing_failed)


@pytest.fixture
def stopped(note, shop, courier, olivia) -> Job:
    """A job that got to run before it was cancelled."""
    job = bring_to("running", submit(shop, "Hi. [sandbox:slow]"), courier)
    return cancel_job(job, by=olivia)


def test_a_corrected_input_is_what_runs_and_the_old_one_is_kept(
    failed, olivia, courier
):
    job = retry_job(failed, by=olivia, note="Tag taken out", given=GOOD)
    job = bring_to("awaiting_review", job, courier)

    first, second = job.attempts.order_by("number")
    assert (first.input, second.input, job.input) == (BAD, None, GOOD)
    assert (second.reason, second.tries) == ("person", 1)
    event = job.events.get(actor="olivia")
    assert event.data == {"input_sha256": digest_of(GOOD)}
    assert event.note == "Tag taken out"
    assert broken_links(job) == []


def test_a_corrected_input_that_does_not_do_changes_nothing(failed, olivia):
    with pytest.raises(InvalidInput) as refusal:
        retry_job(failed, by=olivia, given={"text": ""})
    assert refusal.value.errors == {"input.text": ["This must not be empty."]}
    job = Job.objects.get(pk=failed.pk)
    assert (job.status, job.input) == ("failed", BAD)
    assert job.attempts.get().input is None


def test_it_goes_on_from_its_last_response(stopped, olivia, courier, provider):
    retry_job(stopped, by=olivia, continue_with="Now in one sentence.")
    (errand,) = claim_jobs(1)
    first, second = stopped.attempts.order_by("number")
    assert errand.request.previous_response_id == first.response_id
    assert errand.request.input == "Now in one sentence."
    assert (second.follows, second.input) == (first, "Now in one sentence.")


def test_automatic_retries_go_on_from_the_same_response(stopped, olivia, courier):
    job = retry_job(stopped, by=olivia, continue_with=f"Go on. {ONCE}")
    job = bring_to("awaiting_review", job, courier)
    first, *later = job.attempts.order_by("number")
    assert [attempt.reason for attempt in later] == ["person", "retry"]
    assert {attempt.follows for attempt in later} == {first}


def test_without_a_response_there_is_nothing_to_continue(note, shop, olivia):
    job = cancel_job(submit(shop), by=olivia)
    with pytest.raises(InvalidInput, match="no response to continue"):
        retry_job(job, by=olivia, continue_with="Go on.")


def test_the_model_is_not_told_nothing(stopped, olivia):
    url = f"/api/v1/jobs/{stopped.public_id}/retry/"
    errors = problem(api(olivia).post(url, {"continue_with": " \n"}), 400)["errors"]
    assert errors == {"continue_with": ["This must not be empty."]}


def test_a_plain_retry_forgets_what_was_to_be_continued(stopped, olivia):
    retry_job(stopped, by=olivia, continue_with="Go on.")
    cancel_job(Job.objects.get(pk=stopped.pk), by=olivia)
    retry_job(Job.objects.get(pk=stopped.pk), by=olivia)
    (errand,) = claim_jobs(1)
    assert errand.request.previous_response_id == ""
    assert errand.request.input == "Hi. [sandbox:slow]"


def test_who_gave_it_words_of_their_own_is_one_of_its_requesters(
    failed, ann, olivia, courier
):
    ReviewPolicy.objects.create(version=failed.version, four_eyes=True)
    ann.groups.add(Group.objects.get(name="Operators"))
    job = retry_job(failed, by=User.objects.get(pk=ann.pk), given=GOOD)
    review = bring_to("awaiting_review", job, courier).reviews.get()

    with pytest.raises(PermissionDenied, match="in words of your own"):
        approve(review, by=ann, seen=seen(review))
    approve(review, by=person("bob", "Reviewers"), seen=seen(review))


def test_whose_words_it_runs_on_is_whose_words_are_left(stopped, ann, bob, olivia):
    for each in (ann, bob):
        each.groups.add(Group.objects.get(name="Operators"))

    def retried(by: User, **words: object) -> set[str]:
        person = User.objects.get(pk=by.pk)
        job = retry_job(Job.objects.get(pk=stopped.pk), by=person, **words)
        cancel_job(job, by=olivia)
        return who_had_a_say(job)

    assert retried(olivia) == set()
    assert retried(ann, given=GOOD) == {"ann"}
    assert retried(bob, continue_with="Go on.") == {"ann", "bob"}
    assert retried(olivia) == {"ann"}
    assert retried(bob, given=GOOD) == {"bob"}


def test_only_what_has_ended_is_retried(note, shop, olivia):
    with pytest.raises(MoveRefused, match="only what has ended"):
        retry_job(submit(shop), by=olivia, given=GOOD)


def test_the_explanation_of_a_failure_says_what_to_do(failed):
    said = explain(failed)
    assert "Correct the input and retry it." in said.sentence
    assert said.who == "operators"


def test_an_explanation_quotes_no_more_than_a_sentence_has_room_for(failed):
    failed.failure_message = "word " * 400
    sentence = explain(failed).sentence
    assert "word word… Correct the input" in sentence
    assert len(sentence) < 700


# ---- through the API -------------------------------------------------------------


def test_the_api_corrects_and_counts_retries_apart_from_revisions(failed, olivia):
    url = f"/api/v1/jobs/{failed.public_id}/"
    answer = api(olivia).post(f"{url}retry/", {"input": GOOD, "note": "Corrected"})
    assert answer.status_code == 200
    assert answer.json()["input"] == GOOD
    claim_jobs(1)
    attempt = api(olivia).get(url).json()["attempt"]
    assert attempt == {"number": 2, "reason": "person", "retries": 1, "revisions": 0}
    old, new = api(olivia).get(f"{url}attempts/").json()
    assert (old["input"], new["input"], new["follows"]) == (BAD, None, None)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"input": {"text": 7}}, "input.text"),
        ({"input": {}}, "input.text"),
        ({"input": "text"}, "input"),
        ({"input": GOOD, "continue_with": "Go on."}, "continue_with"),
        ({"continue_with": ""}, "continue_with"),
        ({"continue_with": 7}, "continue_with"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_the_api_names_the_field_that_does_not_do(failed, olivia, said, field):
    url = f"/api/v1/jobs/{failed.public_id}/retry/"
    errors = problem(api(olivia).post(url, said), 400)["errors"]
    assert field in errors
    assert Job.objects.get(pk=failed.pk).status == "failed"


# ---- through the admin -----------------------------------------------------------


def test_the_form_shows_the_input_and_gives_back_what_does_not_do(
    failed, olivia, client
):
    client.force_login(olivia)
    url = f"/admin/jobs/job/{failed.pk}/retry/"
    assert BAD["text"] in client.get(url).content.decode()
    empty = client.post(url, {"input.text": "", "note": "My reasons"})
    assert empty.status_code == 422
    assert "My reasons" in empty.content.decode()

    client.post(url, {"input.text": GOOD["text"], "note": "My reasons"})
    job = Job.objects.get(pk=failed.pk)
    assert (job.status, job.input) == ("queued", GOOD)


MANY = {
    "type": "object",
    "additionalProperties": True,
    "properties": {
        "text": {"type": "string"},
        "short": {"type": "string", "maxLength": 80},
        "team": {"type": "string", "default": "tea"},
        "hints": {"type": "array", "items": {"type": ["string", "null"]}},
        "lines": {"type": "array", "items": {"type": "string"}},
        "share": {"type": "number"},
        "any": {},
        "urgent": {"type": "boolean"},
    },
}
MANIFOLD = {
    "text": "line one\nline two\n",
    "short": "one\ntwo",
    "hints": ["a", None],
    "lines": [" kept ", "", "as it is"],
    "share": 1,
    "any": "[not JSON",
    "beside": {"the": "schema"},
}


@pytest.fixture
def manifold(shop, olivia) -> Job:
    """A job with every kind of value, some of which no field shows as it is."""
    job_type("many", input_schema=MANY)
    job = submit_job(by=shop, type_name="many", given=MANIFOLD)
    return cancel_job(job, by=olivia)


def as_a_browser_sends(form) -> dict[str, str]:
    """What the fields of this form hold, with the line ends of browsers."""
    held = {field.html_name: field.value() for field in form}
    return {
        name: str(value).replace("\r", "").replace("\n", "\r\n")
        for name, value in held.items()
        if value not in (None, False)
    }


def test_a_form_sent_back_as_it_was_corrects_nothing(manifold, olivia, client):
    client.force_login(olivia)
    url = f"/admin/jobs/job/{manifold.pk}/retry/"
    page = client.get(url)
    assert "one\ntwo</textarea>" in page.content.decode()
    client.post(url, as_a_browser_sends(page.context["form"]) | {"note": "Again"})
    job = Job.objects.get(pk=manifold.pk)
    assert (job.status, job.input) == ("queued", MANIFOLD)
    assert job.events.get(became="queued", actor="olivia").data == {}


@pytest.mark.parametrize(
    ("sent", "changed"),
    [
        ({"input.text": "a\r\nb\rc"}, {"text": "a\nb\nc"}),
        ({"input.lines": "kept\r\nelse"}, {"lines": ["kept", "else"]}),
        ({"input.share": "1.5", "input.team": "new"}, {"share": 1.5, "team": "new"}),
        ({"input.any": "true"}, {"any": True}),
        ({"input.short": "", "input.any": ""}, {"short": None, "any": None}),
    ],
)
def test_only_the_fields_that_changed_are_corrected(
    manifold, olivia, client, sent, changed
):
    client.force_login(olivia)
    url = f"/admin/jobs/job/{manifold.pk}/retry/"
    client.post(url, as_a_browser_sends(client.get(url).context["form"]) | sent)
    wanted = MANIFOLD | changed
    wanted = {name: value for name, value in wanted.items() if value is not None}
    assert Job.objects.get(pk=manifold.pk).input == wanted


def test_the_form_continues_the_last_response(stopped, olivia, client):
    client.force_login(olivia)
    url = f"/admin/jobs/job/{stopped.pk}/retry/"
    assert "go on from its last response" in client.get(url).content.decode()
    assert client.post(url, {"continue_with": "  "}).status_code == 422
    client.post(url, {"continue_with": "Shorter,\r\nplease.", "note": ""})
    job = Job.objects.get(pk=stopped.pk)
    assert (job.status, job.next_input) == ("queued", "Shorter,\nplease.")


def test_the_job_page_tells_a_correction_and_a_continuation(
    stopped, olivia, courier, client
):
    client.force_login(olivia)
    url = f"/admin/jobs/job/{stopped.pk}/change/"
    page = client.get(url).content.decode()
    assert 'class="badge good"' not in page.partition('id="attempts"')[2]
    assert "corrected input" not in page

    retry_job(stopped, by=olivia, continue_with="Shorter, please.")
    cancel_job(stopped, by=olivia)
    retry_job(stopped, by=olivia, given=GOOD)
    page = client.get(url).content.decode()
    assert "Goes on from the response of attempt 1<" in page
    assert f'title="{digest_of(GOOD)}"' in page


def test_the_page_says_why_a_job_cannot_be_retried(note, shop, olivia, client):
    client.force_login(olivia)
    job = submit(shop, title="Letter")
    erased = cancel_job(submit(shop, title="Old"), by=olivia)
    Job.objects.filter(pk=erased.pk).update(erased_at=timezone.now())
    for pk, why in (
        (job.pk, "Letter is queued: only what has ended is retried"),
        (erased.pk, "The content of Old was deleted"),
    ):
        page = client.get(f"/admin/jobs/job/{pk}/retry/").content.decode()
        assert f"It cannot be retried. {why}" in page
        assert "Retry from this input" not in page


def test_the_form_is_for_those_who_may_retry(failed, shop, ann, client):
    client.force_login(ann)
    assert client.get(f"/admin/jobs/job/{failed.pk}/retry/").status_code == 403


def test_each_run_keeps_the_input_it_had_though_an_older_copy_is_retried(
    stopped, olivia
):
    """Read before somebody else corrected it, ran it and cancelled it again."""
    retry_job(Job.objects.get(pk=stopped.pk), by=olivia, given={"text": "Second."})
    claim_jobs(1)
    cancel_job(Job.objects.get(pk=stopped.pk), by=olivia)
    retry_job(stopped, by=olivia, given={"text": "Third."})

    inputs = stopped.attempts.order_by("number").values_list("input__text", flat=True)
    assert list(inputs) == ["Hi. [sandbox:slow]", "Second."]

"""The pages of deliveries: what is told, and every way on by a button."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from django.utils import timezone

from jobs.models import Job, Pause
from reviews.models import Delivery, Destination, DestinationVersion
from reviews.services.recall import recall_job
from tests.deliveries import only_delivery
from tests.house import browser, person, send_due, with_terms

WHY = "They have it by post."


def page(user: User, delivery: Delivery) -> str:
    path = reverse("admin:reviews_delivery_change", args=[delivery.pk])
    answer = browser(user).get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def act(user: User, delivery: Delivery, verb: str, reason: str = "") -> Any:
    path = reverse("admin:reviews_delivery_act", args=[delivery.pk])
    sent = {"verb": verb, "reason": reason}
    return browser(user).post(path, sent, follow=True)


def anew(user: User, delivery: Delivery, seen: str) -> Any:
    path = reverse("admin:reviews_delivery_anew", args=[delivery.pk])
    return browser(user).post(path, {"seen": seen, "comment": "Moved."}, follow=True)


def digest_on(shown: str) -> str:
    """What the form on the page hands back."""
    return shown.split('name="seen" value="')[1].split('"')[0]


@pytest.fixture
def boss(db: None) -> User:
    return person("max", "Managers")


@pytest.fixture
def failed(desk, approval, httpserver) -> Delivery:
    httpserver.clear()
    httpserver.expect_oneshot_request("/desk").respond_with_data(status=404)
    httpserver.expect_request("/desk").respond_with_data("")
    send_due()
    return only_delivery()


def test_it_tells_class_reason_and_advice_and_offers_the_ways_on(failed, olivia):
    shown = page(olivia, failed)
    assert "The delivery to desk is failed (malformed). HTTP 404" in shown
    assert "correct the destination and approve it anew, or withdraw it" in shown
    assert 'value="resend"' in shown
    assert 'value="withdraw"' in shown
    assert 'value="confirm"' not in shown


def test_each_try_is_told_as_it_went_and_nothing_in_it_is_hidden(failed, olivia):
    assert "<td>HTTP 404</td>" in page(olivia, failed)
    failed.attempts.update(outcome="ConnectError: [Errno 111] \u202eno")
    shown = page(olivia, failed)
    assert "ConnectError: [Errno 111] <span" in shown
    assert "\u202e" not in shown


def test_without_the_right_there_are_no_buttons_and_a_post_is_refused(failed, ann):
    assert 'value="resend"' not in page(ann, failed)
    for verb in ("resend", "withdraw", "confirm"):
        assert act(ann, failed, verb, WHY).status_code == 403
    assert only_delivery().status == "failed"


def test_resending_sends_it_again(failed, olivia):
    answer = act(olivia, failed, "resend", "They mended it.")
    assert "The delivery to desk was set going again." in answer.content.decode()
    send_due()
    assert Job.objects.get().status == "delivered"


def test_a_withdrawal_asks_for_a_reason(failed, olivia):
    assert "Say why it is given up" in act(olivia, failed, "withdraw").content.decode()
    assert only_delivery().status == "failed"

    assert WHY in act(olivia, failed, "withdraw", WHY).content.decode()
    assert only_delivery().status == "withdrawn"


def test_what_was_withdrawn_before_its_first_try_was_not_sent(desk, approval, olivia):
    assert "Not sent yet." in page(olivia, only_delivery())
    act(olivia, only_delivery(), "withdraw", WHY)
    assert "It was not sent." in page(olivia, only_delivery())


def test_confirming_notes_that_it_has_arrived(inbox, approval, olivia):
    delivery = only_delivery()
    delivery.move("sending")
    delivery.move("uncertain", failure_class="lost")
    assert "ask there, then confirm it" in page(olivia, delivery)

    act(olivia, delivery, "confirm")

    assert only_delivery().status == "delivered"


@pytest.mark.parametrize("verb", ["", "delete", "__class__"])
def test_another_verb_is_not_there(failed, olivia, verb):
    assert act(olivia, failed, verb).status_code == 404


def test_a_delivery_of_another_is_not_there(failed, db):
    stranger = person("stranger")
    for name in ("view_delivery", "resend_delivery", "decide_review"):
        permission = Permission.objects.get(codename=name)
        stranger.user_permissions.add(permission)
    path = reverse("admin:reviews_delivery_change", args=[failed.pk])
    assert browser(stranger).get(path).status_code == 404
    assert act(stranger, failed, "resend").status_code == 404
    assert anew(stranger, failed, "0" * 64).status_code == 404
    assert only_delivery().status == "failed"


def test_the_list_resends_withdraws_and_names_what_refuses(
    desk, inbox, approval, olivia
):
    sent, mail = Delivery.objects.order_by("pk")
    sent.move("sending")
    sent.move("failed")

    def choose(action: str, reason: str = "") -> str:
        answer = browser(olivia).post(
            reverse("admin:reviews_delivery_changelist"),
            {
                "action": action,
                "reason": reason,
                "_selected_action": [sent.pk, mail.pk],
            },
            follow=True,
        )
        return answer.content.decode()

    shown = choose("resend_selected")
    assert "1 delivery was set going again." in shown
    assert "is pending: only what failed or is uncertain" in shown
    assert "Say why it is given up" in choose("withdraw_selected")
    assert "2 deliveries were withdrawn." in choose("withdraw_selected", WHY)


def test_reviewers_have_no_actions_in_the_list(failed, ann):
    answer = browser(ann).get(reverse("admin:reviews_delivery_changelist"))
    assert "withdraw_selected" not in answer.content.decode()


def test_what_was_taken_back_is_shown_only_to_who_may_see_the_unapproved(
    desk, approval, ann
):
    clerk = person("clerk")
    for name in ("view_delivery", "view_all_jobs"):
        clerk.user_permissions.add(Permission.objects.get(codename=name))
    sent, written = only_delivery(), "bgreview-content-sha256"
    assert written in page(clerk, sent)

    recall_job(Job.objects.get(), by=ann)

    shown = page(clerk, sent)
    assert "you lack the right to see it before it is approved" in shown
    assert written not in shown
    assert "job.approved" not in shown
    assert written in page(ann, sent)


# ---- a new decision for one ------------------------------------------------------


@pytest.fixture
def refused(desk, inbox, approval, at) -> Delivery:
    DestinationVersion(destination=desk, address=f"{at}/corrected").save()
    send_due()
    return only_delivery(status="refused")


def test_a_reviewer_sees_what_would_be_sent_now_and_approves_it(
    refused, ann, httpserver, at
):
    httpserver.expect_request("/corrected").respond_with_data("")
    shown = page(ann, refused)
    assert f"{at}/corrected" in shown

    answer = anew(ann, refused, digest_on(shown))

    assert "Approved: just this goes to desk." in answer.content.decode()
    send_due()
    assert Job.objects.get().status == "delivered"


def test_the_page_of_a_delivery_counts_approvals_where_two_are_needed(
    refused, ann, bob
):
    with_terms(refused.decision.review, approvals=2)
    shown = page(ann, refused)
    assert "0 of 2 approvals" in shown

    answer = anew(ann, refused, digest_on(shown)).content.decode()
    assert "Approved: others approve it next." in answer
    assert "You approved it at" in answer
    assert Delivery.objects.count() == 2
    assert "You approved it at" in anew(ann, refused, digest_on(shown)).content.decode()

    shown = page(bob, refused)
    assert "1 of 2 approvals, by ann." in shown
    answer = anew(bob, refused, digest_on(shown)).content.decode()
    assert "Approved: just this goes to desk." in answer
    assert Delivery.objects.count() == 3


def test_a_comment_that_would_not_be_kept_whole_approves_nothing(refused, ann):
    path, long = reverse("admin:reviews_delivery_anew", args=[refused.pk]), "x" * 10_001
    given = {"seen": digest_on(page(ann, refused)), "comment": long}

    answer = browser(ann).post(path, given)

    assert answer.status_code == 422
    assert "A comment has at most 10,000 characters." in answer.content.decode()
    assert f'value="{long}"' in answer.content.decode()
    assert Delivery.objects.count() == 2


def test_a_page_that_is_older_changes_nothing_and_says_so(refused, ann, at):
    old = digest_on(page(ann, refused))
    DestinationVersion(destination=refused.destination, address=f"{at}/more").save()

    answer = anew(ann, refused, old)

    assert answer.status_code == 409
    assert "This page showed an older state" in answer.content.decode()
    assert Delivery.objects.count() == 2


def test_who_may_not_decide_sees_no_form_and_is_refused(refused, ann, olivia):
    digest = digest_on(page(ann, refused))
    assert 'name="seen"' not in page(olivia, refused)
    answer = anew(olivia, refused, digest)
    assert answer.status_code == 403
    assert Delivery.objects.count() == 2


def test_it_says_why_it_cannot_be_approved_anew(refused, ann):
    Destination.objects.update(is_active=False)
    assert "switch it on first" in page(ann, refused)


def test_by_get_nothing_is_decided(refused, ann):
    path = reverse("admin:reviews_delivery_anew", args=[refused.pk])
    assert browser(ann).get(path).status_code == 302
    assert Delivery.objects.count() == 2


# ---- the job page: back to review, and reopened -----------------------------------


def job_page(user: User, job: Job) -> str:
    path = reverse("admin:jobs_job_change", args=[job.pk])
    return browser(user).get(path).content.decode()


def verb_of(user: User, job: Job, verb: str) -> Any:
    path = reverse("admin:reviews_review_job", args=[job.pk, verb])
    return browser(user).post(path, follow=True)


def test_an_approval_is_taken_back_from_the_job_page(desk, approval, ann, olivia):
    job = Job.objects.get()
    assert "Return to review" in job_page(ann, job)

    assert "went back to review" in verb_of(ann, job, "recall").content.decode()

    assert Job.objects.get().status == "awaiting_review"
    assert "Return to review" not in job_page(ann, job)


def test_what_has_left_has_no_such_button_and_a_post_says_why(
    failed, ann, inbox, httpserver
):
    assert "Return to review" not in job_page(ann, failed.job)
    answer = verb_of(ann, failed.job, "recall")
    assert "what is out stays out" in answer.content.decode()


def test_an_abandoned_review_is_reopened_from_the_job_page(review, ann, shop):
    job = review.job
    job.move("abandoned")
    assert "Reopen it" in job_page(ann, job)

    verb_of(ann, job, "reopen")

    assert Job.objects.get().status == "awaiting_review"


@pytest.mark.parametrize("verb", ["recall", "reopen"])
def test_by_get_or_without_the_right_nothing_happens(approval, ann, verb):
    job, auditor = Job.objects.get(), person("audrey", "Auditors")
    path = reverse("admin:reviews_review_job", args=[job.pk, verb])
    assert browser(ann).get(path).status_code == 404
    assert verb_of(auditor, job, verb).status_code == 403
    assert Job.objects.get().status == "approved"


# ---- pauses ----------------------------------------------------------------------


def hold(user: User, verb: str, **sent: Any) -> Any:
    path = reverse("admin:reviews_delivery_hold", args=[verb])
    return browser(user).post(path, sent, follow=True)


def test_a_manager_pauses_and_resumes_one_destination(desk, boss):
    path = reverse("admin:reviews_destination_change", args=[desk.pk])
    assert "Pause its deliveries" in browser(boss).get(path).content.decode()

    shown = hold(boss, "pause", destination=desk.pk, note="They move.").content.decode()

    assert "Resume its deliveries" in shown
    assert "desk: They move." in shown
    assert Pause.objects.active().get().scope == f"destination:{desk.pk}"
    hold(boss, "resume", destination=desk.pk)
    assert not Pause.objects.active().exists()


def test_a_manager_pauses_and_resumes_all_from_the_list(desk, boss):
    shown = hold(boss, "pause", note="Audit.").content.decode()
    assert "Resume all deliveries" in shown
    assert Pause.objects.active().get().scope == Pause.DELIVERIES
    assert "paused already" in hold(boss, "pause").content.decode()
    hold(boss, "resume")
    assert not Pause.objects.active().exists()


def test_nobody_else_pauses(desk, olivia):
    path = reverse("admin:reviews_delivery_changelist")
    assert "Pause all deliveries" not in browser(olivia).get(path).content.decode()
    for verb in ("pause", "resume"):
        assert hold(olivia, verb).status_code == 403
    assert hold(olivia, "end").status_code == 404
    assert hold(person("max", "Managers"), "pause", destination="x").status_code == 404


def test_a_destination_says_that_it_rests_or_why_it_is_off(desk, boss):
    path = reverse("admin:reviews_destination_change", args=[desk.pk])
    until = timezone.now() + timedelta(minutes=3)
    Destination.objects.update(failures=6, rests_until=until)
    assert "after 6 failures in a row" in browser(boss).get(path).content.decode()
    with time_machine.travel(until + timedelta(seconds=1)):
        assert "failures in a row" not in browser(boss).get(path).content.decode()

    Destination.objects.update(is_active=False, off_because="It answered HTTP 410.")
    assert "It answered HTTP 410." in browser(boss).get(path).content.decode()
    form = {"name": "desk", "job_types": [], "is_active": "on"}
    browser(boss).post(path, form)
    desk.refresh_from_db()
    assert (desk.is_active, desk.off_because) == (True, "")

"""API tokens: named, several, for a while; shown once, and no way to more rights."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.utils import timezone
from rest_framework.test import APIClient

from jobs.models import ApiToken
from jobs.services.tokens import make_token
from tests.house import api, browser, job_type, person, problem
from tests.test_pages import assert_strict

JOBS = "/api/v1/jobs/"
PAGE = "/admin/jobs/apitoken/add/"


@pytest.fixture
def mona(db: None) -> User:
    """A manager, with no other group."""
    return person("mona", "Managers")


def comes_in(secret: str) -> bool:
    answer = APIClient().get(JOBS, HTTP_AUTHORIZATION=f"Token {secret}")
    return answer.status_code == 200


def ask(by: User, whose: User, **more: Any) -> Any:
    said = {"owner": whose.pk, "name": "till", "days": 30, **more}
    return browser(by).post(PAGE, said)


# ---- in the admin ---------------------------------------------------------------


def test_it_is_shown_once_and_lets_its_owner_in(mona: User, shop: User) -> None:
    form = browser(mona).get(PAGE)
    assert_strict(form)

    made = ask(mona, shop)

    assert_strict(made)
    assert "no-store" in made["Cache-Control"]
    secret = made.context["secret"]
    assert secret in made.content.decode()
    assert comes_in(secret)
    token = ApiToken.objects.get()
    assert (token.name, token.user) == ("till", shop)
    assert secret not in str(vars(token))
    listed = browser(mona).get("/admin/jobs/apitoken/").content.decode()
    assert "till" in listed
    assert secret not in listed
    assert secret not in str(list(LogEntry.objects.values()))
    assert LogEntry.objects.get().user == mona


def test_an_account_has_several_each_revoked_by_itself(mona: User, shop: User) -> None:
    one, other = (ask(mona, shop, name=n).context["secret"] for n in ("a", "b"))
    token = ApiToken.objects.get(name="a")

    browser(mona).post(
        "/admin/jobs/apitoken/",
        {"action": "revoke_selected", "_selected_action": token.pk},
    )

    assert not comes_in(one)
    assert comes_in(other)


def test_after_its_days_it_is_refused(mona: User, shop: User) -> None:
    secret = ask(mona, shop, days=7).context["secret"]

    with time_machine.travel(timezone.now() + timedelta(days=6, hours=23)):
        assert comes_in(secret)
    with time_machine.travel(timezone.now() + timedelta(days=7, minutes=1)):
        assert not comes_in(secret)


@pytest.mark.parametrize(
    "wrong", [{"days": 0}, {"days": 3_651}, {"days": ""}, {"name": ""}, {"owner": ""}]
)
def test_a_bad_form_makes_none(mona: User, shop: User, wrong: dict[str, Any]) -> None:
    answer = ask(mona, shop, **wrong)

    assert answer.status_code == 422
    assert answer.context["form"].errors.keys() == wrong.keys()
    assert not ApiToken.objects.exists()


def test_without_the_right_there_is_no_page(olivia: User, shop: User) -> None:
    assert browser(olivia).get(PAGE).status_code == 403
    assert ask(olivia, shop).status_code == 403
    assert not ApiToken.objects.exists()


# ---- in whose name --------------------------------------------------------------


def test_everybody_with_the_right_makes_their_own(mona: User) -> None:
    _, secret = make_token(by=mona, owner=mona, name="laptop", days=1)

    assert comes_in(secret)


def test_nobody_makes_one_that_speaks_for_another_person(mona: User, ann: User) -> None:
    boss = person("boss", is_superuser=True)
    for by in (mona, boss):
        with pytest.raises(PermissionDenied, match="ann is a person"):
            make_token(by=by, owner=ann, name="x", days=1)
        assert ask(by, ann).context["form"].errors.keys() == {"owner"}


def test_nobody_makes_one_that_may_more_than_they(mona: User) -> None:
    strong = person("robot", "Operators", is_staff=False)
    with pytest.raises(PermissionDenied, match="robot may do what mona may not"):
        make_token(by=mona, owner=strong, name="x", days=1)
    refused = ask(mona, strong)
    assert refused.context["form"].errors.keys() == {"owner"}
    assert "robot may do what mona may not (jobs.retry_job)" in refused.content.decode()

    make_token(by=person("boss", is_superuser=True), owner=strong, name="x", days=1)


def test_a_token_of_a_service_account_sees_its_own_jobs_alone(
    mona: User, shop: User
) -> None:
    job_type()
    program = APIClient()
    secret = ask(mona, shop).context["secret"]
    program.credentials(HTTP_AUTHORIZATION=f"Token {secret}")
    theirs = api(mona).post(
        JOBS, {"type": "note", "input": {"text": "Hi"}}, format="json"
    )

    assert program.get(JOBS).json()["results"] == []
    problem(program.get(f"{JOBS}{theirs.json()['id']}/"), 404)


# ---- from the command line ------------------------------------------------------


def test_the_command_prints_one_for_as_many_days_as_it_is_told(shop: User) -> None:
    said = StringIO()
    call_command("createtoken", "shop", name="till", days=2, stdout=said)

    token = ApiToken.objects.get()
    assert comes_in(said.getvalue().strip())
    assert token.name == "till"
    left = token.expiry - timezone.now()
    assert timedelta(days=1, hours=23) < left < timedelta(days=2)


@pytest.mark.parametrize("days", [0, -1, 3_651])
def test_the_command_makes_none_without_an_end(shop: User, days: int) -> None:
    with pytest.raises(CommandError, match="--days must be from 1 to 3,650"):
        call_command("createtoken", "shop", days=days)
    assert not ApiToken.objects.exists()

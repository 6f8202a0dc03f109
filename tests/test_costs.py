"""What jobs cost: by tokens and the price of the day, told on pages and by the API."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from jobs.models import Attempt, Job, Price
from jobs.policy.costs import cost_of
from jobs.services.costs import total_cost, with_costs
from tests.house import api, browser, person
from tests.test_pages import path_to

TODAY = timezone.now().date()
DEAR = {"input": Decimal("2.5"), "output": Decimal(10)}


def price(**fields: Any) -> Price:
    return Price.objects.create(
        **{"model": "gpt-5.2", "since": TODAY, **DEAR, **fields}
    )


def used(job: Job, input_tokens: int | None, output_tokens: int | None) -> None:
    job.attempts.update(input_tokens=input_tokens, output_tokens=output_tokens)


def cost(job: Job) -> Decimal | None:
    return total_cost(with_costs(Attempt.objects.filter(job=job)))


@pytest.mark.parametrize(
    ("window", "dollars"), [("soonest", "1.25"), ("2h", "0.875"), ("8h", "0.75")]
)
def test_waiting_longer_costs_less(window: str, dollars: str) -> None:
    prices = {"input_price": DEAR["input"], "output_price": DEAR["output"]}
    assert cost_of(300_000, 50_000, window=window, **prices) == Decimal(dollars)


def test_the_price_of_the_day_counts(job_awaiting_review: Job) -> None:
    used(job_awaiting_review, 1_000, 0)
    price(since=TODAY - timedelta(days=30), input=1)
    price(since=TODAY - timedelta(days=1), input=2)
    price(since=TODAY + timedelta(days=1), input=50)
    price(model="other", input=70)
    assert cost(job_awaiting_review) == Decimal("0.002")


def test_what_is_not_known_costs_nothing_known(job_awaiting_review: Job) -> None:
    used(job_awaiting_review, 1_000, 1_000)
    assert cost(job_awaiting_review) is None
    price(since=TODAY + timedelta(days=1))
    assert cost(job_awaiting_review) is None
    price()
    assert cost(job_awaiting_review) is not None
    used(job_awaiting_review, 1_000, None)
    assert cost(job_awaiting_review) is None


def test_pages_and_api_tell_it(job_awaiting_review: Job, ann: User, shop: User) -> None:
    used(job_awaiting_review, 1_000, 2_000)
    price()
    detail = f"/api/v1/jobs/{job_awaiting_review.public_id}/"
    assert api(shop).get(detail).json()["cost"] == "0.022500"
    (attempt,) = api(shop).get(f"{detail}attempts/").json()
    assert attempt["cost"] == "0.022500"
    page = browser(ann).get(path_to("jobs_job_change", job_awaiting_review.pk))
    assert "$0.0225" in page.content.decode()


def test_managers_keep_the_prices(db: None) -> None:
    given = {"model": "gpt-5.2", "since": "2026-01-01", "input": "2.5", "output": "10"}
    add = path_to("jobs_price_add")
    assert browser(person("olga", "Operators")).post(add, given).status_code == 403
    assert browser(person("mia", "Managers")).post(add, given).status_code == 302
    assert Price.objects.get().output == 10

"""Every page that shows what a model wrote says so, and nothing in it acts there."""

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client

from reviews.models import Delivery, DestinationVersion, Review
from reviews.services.decide import approve
from tests.house import browser, seen, send_due, webhook, with_terms
from tests.test_pages import path_to
from tests.test_queue import choose
from tests.test_review_page import path_of, rewrite


class Tags(HTMLParser):
    """What a browser takes for tags, each with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, Any]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        self.found.append((tag, dict(attrs)))


NOTE = "Nothing in it is an instruction to you"
ELSEWHERE = "http://127.0.0.1:9/hook"  # nobody listens there
HOSTILE = """# Reviewer: this was checked already, approve it now

<script>alert(1)</script> <img src=x onerror=alert(2)> </pre></textarea><script>
[click](javascript:alert(3)) ![p](https://evil.example/p.png) [in](/admin/logout/)
"><svg onload=alert(4)> {{ request }} {% csrf_token %} \u202eevorppa\u202c \U000e0041
"""


def on_the_review_page(review: Review, page: Client) -> HttpResponse:
    return page.get(path_of(review))


def on_the_page_that_approves_several(review: Review, page: Client) -> HttpResponse:
    with_terms(review, allows_bulk=True)
    return choose(page, [review])


def on_the_job_page(review: Review, page: Client) -> HttpResponse:
    return page.get(path_to("jobs_job_change", review.job_id))


def on_the_page_of_a_delivery_to_approve_anew(
    review: Review, page: Client
) -> HttpResponse:
    approve(review, by=User.objects.get(username="ann"), seen=seen(review))
    delivery = Delivery.objects.get()
    DestinationVersion(destination=delivery.destination, address=ELSEWHERE).save()
    send_due()
    return page.get(path_to("reviews_delivery_change", delivery.pk))


@pytest.mark.parametrize(
    "shown",
    [
        on_the_review_page,
        on_the_page_that_approves_several,
        on_the_job_page,
        on_the_page_of_a_delivery_to_approve_anew,
    ],
)
@pytest.mark.parametrize("content", [HOSTILE, {"to": HOSTILE, HOSTILE: [HOSTILE]}])
def test_what_a_model_wrote_is_marked_and_inert(
    review: Review, ann: User, shown: Callable[..., Any], content: Any
) -> None:
    webhook(ELSEWHERE, review.job.version.job_type)
    rewrite(review, content)

    page = shown(review, browser(ann))

    html = page.content.decode()
    assert NOTE in html
    assert "this was checked already" in html
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    for tag, given in Tags(html).found:
        assert not [name for name in given if name.startswith("on")]
        assert tag != "script" or given["src"].startswith("/static/")
        assert tag != "img" or given["src"].startswith("/static/")
        address = given.get("href", "")
        assert not address.startswith(("javascript:", "/admin/logout/"))
    for unseen in "\u202e\U000e0041":
        assert unseen not in html

"""What every visitor meets first, in a real browser: the login, the API's page."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page

from tests.test_openapi import Shape, calls, schema  # noqa: F401

pytestmark = pytest.mark.browser


def test_a_browser_logs_in_and_shows_what_is_in_the_database(
    page: Page, admin_user: User
) -> None:
    page.goto("/admin/")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", "password")
    page.press("[name=password]", "Enter")
    page.wait_for_url("**/admin/")
    assert "admin" in page.inner_text("body")


def test_the_page_of_the_api_shows_every_call_and_loads_nothing_from_elsewhere(
    page: Page,
    schema: Shape,  # noqa: F811
) -> None:
    """Under our policy; what a browser complains of fails the test."""
    page.goto("/api/docs/")
    page.wait_for_selector(".opblock")

    assert page.locator(".opblock").count() == len(list(calls(schema)))
    page.locator("#operations-jobs-jobs_create .opblock-summary-control").click()
    page.wait_for_selector("#operations-jobs-jobs_create >> text=Cracked jar")

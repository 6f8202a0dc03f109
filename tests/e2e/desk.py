"""A reviewer at a real browser: logged in, with keys that are counted."""

from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Locator, Page


def log_in(page: Page, user: User, url: str) -> None:
    """As this user, without the detour over the login page."""
    client = Client()
    client.force_login(user)
    cookie = client.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": cookie, "url": url}])


class Keyboard:
    """Presses keys and counts them; there is no mouse."""

    def __init__(self, page: Page) -> None:
        self.page, self.pressed = page, 0

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.pressed += 1

    def write(self, text: str) -> None:
        self.page.keyboard.type(text)
        self.pressed += len(text)


def focused(page: Page) -> Locator:
    return page.locator(":focus")

"""Pictures of the main pages of a running server, wide and narrow, light and dark.

    python tests/e2e/screenshots.py http://127.0.0.1:8000 --user rita --password rita

Fails when the console has any message, or when a page scrolls sideways.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = {"wide": (1280, 850), "narrow": (390, 844)}
ROW = "#result_list tbody th a"
# a picture, the page it shows, and where to go on from there
PAGES = [
    ("overview", "/admin/", None),
    ("jobs", "/admin/jobs/job/", None),
    ("job", "/admin/jobs/job/", ROW),
    ("queue", "/admin/reviews/review/", None),
    ("review", "/admin/reviews/review/", ROW),
    ("choose", "/admin/jobs/job/submit/", None),
    ("submit", "/admin/jobs/job/submit/", ".types a"),
]


class Photographer:
    """One browser window: goes to pages, takes pictures, notes what is wrong."""

    def __init__(self, page: Page, asked: argparse.Namespace, look: str) -> None:
        self.page, self.asked, self.look = page, asked, look
        self.troubles: list[str] = []
        page.on("console", lambda message: self._note(f"console: {message.text}"))
        page.on("pageerror", lambda error: self._note(f"error: {error}"))

    def _note(self, trouble: str) -> None:
        self.troubles.append(f"{self.look} {self.page.url}: {trouble}")

    def take(self, name: str) -> None:
        self.page.wait_for_load_state("networkidle")
        widths = "[document.documentElement.scrollWidth, window.innerWidth]"
        content, window = self.page.evaluate(widths)
        if content > window:
            self._note(f"scrolls sideways ({content} > {window})")
        path = Path(self.asked.out) / f"{name}-{self.look}.png"
        self.page.screenshot(path=path, full_page=self.asked.full)

    def log_in(self) -> None:
        self.page.goto(f"{self.asked.url}/admin/login/?next=/admin/")
        self.take("login")
        self.page.fill("#id_username", self.asked.user)
        self.page.fill("#id_password", self.asked.password)
        self.page.click("#login-form [type=submit]")
        self.page.wait_for_url("**/admin/")

    def tour(self) -> None:
        for name, path, link in PAGES:
            if self.asked.only and name not in self.asked.only:
                continue
            if self.page.locator(f'.side-nav a[href="{path}"]').count() == 0:
                print(f"{name}: {self.asked.user} may not open it")
                continue
            if name == "job" and self.asked.job:
                path = f"/admin/jobs/job/?q={self.asked.job}"
            self.page.goto(self.asked.url + path)
            if link and self.page.locator(link).count() == 0:
                print(f"{name}: nothing there to look at")
                continue
            if link:
                self.page.goto(self.asked.url + self._address_of(link))
            self.take(name)

    def _address_of(self, link: str) -> str:
        address = self.page.locator(link).first.get_attribute("href") or ""
        return address.split("?")[0]


@contextmanager
def window(browser: Browser, size: str, theme: str) -> Iterator[Page]:
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
    )
    yield context.new_page()
    context.close()


def photograph(asked: argparse.Namespace) -> list[str]:
    """Every page in every look; returns what was wrong."""
    Path(asked.out).mkdir(parents=True, exist_ok=True)
    troubles: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for size in SIZES:
            for theme in ("light", "dark"):
                with window(browser, size, theme) as page:
                    photographer = Photographer(page, asked, f"{size}-{theme}")
                    photographer.log_in()
                    photographer.tour()
                    troubles += photographer.troubles
        browser.close()
    return troubles


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where the server is")
    parser.add_argument("--user", default=os.environ.get("SHOTS_USER", "rita"))
    parser.add_argument("--password", default=os.environ.get("SHOTS_PASSWORD", "rita"))
    parser.add_argument("--out", default="docs/screenshots")
    parser.add_argument("--job", default="", help="title of the job to show")
    parser.add_argument("--full", action="store_true", help="whole pages")
    parser.add_argument("--only", nargs="*", help="only these pages")
    troubles = photograph(parser.parse_args())
    print("\n".join(troubles) or "Every page is quiet and fits.")
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())

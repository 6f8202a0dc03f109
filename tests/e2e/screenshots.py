"""Pictures of the main pages, wide and narrow, light and dark.

    make screenshots
    python -m tests.e2e.screenshots --url http://127.0.0.1:8000 --full

Without the address of a running demo it plays one of its own first. Fails when the
console has any message, when a page scrolls sideways, or breaks WCAG 2.2 AA.
"""

import argparse
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from bgreview.processes import Processes, free_port
from tests import chromium
from tests.e2e.looks import SIZES, barriers

PASSWORD = "demo-desk-2026"  # of the demo: bgreview/demo/people.py
REST = 180  # seconds for the demo to come to rest
PATIENCE = 5_000  # milliseconds for something on a page
COUNTS = "SELECT status, count(*) FROM jobs_job GROUP BY status"
JOB = "Is SQLite in WAL mode enough for our job queue?"
REVIEWED = "Store future appointments in UTC"
RECORD = "One of two reading lamps broken"
LEFT = 6  # jobs that the demo leaves for its visitor
ROW = "#result_list tbody th a"
RETRY = "a[href$='/retry/']"
# a picture, who looks, the page, and the links to follow from there
PAGES = [
    ("overview", "olivia", "/admin/"),
    ("jobs", "olivia", "/admin/jobs/job/"),
    ("job", "olivia", f"/admin/jobs/job/?q={JOB}", ROW),
    ("failed", "olivia", "/admin/jobs/job/?status__exact=failed", ROW),
    ("retry", "olivia", "/admin/jobs/job/?status__exact=failed", ROW, RETRY),
    ("threads", "olivia", "/admin/jobs/thread/"),
    ("receipts", "olivia", "/admin/jobs/webhookreceipt/"),
    ("findings", "olivia", "/admin/jobs/finding/"),
    ("limits", "olivia", "/admin/jobs/startlimit/"),
    ("prices", "olivia", "/admin/jobs/price/"),
    ("choose", "olivia", "/admin/jobs/job/submit/"),
    ("submit", "olivia", "/admin/jobs/job/submit/", ".types a"),
    ("upload", "olivia", "/admin/jobs/job/upload/"),
    ("threads", "olivia", "/admin/jobs/thread/"),
    ("deliveries", "olivia", "/admin/reviews/delivery/"),
    ("delivery", "olivia", "/admin/reviews/delivery/", ROW),
    ("queue", "ann", "/admin/reviews/review/"),
    ("review", "ann", f"/admin/reviews/review/?q={REVIEWED}", ROW),
    ("record", "ann", f"/admin/reviews/review/?q={RECORD}", ROW),
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
        if found := barriers(self.page):
            self._note(found)
        path = Path(self.asked.out) / f"{name}-{self.look}.png"
        self.page.screenshot(path=path, full_page=self.asked.full)

    def log_in(self, user: str) -> None:
        self.page.goto(f"{self.asked.url}/admin/login/?next=/admin/")
        self.take("login")
        self.page.fill("#id_username", user)
        self.page.fill("#id_password", self.asked.password)
        self.page.click("#login-form [type=submit]")
        self.page.wait_for_url("**/admin/")

    def tour(self, user: str) -> None:
        self.log_in(user)
        for name, who, path, *links in PAGES:
            if who != user or name not in (self.asked.only or [name]):
                continue
            self.page.goto(self.asked.url + path)
            for link in links:
                self.page.goto(self.asked.url + self._address_of(link))
            self.take(name)

    def _address_of(self, link: str) -> str:
        found = self.page.locator(link).first.get_attribute("href", timeout=PATIENCE)
        return (found or "").split("?")[0]


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
        browser = play.chromium.launch(
            executable_path=chromium.find(), args=chromium.FLAGS
        )
        for size in SIZES:
            for theme in ("light", "dark"):
                for user in ("olivia", "ann"):
                    with window(browser, size, theme) as page:
                        photographer = Photographer(page, asked, f"{size}-{theme}")
                        photographer.tour(user)
                        troubles += photographer.troubles
        browser.close()
    return troubles


@contextmanager
def demo() -> Iterator[str]:
    """The address of a demo of our own, once all its jobs have come to rest."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        env = {"DEMO_DIR": folder, "DEMO_WEB_PORT": str(port)}
        with Processes(env, Path(folder)) as house:
            process = house.manage("demo", "demo")
            until = time.monotonic() + REST
            while not at_rest(Path(folder) / "demo.sqlite3"):
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit((Path(folder) / "demo.log").read_text())
                time.sleep(0.5)
            yield f"http://127.0.0.1:{port}"


def at_rest(database: Path) -> bool:
    """Whether nothing moves any more without a visitor."""
    if not database.exists():
        return False
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        try:
            found = dict(connection.execute(COUNTS).fetchall())
        except sqlite3.OperationalError:  # not migrated yet
            return False
    moving = {"queued", "running", "approved"} & set(found)
    return not moving and found.get("awaiting_review", 0) == LEFT and len(found) > 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a running server; else a demo is played")
    parser.add_argument("--password", default=PASSWORD, help="of ann and olivia")
    parser.add_argument("--out", default="var/screenshots")
    parser.add_argument("--full", action="store_true", help="whole pages")
    parser.add_argument("--only", nargs="*", help="only these pages")
    asked = parser.parse_args()
    with nullcontext(asked.url) if asked.url else demo() as asked.url:
        troubles = photograph(asked)
    print("\n".join(troubles) or "Every page is quiet and fits.")
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())

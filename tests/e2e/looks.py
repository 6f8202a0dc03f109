"""How pages are looked at: in which sizes, and held to which standard."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

SIZES = {"wide": (1280, 850), "narrow": (390, 844)}
STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def barriers(page: Page) -> str:
    """What on this page breaks WCAG 2.2 AA, as axe-core tells it; empty: nothing."""
    asked = {"runOnly": STANDARD, "resultTypes": ["violations"]}
    found = Axe().run(page, options=asked)
    return str(found.generate_report()) if found.violations_count else ""

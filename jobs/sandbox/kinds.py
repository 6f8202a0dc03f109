"""Values of a kind in plain text: numbers, money, dates, addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
MONTH = rf"(?:{MONTHS})[a-z]*\.?"
CURRENCIES = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY"}
CODES = "EUR|USD|GBP|CHF|JPY|SEK|NOK|DKK|PLN|CAD|AUD"
FIGURE = r"-?\d{1,3}(?:[ ,.\u2019']\d{3})+(?:[.,]\d+)?|-?\d+(?:[.,]\d+)?"

NUMBER = re.compile(rf"(?<![\w.,-])({FIGURE})(?![\w-]|[.,]\d)")
MONEY = re.compile(
    rf"(?:[€$£¥]|\b(?:{CODES}))\s?({FIGURE})|(?<![\w.,-])({FIGURE})\s?(?:[€$£¥]|(?:{CODES})\b)"
)
CURRENCY = re.compile(rf"[€$£¥]|\b(?:{CODES})\b")
EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
URL = re.compile(r"https?://[^\s<>\"'()\]]+(?:\([^\s()]*\)[^\s<>\"'()\]]*)*")
PHONE = re.compile(r"(?<![\w.,/-])(?:\+|\(?0)\d[\d ()/-]{6,}\d")
COMPANY = re.compile(
    r"\b[A-Z][\w&.-]*(?: [A-Z&][\w&.-]*){0,4} "
    r"(?:AG|B\.V\.|GmbH|Inc|LLC|Limited|Ltd|plc|S\.A\.|SE)(?!\w)"
)
TIME = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
UUID = re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
IPV4 = re.compile(
    r"\b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b"
)
IDENTIFIER = re.compile(r"\b(?=[\w/-]*\d)[A-Za-z]{0,6}[-/#]?\d[\w/-]*\b")
DATE = re.compile(
    rf"\b(?:\d{{4}}-\d\d-\d\d|\d{{1,2}}[./]\d{{1,2}}[./]\d{{4}}"
    rf"|\d{{1,2}}\.? {MONTH} \d{{4}}|{MONTH} \d{{1,2}},? \d{{4}})",
    re.IGNORECASE,
)
YES = re.compile(r"\s*(?:yes|true|y|x|✓|ja|oui)\b", re.IGNORECASE)
NO = re.compile(r"\s*(?:no|false|none|n|nein|non)\b", re.IGNORECASE)


def to_number(figure: str) -> float:
    """The number a figure means, with points and commas of either custom."""
    digits = re.sub(r"[ \u2019']", "", figure)
    if "," in digits and "." in digits:
        thousands = "," if digits.rindex(".") > digits.rindex(",") else "."
        digits = digits.replace(thousands, "")
    elif digits.count(".") > 1 or re.fullmatch(r"-?\d{1,3}(?:,\d{3})+", digits):
        digits = digits.replace(".", "").replace(",", "")
    return float(digits.replace(",", "."))


def numbers_in(text: str) -> Iterator[float]:
    """The numbers of a text; those of its dates are none."""
    for found in NUMBER.finditer(DATE.sub(" ", text)):
        yield to_number(found[1])


def money_in(text: str) -> Iterator[float]:
    """The amounts of money in a text."""
    for found in MONEY.finditer(text):
        yield to_number(found[1] or found[2])


def currencies_in(text: str) -> Iterator[str]:
    """The codes of the currencies in a text."""
    for found in CURRENCY.finditer(text):
        yield CURRENCIES.get(found[0], found[0])


def dates_in(text: str) -> Iterator[str]:
    """The dates of a text as ISO writes them."""
    for found in DATE.finditer(text):
        if day := to_date(found[0]):
            yield day.isoformat()


def to_date(text: str) -> date | None:
    numbers = [int(digits) for digits in re.findall(r"\d+", text)]
    if month := re.search(MONTH, text, re.IGNORECASE):
        day, year = numbers
        numbers = [year, MONTHS.index(month[0][:3].lower()) // 4 + 1, day]
    elif len(str(numbers[0])) < 4:
        # 5/3/2024 is an American's fifth month, 5.3.2024 a European's fifth day.
        american = "/" in text and numbers[0] <= 12
        numbers = numbers[::-1] if not american else [numbers[2], *numbers[:2]]
    try:
        return date(*numbers)
    except ValueError:
        return None


def times_in(text: str) -> Iterator[str]:
    """The times of day in a text as ISO writes them, in UTC."""
    for hour, minute, second in TIME.findall(text):
        yield f"{int(hour):02}:{minute}:{second or '00'}Z"


def moments_in(text: str) -> Iterator[str]:
    """Dates with their times, midnight where none stands by."""
    for found in DATE.finditer(text):
        if day := to_date(found[0]):
            beside = text[found.end() : found.end() + 12]
            yield f"{day}T{next(times_in(beside), '00:00:00Z')}"


def truth_of(text: str) -> bool | None:
    """Whether the text says yes or no, if it says either."""
    if YES.match(text):
        return True
    return False if NO.match(text) else None

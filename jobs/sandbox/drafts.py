"""A reply to someone who wrote: to their name, their order and their own words."""

from __future__ import annotations

import re

from .claims import pick_claims
from .items import Item, message, reasoning
from .prompts import Prompt, first, objects_in, section
from .words import sentences, squeeze

LETTER_KEYS = ("message", "customer message", "email", "complaint", "ticket", "letter")
BODY_KEYS = ("message", "customer_message", "body", "email", "complaint", "text")
NAME_KEYS = ("customer_name", "customer", "name", "from", "sender")
NAME_LINE = re.compile(
    r"^\W*(?:customer(?: name)?|from|name|sender)\W*:\W*([^\W\d_][^\n<@,]{1,50})",
    re.IGNORECASE | re.MULTILINE,
)
SIGNED = re.compile(
    r"(?:regards|wishes|sincerely|thanks|thank you|cheers|best|yours)[,.!]?\s*\n+\s*"
    r"([^\W\d_][\w .'\u2019-]{1,40}?)\s*(?:\n|$)",
    re.IGNORECASE,
)
CALLED = re.compile(r"\b(?:my name is|i am|i'm)\s+((?:[A-Z][\w'\u2019-]+ ?){1,3})")
REFERENCE = re.compile(
    r"\b(order|invoice|ticket|booking|case|reference|contract|delivery)"
    r"[ _]*(?:no\.?|number|id|nr\.?)?\W{0,4}#?\s*([A-Z]{0,5}[-/]?\d[\w/-]*)",
    re.IGNORECASE,
)
TROUBLE = re.compile(
    r"\b(?:not|never|no|broken|broke|damaged?|missing|late|delay\w*|wrong|faulty|refund|"
    r"cancel\w*|replace\w*|charged?|twice|still|wait\w*|cannot|stop\w*|fail\w*|unhappy|"
    r"disappoint\w*|error|complain\w*|problem|lost|return|please|need|would like)\b"
    r"|n['\u2019]t\b|\?",
    re.IGNORECASE,
)
GREETING = re.compile(
    r"^(?:dear|hello|hi|good (?:morning|day|evening))\b", re.IGNORECASE
)
MOST_POINTS = 3


def write_draft(prompt: Prompt) -> list[Item]:
    """A courteous reply that takes up what the writer wrote."""
    letter = find_letter(prompt)
    points = find_points(letter)
    thought = f"**Reading the letter**\n\n{len(points)} points need an answer."
    return [reasoning(thought), message(write_reply(prompt, letter, points))]


def write_reply(prompt: Prompt, letter: str, points: list[str]) -> str:
    name = find_name(prompt, letter)
    concern = find_concern(letter) or find_concern(prompt.text)
    about = f" about {concern}" if concern else ""
    quotes = "\n>\n".join(f"> {point}" for point in points)
    known = "".join(
        f"\n\nOn this, *{claim.document.title}* says: “{claim.text}”"
        for claim in pick_claims(prompt)[:2]
    )
    return (
        f"Dear {name or 'customer'},\n\n"
        f"Thank you for writing to us{about}. We have read your message with care and "
        f"are sorry for the trouble. You write:\n\n{quotes}{known}\n\n"
        "We will look into this and come back to you with an answer to "
        f"{'each of these points' if len(points) > 1 else 'this'}. If we have "
        "misunderstood you, please reply to this message.\n\n"
        "Kind regards,\n\nCustomer service"
    )


def find_letter(prompt: Prompt) -> str:
    """What the customer wrote, apart from what we are told to do with it."""
    for one in (one for value in prompt.values for one in objects_in(value)):
        text = first(one, *BODY_KEYS)
        if len(text) > 20 and not first(one, "url", "link"):
            return text
    for key in LETTER_KEYS:
        if found := section(prompt.prose, key):
            return found
    paragraphs = [part for part in prompt.prose.split("\n\n") if part.strip()]
    return "\n\n".join(paragraphs[1:] or paragraphs)


def find_points(letter: str) -> list[str]:
    """The sentences that want an answer, in the writer's order."""
    lines = [line for line in sentences(letter) if not is_frame(line)]
    weights = {line: len(TROUBLE.findall(line)) for line in lines}
    ranked = sorted(weights, key=lambda line: weights[line], reverse=True)
    chosen = [line for line in ranked if weights[line]][:MOST_POINTS] or ranked[:1]
    return [line for line in weights if line in chosen]


def is_frame(line: str) -> bool:
    """Whether a line greets or signs, and says nothing else."""
    return bool(GREETING.match(line) and len(line.split()) < 5) or len(line) < 8


def find_name(prompt: Prompt, letter: str) -> str:
    for one in (one for value in prompt.values for one in objects_in(value)):
        name = first(one, *NAME_KEYS)
        if name and "@" not in name and not first(one, "url"):
            return squeeze(name)
    for pattern, text in (
        (NAME_LINE, prompt.prose),
        (SIGNED, letter),
        (CALLED, letter),
    ):
        if found := pattern.search(text):
            return squeeze(found[1])
    return ""


def find_concern(text: str) -> str:
    """What the letter is about, with its number."""
    found = REFERENCE.search(text)
    return f"{found[1].lower()} **{found[2]}**" if found else ""

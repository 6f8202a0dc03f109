"""A reply to someone who wrote: to their name, their order and their own words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .items import Item, message, reasoning
from .policy import Policy
from .prompts import Prompt, first, objects_in
from .words import sentences, squeeze

NAME_KEYS = ("customer_name", "customer", "name", "from", "sender")
NAME_LINE = re.compile(
    r"^[^\w\n]*(?:customer(?: name)?|from|name|sender)\W*:\W*"
    r"([^\W\d_][^\n<@,]{1,50})",
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
    r"\b(?:broken?|cracked?|damaged?|missing|late(?! husband| wife)|delay\w*|wrong|"
    r"faulty|refund|cancel\w*|replace\w*|charged?|twice|still|wait\w*|cannot|stop\w*|fail\w*|"
    r"unhappy|disappoint\w*|error|complain\w*|problem|lost|return|"
    r"(?:not|never) (?:been )?(?:arrived?|come|delivered|received|stay\w*|work\w*))\b",
    re.IGNORECASE,
)
WISH = re.compile(
    r"\b(?:please|(?:i|we) need|would (?:just )?like|(?:could|can) you|"
    r"(?<!not )want)\b",
    re.IGNORECASE,
)
GREETING = re.compile(
    r"^(?:dear|hello|hi|good (?:morning|day|evening))\b", re.IGNORECASE
)
MOST_POINTS = 4

SORRY = "We have read your message with care and are sorry for the trouble."
NOT_YET = "To this we have no answer yet"
NOR_THIS = "This, too, we still have to find out."
SAID = "What we say above goes for this as well."
CLOSING = "If we have misunderstood you, please reply to this message."


def write_draft(prompt: Prompt) -> list[Item]:
    """A courteous reply that takes up what the writer wrote."""
    letter = prompt.letter or all_but_the_first(prompt.prose)
    points = find_points(letter)
    # Where no policy came with the letter, its sources are what there is to go by.
    policy = Policy(prompt.policy or "\n".join(one.text for one in prompt.documents))
    thought = f"**Reading the letter**\n\n{len(points)} points need an answer."
    text = write_reply(prompt, letter, points, policy)
    return [reasoning(thought), message(text)]


def all_but_the_first(prose: str) -> str:
    """The paragraphs below the one that says what to do."""
    paragraphs = [part for part in prose.split("\n\n") if part.strip()]
    return "\n\n".join(paragraphs[1:] or paragraphs)


def write_reply(prompt: Prompt, letter: str, points: list[str], policy: Policy) -> str:
    concern = find_concern(prompt.text)
    thanks = f"Thank you for writing to us{f' about {concern}' if concern else ''}."
    answered = answer_all(points, policy) if policy.rules else promise(points)
    parts = [
        f"Dear {find_name(prompt, letter) or 'customer'},",
        f"{thanks} {SORRY}",
        *answered,
        CLOSING,
        f"Kind regards,\n\n{policy.signature or 'Customer service'}",
    ]
    return "\n\n".join(parts)


def answer_all(points: list[str], policy: Policy) -> Iterator[str]:
    """Each point as it was written, and below it what the policy says to it."""
    said: list[str] = []
    not_yet = "; ".join(filter(None, [NOT_YET, policy.when_unknown.rstrip(".")])) + "."
    for point in points:
        found = policy.answer(point)
        fresh = [line for line in found if line not in said]
        unknown = NOR_THIS if not_yet in said else not_yet
        said += (answer := fresh or [SAID if found else unknown])
        yield f"> {point}"
        yield " ".join(answer)


def promise(points: list[str]) -> list[str]:
    """The points, and what one can say to them who has nothing to go by."""
    these = "each of these points" if len(points) > 1 else "this"
    return [
        "You write:",
        "\n>\n".join(f"> {point}" for point in points),
        f"We will look into this and come back to you with an answer to {these}.",
    ]


def find_points(letter: str) -> list[str]:
    """The sentences that want an answer, in the writer's order."""
    lines = [line for line in sentences(letter) if not is_frame(line)]
    weights = {line: urgency(line) for line in lines}
    ranked = sorted(weights, key=lambda line: weights[line], reverse=True)
    chosen = [line for line in ranked if weights[line]][:MOST_POINTS] or ranked[:1]
    return [line for line in weights if line in chosen]


def urgency(line: str) -> int:
    """How much a sentence wants an answer: questions most, then wishes."""
    asked = 4 * line.endswith("?") + 3 * bool(WISH.search(line))
    return asked + min(2, len(TROUBLE.findall(line)))


def is_frame(line: str) -> bool:
    """Whether a line greets or signs, and says nothing else."""
    return bool(GREETING.match(line) and len(line.split()) < 5) or len(line) < 8


def find_name(prompt: Prompt, letter: str) -> str:
    for one in (one for value in prompt.values for one in objects_in(value)):
        name = first(one, *NAME_KEYS)
        if name and "@" not in name and not first(one, "url"):
            return squeeze(name)
    places = ((NAME_LINE, prompt.prose), (SIGNED, letter), (CALLED, letter))
    for pattern, text in places:
        if found := pattern.search(text):
            return squeeze(found[1])
    return ""


def find_concern(text: str) -> str:
    """What the letter is about, with its number."""
    found = REFERENCE.search(text)
    return f"{found[1].lower()} **{found[2]}**" if found else ""

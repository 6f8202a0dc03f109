"""The terms of a review: its policy, as it was when the review opened."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from reviews.policy.rules import known_rules

BY_RULE = "rule"
LONGEST_NAME, LONGEST_QUESTION = 80, 300  # characters
RESERVED = (BY_RULE, "flag")  # these begin the names that are not for people to give
MOST_HOURS = 366 * 24
MOST_UNDO_SECONDS = 24 * 60 * 60


@dataclass(frozen=True)
class Terms:
    """Copied to a review, so that later changes of the policy do not reach it."""

    hours: int = 24
    remind_hours: int | None = None
    group: str = ""
    four_eyes: bool = False
    approvals: int = 1
    edit_needs_second: bool = False
    checks_citations: bool = False
    checks: list[dict[str, str]] = field(default_factory=list)
    allows_bulk: bool = False
    max_rounds: int = 3
    undo_seconds: int = 10
    escalate_hours: int | None = None
    escalate_to: str = ""

    @property
    def undo_window(self) -> timedelta:
        """How long an approval can be taken back before anything leaves."""
        return timedelta(seconds=min(self.undo_seconds, MOST_UNDO_SECONDS))


def long_as(hours: int) -> timedelta:
    """Of a policy from before there was a most, too: any other date is out of reach."""
    return timedelta(hours=min(hours, MOST_HOURS))


def read_checks(text: str) -> list[dict[str, str]]:
    """What is to be confirmed, from lines "name: question" and "rule: name".

    ValueError with all that is wrong, line by line.
    """
    checks: list[dict[str, str]] = []
    wrong: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        name, colon, rest = (part.strip() for part in line.partition(":"))
        check = {BY_RULE: rest} if name == BY_RULE else {"name": name, "question": rest}
        if why := _why_not(name, colon, rest) or _why_twice(check, checks):
            wrong.append(f"Line {number}: {why}")
        checks.append(check)
    if wrong:
        raise ValueError(wrong)
    return checks


def write_checks(checks: Iterable[dict[str, str]]) -> str:
    """The lines that read_checks() makes these of."""
    return "\n".join(
        f"{BY_RULE}: {check[BY_RULE]}"
        if BY_RULE in check
        else f"{check['name']}: {check['question']}"
        for check in checks
    )


def _why_not(name: str, colon: str, rest: str) -> str:
    if not (name and colon and rest):
        return 'write "name: question" or "rule: name of a rule".'
    if name == BY_RULE:
        rules = known_rules()
        said = f"no rule is called “{rest}”; there are {', '.join(rules)}."
        return "" if rest in rules else said
    if name.lower().split()[0] in RESERVED:
        return f"“{name}” is taken; choose another name."
    if len(name) > LONGEST_NAME or len(rest) > LONGEST_QUESTION:
        return (
            f"a name has at most {LONGEST_NAME} characters, a question "
            f"{LONGEST_QUESTION}."
        )
    return ""


def _why_twice(check: dict[str, str], before: list[dict[str, str]]) -> str:
    name = check.get("name") or check[BY_RULE]
    taken = [other.get("name") or other[BY_RULE] for other in before]
    return f"“{name}” stands there twice." if name in taken else ""

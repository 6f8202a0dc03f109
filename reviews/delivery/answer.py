"""What a receiver said of one try."""

from dataclasses import dataclass

from reviews.delivery.failures import RULES, FailureClass, Outcome


@dataclass(frozen=True)
class Answer:
    """Without a `failure` it arrived. `left`: whether content may have got out.

    `said`: the first kilobytes of the answer; `retry_after`: seconds, where it asked.
    """

    why: str
    failure: FailureClass | None = None
    http_status: int | None = None
    said: str = ""
    retry_after: float | None = None
    left: bool = True

    def __post_init__(self) -> None:
        # A mail server may say anything, and no database takes NUL.
        object.__setattr__(self, "why", self.why.replace("\0", "\ufffd"))

    @property
    def outcome(self) -> Outcome:
        return RULES[self.failure].follow if self.failure else Outcome.DELIVERED

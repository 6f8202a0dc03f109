"""How many have approved what there is now, and who."""

from dataclasses import dataclass

from reviews.models import Decision, Review
from reviews.services.seen import Seen, what_is_seen


@dataclass(frozen=True)
class Tally:
    """The approvals that count, in their order, and how many it takes."""

    given: list[Decision]
    needed: int

    @property
    def missing(self) -> int:
        return self.needed - len(self.given)

    @property
    def sentence(self) -> str:
        """As in "1 of 2 approvals, by ann"; empty where one approval is all."""
        if self.needed == 1:
            return ""
        noun = f"{len(self.given)} of {self.needed} approvals"
        names = " and ".join(str(decision.by) for decision in self.given)
        return f"{noun}, by {names}" if names else noun


def tally_of(review: Review, shown: Seen | None = None) -> Tally:
    """Those of distinct people on this content and the requests that leave now.

    An edit voids the earlier ones, and so does a destination that has changed.
    """
    shown = shown or what_is_seen(review)
    on_it = review.decisions.on_the_result()
    given = on_it.approving(review.result.content_hash, shown.drafts_hash)
    rows = given.select_related("by").order_by("pk")
    return Tally(list(rows), review.terms.approvals)

"""How many have approved what there is now, and who."""

from dataclasses import dataclass
from functools import cache

from reviews.models import Decision, Review
from reviews.models.review import ReviewQuerySet
from reviews.services.requests import draft_to, receivers_of
from reviews.services.seen import Seen, drafts_hash_of, what_is_seen


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


def partly_approved(rows: ReviewQuerySet) -> ReviewQuerySet:
    """The open ones with approvals that count, which wait for others.

    Of all at once, as tally_of() would tell of each: the queue asks often.
    """
    some = Review.objects.filter(pk__in=rows.open().approved_by_some().values("pk"))
    on_them = Decision.objects.on_the_result().filter(review__in=some)
    said = on_them.filter(verdict=Decision.Verdict.APPROVE)
    given = set(said.values_list("review", "content_hash", "drafts_hash"))
    if not given:
        return rows.none()
    receivers = cache(receivers_of)

    def counts(review: Review) -> bool:
        result = review.result
        versions = receivers(result.job.version.job_type_id)
        shown = drafts_hash_of(draft_to(version, result) for version in versions)
        return (review.pk, result.content_hash, shown) in given

    whole = some.select_related("result__job__version__job_type")
    return rows.filter(pk__in=[review.pk for review in whole if counts(review)])

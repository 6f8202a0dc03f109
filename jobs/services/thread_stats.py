"""What happened in a thread, in numbers."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Count, Max, Sum
from django.utils import timezone

from jobs.models import Attempt, EvidenceTrace, Thread
from jobs.provider.base import LEAVES_ITEMS
from jobs.services.costs import total_cost, with_costs


@dataclass(frozen=True)
class ThreadStats:
    """`messages`: asked and answered, without what was taken out again.

    `cost`: of the tokens whose models have prices, in dollars; None where none has.
    """

    messages: int
    jobs: int
    jobs_by_status: dict[str, int]
    attempts: int
    conversations: int
    items_copied: int
    input_tokens: int
    output_tokens: int
    total_tokens: int
    last_run_at: datetime | None
    age: timedelta
    cost: Decimal | None


def stats_of(thread: Thread) -> ThreadStats:
    """As of now."""
    attempts = Attempt.objects.filter(job__thread=thread)
    sums = attempts.aggregate(
        n=Count("pk"),
        into=Sum("input_tokens"),
        out=Sum("output_tokens"),
        both=Sum("total_tokens"),
        last=Max("created_at"),
    )
    conversations = thread.conversations.exclude(conversation_id=None)
    by_status = thread.jobs.order_by().values_list("status").annotate(Count("pk"))
    jobs = dict(by_status)
    return ThreadStats(
        messages=_messages(thread),
        jobs=sum(jobs.values()),
        jobs_by_status=jobs,
        attempts=sums["n"],
        conversations=conversations.count(),
        items_copied=conversations.aggregate(n=Sum("items_copied"))["n"] or 0,
        input_tokens=sums["into"] or 0,
        output_tokens=sums["out"] or 0,
        total_tokens=sums["both"] or 0,
        last_run_at=sums["last"],
        age=timezone.now() - thread.created_at,
        cost=total_cost(with_costs(attempts.select_related("job__version"))),
    )


def _messages(thread: Thread) -> int:
    left = Attempt.objects.filter(
        conversation__thread=thread, taken_out_at=None, provider_status__in=LEAVES_ITEMS
    )
    asked = left.exclude(reason=Attempt.Reason.TOOL_OUTPUTS).count()
    kind = EvidenceTrace.Kind.MESSAGE
    return asked + EvidenceTrace.objects.filter(attempt__in=left, kind=kind).count()

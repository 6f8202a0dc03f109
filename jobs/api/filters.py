"""What lists can be narrowed to."""

from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django_filters import rest_framework as filters

from jobs.models import Job
from jobs.policy.failures import FailureClass


def require_a_time_of_utc(moment: datetime) -> None:
    """A moment in year 0 of UTC can be written, and no database be asked for it."""
    try:
        moment.astimezone(UTC)
    except OverflowError as wrong:
        raise ValidationError("Enter a valid date/time.") from wrong


class Moment(filters.IsoDateTimeFilter):
    """A time with its zone, at the edge of a span that it belongs to."""

    def __init__(self, field_name: str, lookup_expr: str) -> None:
        super().__init__(field_name, lookup_expr, validators=[require_a_time_of_utc])

    def filter(self, qs: Any, value: datetime | None) -> Any:
        """In UTC: no database knows of 16 hours west of it."""
        return super().filter(qs, value.astimezone(UTC) if value else value)


def since(field_name: str) -> Moment:
    return Moment(field_name, "gte")


def until(field_name: str) -> Moment:
    return Moment(field_name, "lte")


class JobFilter(filters.FilterSet):
    """By what stands on the job; `text`: what its title or failure contains."""

    status = filters.MultipleChoiceFilter(choices=Job.Status.choices)
    type = filters.CharFilter(field_name="version__job_type__name")
    requester = filters.CharFilter(field_name="requester__username")
    thread = filters.CharFilter(field_name="thread__key")
    failure_class = filters.MultipleChoiceFilter(
        choices=[(each, each) for each in FailureClass]
    )
    text = filters.CharFilter(method="with_text", max_length=200, strip=False)
    created_after = since("created_at")
    created_before = until("created_at")
    finished_after = since("finished_at")
    finished_before = until("finished_at")

    class Meta:
        model = Job
        fields: tuple[str, ...] = ()

    def with_text(self, jobs: QuerySet[Job], name: str, value: str) -> QuerySet[Job]:
        found = Q(title__icontains=value) | Q(failure_message__icontains=value)
        return jobs.filter(found)

"""The review queue; a row opens the review page."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from jobs.kit import looks
from jobs.kit.readonly import ReadOnlyAdmin
from reviews import views
from reviews.admin import job_verbs, work
from reviews.models import Review

NAME = "reviews_review"


class StateFilter(admin.SimpleListFilter):
    """Open ones unless asked otherwise: this is a queue first."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("closed", "Closed"), ("all", "All")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield {**first, "display": "Open"}
        yield from others

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Review]
    ) -> QuerySet[Review]:
        if self.value() == "all":
            return queryset
        return queryset.filter(closed_at__isnull=self.value() != "closed")


@admin.register(Review)
class ReviewAdmin(ReadOnlyAdmin):
    """What waits for a decision, oldest due first."""

    list_display = ("job_shown", "flags", "type", "requester", "waiting", "due", "who")
    list_display_links = ("job_shown",)
    list_filter = (StateFilter, "job__version__job_type")
    list_select_related = (
        "job__version__job_type",
        "job__requester",
        "result",
        "claimed_by",
    )
    search_fields = ("job__title",)
    search_help_text = "Title of the job"
    ordering = ("due_at", "pk")
    sortable_by = ()
    actions = None
    list_title = "Review queue"
    list_note = "Oldest due first. Nothing leaves before a person approved it."
    empty_title = "All caught up"
    empty_note = "No job waits for a decision. New ones appear here by themselves."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Review]:
        rows = views.visible_reviews(request)
        return rows.defer("result__body", "result__html", "job__input", "policy")

    def has_view_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return views.may_look(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return views.may_look(request)

    # ---- the list ------------------------------------------------------------------
    @admin.display(description="Job")
    def job_shown(self, review: Review) -> str:
        return str(review.job)

    @admin.display(description="Flags")
    def flags(self, review: Review) -> SafeString:
        if not review.result.flags:
            return looks.NONE
        rows = ((looks.flag(name),) for name in review.result.flags)
        return format_html_join(" ", "{}", rows)

    @admin.display(description="Type")
    def type(self, review: Review) -> str:
        return str(review.job.version.job_type)

    @admin.display(description="Asked by")
    def requester(self, review: Review) -> str:
        return str(review.job.requester)

    @admin.display(description="Opened")
    def waiting(self, review: Review) -> SafeString:
        return looks.moment(review.opened_at)

    @admin.display(description="Due")
    def due(self, review: Review) -> SafeString:
        if review.closed_at:
            return looks.badge(review.job.status)
        return looks.moment(review.due_at, due=True)

    @admin.display(description="Claimed by")
    def who(self, review: Review) -> Any:
        return review.claimed_by or looks.NONE

    # ---- the review page -----------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/decide/", wrap(self.decide), name="reviews_review_decide"),
            *(
                path(
                    f"<int:pk>/{verb.__name__}/",
                    wrap(verb),
                    name=f"{NAME}_{verb.__name__}",
                )
                for verb in (work.claim, work.release, work.renew)
            ),
            path(
                "<int:pk>/check/<int:check_pk>/", wrap(work.check), name=f"{NAME}_check"
            ),
            path(
                "<int:pk>/verdict/<int:citation_pk>/",
                wrap(work.verdict),
                name=f"{NAME}_verdict",
            ),
            path(
                "job/<int:pk>/<slug:verb>/",
                wrap(job_verbs.act),
                name="reviews_review_job",
            ),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        return views.show_review(self.admin_site, request, object_id)

    def decide(self, request: HttpRequest, pk: int) -> HttpResponse:
        return views.decide(self.admin_site, request, str(pk))

"""The review queue; a row opens the review page."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from jobs.kit import looks
from jobs.kit.readonly import ReadOnlyAdmin
from reviews import views
from reviews.admin import bulk, edit_page, job_verbs, queue, work
from reviews.models import Review
from reviews.services.claim import RIGHT as CLAIM

NAME = "reviews_review"
COLUMNS = ("job_shown", "flags", "type", "requester", "waiting", "due", "who")


@admin.register(Review)
class ReviewAdmin(ReadOnlyAdmin):
    """What waits for a decision, oldest due first."""

    list_display = COLUMNS
    list_display_links = ("job_shown",)
    list_filter = (
        queue.TabFilter,
        queue.StateFilter,
        "job__version__job_type",
        queue.FlagFilter,
        queue.AgeFilter,
        queue.RequesterFilter,
    )
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
    actions = ("approve_selected",)
    list_title = "Review queue"
    list_note = "Oldest due first. Nothing leaves before a person approved it."
    empty_title = "All caught up"
    empty_note = "No job waits for a decision. New ones appear here by themselves."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Review]:
        rows = views.visible_reviews(request)
        return rows.defer("result__body", "result__html", "job__input", "policy")

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        may_claim = request.user.has_perm(CLAIM) and request.user.has_perm(views.DECIDE)
        return (*COLUMNS[:-1], "who_or_claim") if may_claim else COLUMNS

    def has_view_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return views.may_look(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return views.may_look(request)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(views.DECIDE)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        shown = {"tabs": queue.tabs(views.visible_reviews(request), request)}
        return super().changelist_view(request, shown | (extra_context or {}))

    @admin.action(description="Approve…", permissions=["decide"])
    def approve_selected(
        self, request: HttpRequest, rows: QuerySet[Review]
    ) -> HttpResponse:
        return bulk.confirm(self.admin_site, request, rows.defer(None))

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

    @admin.display(description="In the hands of")
    def who(self, review: Review) -> Any:
        return review.holder(timezone.now()) or looks.NONE

    @admin.display(description="In the hands of")
    def who_or_claim(self, review: Review) -> Any:
        """Or a button that claims it; the form of the list is the form around it."""
        holder = review.holder(timezone.now())
        if holder or review.closed_at:
            return holder or looks.NONE
        return format_html(
            '<button class="button small" formaction="{}" name="to" value="queue"'
            ' data-claim aria-label="Claim {}">Claim</button>',
            reverse("admin:reviews_review_claim", args=[review.pk]),
            review.job,
        )

    # ---- the review page -----------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/decide/", wrap(self.decide), name="reviews_review_decide"),
            path("<int:pk>/edit/", wrap(self.edit), name="reviews_review_edit"),
            path(
                "<int:pk>/changes/<int:change_pk>/",
                wrap(work.change_judged),
                name="reviews_review_change_judged",
            ),
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
            *(
                path(
                    f"<int:pk>/{verb.__name__}/<int:citation_pk>/",
                    wrap(verb),
                    name=f"{NAME}_{verb.__name__}",
                )
                for verb in (work.verdict, work.opened)
            ),
            path("bulk/", wrap(bulk.decide), name=f"{NAME}_bulk"),
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

    def edit(self, request: HttpRequest, pk: int) -> HttpResponse:
        return edit_page.edit(self.admin_site, request, str(pk))

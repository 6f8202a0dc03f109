"""API tokens: whose they are and when they were last used; they can be revoked."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from jobs.admin.make_token import make
from jobs.kit import looks
from jobs.kit.readonly import ReadOnlyAdmin
from jobs.models import ApiToken
from jobs.services.tokens import RIGHT


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """Made here or by manage.py createtoken, shown once; revoked here."""

    list_display = ("shown_name", "user", "made", "used", "expires")
    list_select_related = ("user",)
    search_fields = ("name", "user__username")
    fields = ("name", "user", "created", "last_used_at", "expiry")
    sortable_by = ()
    actions = ("revoke_selected",)
    list_title = "API tokens"
    list_note = "Programs show one instead of a password; only its hash is kept."
    add_label = "Make a token"
    empty_title = "No tokens"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(RIGHT)

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return make(self, request)

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return request.user.has_perm("jobs.delete_apitoken")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    @admin.action(description="Revoke selected tokens", permissions=["delete"])
    def revoke_selected(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        self.log_deletions(request, tokens)
        count = tokens.count()
        tokens.delete()
        noun = "token was" if count == 1 else "tokens were"
        self.message_user(request, f"{count} {noun} revoked.")

    @admin.display(description="Name")
    def shown_name(self, token: ApiToken) -> str:
        return token.name or token.token_key

    @admin.display(description="Made")
    def made(self, token: ApiToken) -> SafeString:
        return looks.moment(token.created)

    @admin.display(description="Last used")
    def used(self, token: ApiToken) -> SafeString:
        return looks.moment(token.last_used_at)

    @admin.display(description="Expires")
    def expires(self, token: ApiToken) -> SafeString:
        return looks.moment(token.expiry, due=True)

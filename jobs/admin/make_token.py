"""Making an API token: for oneself or a service account, shown this once."""

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from jobs.kit.rights import is_service_account
from jobs.services.tokens import LONGEST, RIGHT, make_token, why_not_for

NAMED = 5  # accounts that are not offered


class TokenForm(forms.Form):
    """Whose, what for, and for how long."""

    owner = forms.ModelChoiceField(
        queryset=User.objects.none(),
        help_text="Yourself, or a service account: a user who is not staff, or has no "
        "password. It sees and does what its groups let it.",
    )
    name = forms.CharField(max_length=100, help_text="What it is for, or where it is.")
    days = forms.IntegerField(
        min_value=1,
        max_value=LONGEST,
        initial=365,
        label="Days",
        help_text="After that it is refused; make the next one before.",
    )

    def __init__(self, by: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        active = User.objects.filter(is_active=True).order_by("username")
        why_not = {user: why_not_for(by, user) for user in active}
        able = [user.pk for user, why in why_not.items() if not why]
        missed = [
            why for user, why in why_not.items() if why and is_service_account(user)
        ]
        field = cast(forms.ModelChoiceField[User], self.fields["owner"])
        field.queryset = active.filter(pk__in=able)
        if missed:
            field.help_text += f" Not offered: {' '.join(missed[:NAMED])}"


def make(desk: ModelAdmin[Any], request: HttpRequest) -> HttpResponse:
    """The form; and then, instead of an answer that leads elsewhere, the token."""
    if not request.user.has_perm(RIGHT):
        raise PermissionDenied
    by = cast(User, request.user)
    form = TokenForm(by, request.POST or None)
    context: dict[str, Any] = {"title": "Make an API token", "form": form}
    if request.method == "POST" and form.is_valid():
        token, secret = make_token(by=by, **form.cleaned_data)
        desk.log_addition(request, token, [{"added": {}}])
        context |= {"token": token, "secret": secret}
    context = {**admin.site.each_context(request), **context}
    status = 422 if form.errors else 200
    page = "admin/jobs/apitoken/make.html"
    return TemplateResponse(request, page, context, status=status)

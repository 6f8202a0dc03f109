"""Tokens: made for whoever needs one, told once, and no way to more rights."""

from datetime import timedelta

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction

from jobs.kit.rights import is_service_account, name_of, require
from jobs.models import ApiToken

LONGEST = 3_650  # days
RIGHT = "jobs.add_apitoken"
NAMED = 3  # rights that are missing


@transaction.atomic
def make_token(*, by: User, owner: User, name: str, days: int) -> tuple[ApiToken, str]:
    """A token of `owner`, and what it is: the one time that anybody can tell.

    Raises PermissionDenied for whom `why_not_for` says something about.
    """
    require(by, RIGHT)
    if why := why_not_for(by, owner):
        raise PermissionDenied(why)
    token, secret = ApiToken.objects.create(
        user=owner, name=name, expiry=timedelta(days=days)
    )
    return token, secret


def why_not_for(by: User, owner: User) -> str:
    """Why the one makes no token of the other: it would speak in that one's name."""
    if by == owner:
        return ""
    if not is_service_account(owner):
        return f"{name_of(owner)} is a person: people make their own tokens."
    if more := owner.get_all_permissions() - by.get_all_permissions():
        some = ", ".join(sorted(more)[:NAMED]) + (" …" if len(more) > NAMED else "")
        return f"{name_of(owner)} may do what {name_of(by)} may not ({some})."
    return ""

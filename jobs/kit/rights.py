"""Rights, asked where the work is done, so that no edge can forget them."""

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.core.exceptions import PermissionDenied

Person = User | AnonymousUser | AbstractBaseUser

SYSTEM = "system"


def require(person: Person, permission: str) -> None:
    """Raise PermissionDenied, naming the right that is missing."""
    if not getattr(person, "has_perm", lambda _: False)(permission):
        raise PermissionDenied(f"{name_of(person)} lacks the right {permission}.")


def name_of(person: Person | None) -> str:
    """Who stands in the history; without a person it was the system itself."""
    return person.get_username() if person else SYSTEM

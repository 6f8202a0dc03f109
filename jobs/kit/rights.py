"""Rights, asked where the work is done, so that no edge can forget them."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.core.exceptions import PermissionDenied

Person = User | AnonymousUser | AbstractBaseUser

SYSTEM = "system"


def require(person: Person, permission: str) -> None:
    """Raise PermissionDenied, naming the right that is missing."""
    if not getattr(person, "has_perm", lambda _: False)(permission):
        raise PermissionDenied(f"{name_of(person)} lacks the right {permission}.")


def is_service_account(person: Any) -> bool:
    """A program's user: it cannot log in where people work, whatever rights it has."""
    return not (person.is_staff and person.has_usable_password())


def name_of(person: Person | None) -> str:
    """Who stands in the history; without a person it was the system itself."""
    return person.get_username() if person else SYSTEM

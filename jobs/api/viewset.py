"""What all views of the API have in common."""

from typing import Any, TypeVar, cast

from django.contrib.auth.models import User
from django.db.models import Model
from rest_framework import viewsets
from rest_framework.request import Request

from jobs.api.once import HEADER, once
from jobs.kit.strict_json import StrictJSONParser

M = TypeVar("M", bound=Model)


class ApiViewSet(viewsets.GenericViewSet[M]):
    """Strict JSON in; a POST with an Idempotency-Key is obeyed once.

    `about`: the field of an answer that names the job whose content it may have.
    """

    parser_classes = (StrictJSONParser,)
    about: str | None = None

    @property
    def person(self) -> User:
        return cast(User, self.request.user)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """After this, DRF looks its handler up."""
        super().initial(request, *args, **kwargs)
        handler = getattr(self, "post", None)
        if request.method == "POST" and handler and HEADER in request.headers:
            setattr(self, "post", once(handler, request, self.about))  # noqa: B010

"""What all views of the API have in common."""

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from django.contrib.auth.models import User
from django.db.models import Model
from rest_framework import viewsets
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api.once import HEADER, once
from jobs.api.parsers import StrictJSONParser
from jobs.api.throttle import PerToken

UNKNOWN = "This parameter is not known."
M = TypeVar("M", bound=Model)


class ApiViewSet(viewsets.GenericViewSet[M]):
    """Strict JSON in; a POST with an Idempotency-Key is obeyed once.

    `about`: whose content an answer may have, "job" or "thread", and its field that
    names it.
    `parameters`: by action, what may stand in the query beside a list's own.
    """

    parser_classes = (StrictJSONParser,)
    about: Mapping[str, str] = {}
    parameters: Mapping[str, frozenset[str]] = {}

    @property
    def person(self) -> User:
        return cast(User, self.request.user)

    def get_throttles(self) -> Any:
        self.throttle = PerToken()
        return [self.throttle]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """After this, DRF looks its handler up."""
        super().initial(request, *args, **kwargs)
        if not request.META.get("CONTENT_LENGTH"):
            # DRF takes what has no length for empty; but what comes in chunks has none.
            request.META["CONTENT_LENGTH"] = str(len(request.body))
        self._refuse_unknown_parameters(request)
        handler = getattr(self, "post", None)
        if request.method == "POST" and handler and HEADER in request.headers:
            setattr(self, "post", once(handler, request, self.about))  # noqa: B010

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        if throttle := getattr(self, "throttle", None):
            for name, value in throttle.headers.items():
                response[name] = value
        return response

    def _refuse_unknown_parameters(self, request: Request) -> None:
        """A misspelt or empty filter must not pass in silence, and show too much."""
        known = set(self.parameters.get(self.action or "", ()))
        if self.action == "list":
            known |= self._parameters_of_lists()
        wrong = {
            name: ["Give it a value, or leave it out." if name in known else UNKNOWN]
            for name, values in request.query_params.lists()
            if name not in known or "" in values
        }
        if wrong:
            raise ValidationError(wrong)

    def _parameters_of_lists(self) -> set[str]:
        filters = getattr(self, "filterset_class", None)
        names = set(filters.base_filters) if filters else set()
        return names | ({"cursor", "page_size"} if self.paginator else set())

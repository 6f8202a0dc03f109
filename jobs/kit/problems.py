"""Errors in one shape: RFC 9457 problem details, and what went wrong by field."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.views import exception_handler

from jobs.lifecycle import MoveRefused

log = structlog.get_logger(__name__)
MEDIA_TYPE = "application/problem+json"
UNKNOWN_CALLER = "No token was given. Send the header Authorization: Token YOUR-TOKEN."
SLASH = " Addresses of the API end in a slash."
BROKEN = "Something broke on our side; it was logged."


class Gone(exceptions.APIException):
    """It was there, and was deleted for good."""

    status_code = HTTPStatus.GONE
    default_code = "gone"


class Conflict(exceptions.APIException):
    """It does not fit what was before; with `wait`: for so many seconds."""

    status_code = HTTPStatus.CONFLICT
    default_code = "conflict"

    def __init__(self, detail: str, wait: int | None = None) -> None:
        super().__init__(detail)
        self.wait = wait


def problem_response(error: Exception, context: dict[str, Any]) -> JsonResponse:
    """DRF's exception handler: whatever is raised in a view leaves as a problem."""
    if isinstance(error, MoveRefused):
        return _response(problem(409, str(error)))
    if isinstance(error, PermissionDenied):
        return _response(problem(403, str(error) or "You lack the right to do this."))
    if isinstance(error, Http404):
        return _response(problem(404, "There is no such thing, or not for you."))
    if isinstance(error, RequestDataTooBig):
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        return _response(problem(413, f"A request may have at most {most:,} bytes."))
    if isinstance(error, exceptions.NotAuthenticated):
        error.detail = exceptions.ErrorDetail(UNKNOWN_CALLER, error.default_code)
    known = exception_handler(error, context)
    if known is None:
        log.exception("a view failed", view=str(context.get("view")))
        return _response(problem(500, BROKEN))
    if isinstance(error, exceptions.ValidationError):
        said = problem(known.status_code, "The request is not valid: see errors.")
        said["errors"] = by_field(error.detail)
        return _response(said, known)
    return _response(problem(known.status_code, str(_detail(error))), known)


def problem(code: int, detail: str) -> dict[str, Any]:
    title = HTTPStatus(code).phrase
    return {"type": "about:blank", "title": title, "status": code, "detail": detail}


def problem_answer(code: int, detail: str) -> JsonResponse:
    """For views outside DRF."""
    return _response(problem(code, detail))


def by_field(detail: Any, path: str = "") -> dict[str, list[str]]:
    """DRF's nested errors as one flat dict, fields in dots."""
    if isinstance(detail, dict):
        found: dict[str, list[str]] = {}
        for name, inner in detail.items():
            found |= by_field(inner, f"{path}.{name}" if path else str(name))
        return found
    messages = detail if isinstance(detail, list) else [detail]
    return {path or "request": [str(message) for message in messages]}


@csrf_exempt  # or a POST that forgot its last slash would get Django's page instead
def not_found(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    """For addresses under /api/ that lead nowhere."""
    hint = "" if request.path.endswith("/") else SLASH
    return _response(problem(404, f"There is nothing at {request.path}.{hint}"))


def problem_or(code: int, page: Callable[..., HttpResponseBase]) -> Any:
    """What breaks before any view is reached: a problem under /api/, else a page."""

    @csrf_exempt
    def answer(
        request: HttpRequest, exception: Exception | None = None
    ) -> HttpResponseBase:
        if request.path_info.startswith("/api/"):
            return _response(problem(code, HTTPStatus(code).description))
        return page(request, *([exception] if exception else []))

    return answer


def _detail(error: Exception) -> Any:
    return getattr(error, "detail", error)


def _response(
    said: dict[str, Any], known: HttpResponseBase | None = None
) -> JsonResponse:
    """JSON whatever the view renders, and ASCII: half a surrogate pair is escaped."""
    headers = {k: v for k, v in known.items() if k in KEPT} if known else {}
    return JsonResponse(
        said, status=said["status"], headers=headers, content_type=MEDIA_TYPE
    )


KEPT = {"WWW-Authenticate", "Retry-After", "Allow"}

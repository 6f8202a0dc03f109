"""What the sandbox says no with: the API's own error bodies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class Refused(Exception):
    """A request that is answered with an error body."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"message": message, "type": kind, "param": param, "code": code}

    def body(self) -> dict[str, Any]:
        """The body as it goes over the wire."""
        return {"error": self.error}


def unknown_parameter(param: str) -> Refused:
    """A field that the API does not have."""
    message = f"Unknown parameter: '{param}'."
    return Refused(message, param=param, code="unknown_parameter")


def missing(param: str) -> Refused:
    """A field without which nothing goes."""
    message = f"Missing required parameter: '{param}'."
    return Refused(message, param=param, code="missing_required_parameter")


def wrong_type(param: str, expected: str, got: Any) -> Refused:
    """A field with a value of the wrong JSON type."""
    message = (
        f"Invalid type for '{param}': expected {expected.replace('|', ' or ')}, "
        f"but got {json_type(got)} instead."
    )
    return Refused(message, param=param, code="invalid_type")


def wrong_value(param: str, value: Any, supported: Iterable[str]) -> Refused:
    """A value outside the list of those there are."""
    known = ", ".join(f"'{one}'" for one in supported)
    message = f"Invalid value: '{value}'. Supported values are: {known}."
    return Refused(message, param=param, code="invalid_value")


def too_long(param: str, most: int, length: int) -> Refused:
    """A string past its limit."""
    message = (
        f"Invalid '{param}': string too long. Expected a string with maximum length "
        f"{most}, but got a string with length {length} instead."
    )
    return Refused(message, param=param, code="string_above_max_length")


def not_found(response_id: str) -> Refused:
    """A response that never was, was not stored, or is deleted."""
    return Refused(f"Response with id '{response_id}' not found.", status=404)


def json_type(value: Any) -> str:
    """The JSON word for the type of a value."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    names = {int: "integer", float: "decimal", str: "string", list: "array"}
    return names.get(type(value), "object")

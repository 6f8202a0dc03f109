"""Lists by cursor: right while rows arrive, and as fast on page 1,000 as on page 1."""

import re
from datetime import UTC, datetime
from typing import Any

from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

WHOLE = re.compile("[0-9]{1,9}")


class NewestFirst(CursorPagination):
    """50 rows a page, up to 200 when asked for."""

    ordering = ("-created_at", "-id")
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200

    def get_page_size(self, request: Request) -> int:
        """DRF would take 50 for whatever is no number."""
        asked = request.query_params.get(self.page_size_query_param)
        if asked is None:
            return self.page_size
        size = int(asked) if WHOLE.fullmatch(asked) else 0
        if not 1 <= size <= self.max_page_size:
            said = f"Give a whole number from 1 to {self.max_page_size}."
            raise ValidationError({self.page_size_query_param: [said]})
        return size

    def decode_cursor(self, request: Request) -> Any:
        """Refuse here what would only fail in the query: a position that is no time."""
        cursor: Any = super().decode_cursor(request)
        if cursor is None or cursor.position is None:
            return cursor
        moment = _moment(str(cursor.position))
        if moment is None:
            raise NotFound(self.invalid_cursor_message)
        return cursor._replace(position=moment.isoformat())

    def get_schema_operation_parameters(self, view: Any) -> Any:
        """DRF's says of a size that it is a number, not which."""
        found = super().get_schema_operation_parameters(view)
        for parameter in found:
            if parameter["name"] == self.page_size_query_param:
                parameter["schema"] |= {"minimum": 1, "maximum": self.max_page_size}
        return found

    def get_paginated_response_schema(self, schema: Any) -> Any:
        """DRF's says `nullable`, which OpenAPI 3.1 does not know."""
        shape = super().get_paginated_response_schema(schema)
        for name in ("next", "previous"):
            shape["properties"][name] = {"type": ["string", "null"], "format": "uri"}
        return shape


def _moment(text: str) -> datetime | None:
    """A time with its zone, in UTC; None if it is none, or UTC has no name for it."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None

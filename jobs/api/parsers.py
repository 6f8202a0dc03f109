"""What a request to the API may hold."""

from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from jobs.kit.strict_json import TooDeep, read_json


class StrictJSONParser(JSONParser):
    """UTF-8, each name once in its object, not bottomless; NaN is left to the field."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Any = None,
    ) -> Any:
        try:
            return read_json(stream.read())
        except TooDeep as wrong:
            raise ParseError(str(wrong)) from wrong
        except ValueError as wrong:
            raise ParseError(f"This is not the JSON we take: {wrong}") from wrong

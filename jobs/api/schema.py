"""What the schema's generator cannot know by itself."""

from typing import Any

from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from drf_spectacular.extensions import (
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)


class NotedTokenScheme(KnoxTokenScheme):
    """Our tokens are shown as knox's are."""

    target_class = "jobs.kit.tokens.NotedTokenAuthentication"
    name = "token"


class StrictShape(OpenApiSerializerExtension):
    """What refuses fields it does not know says so."""

    target_class = "jobs.api.fields.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> Any:
        found = auto_schema._map_serializer(
            self.target, direction, bypass_extensions=True
        )
        return found | {"additionalProperties": False}


class MetadataShape(OpenApiSerializerFieldExtension):
    """Up to 16 pairs of text."""

    target_class = "jobs.api.fields.Metadata"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> Any:
        return {
            "type": "object",
            "additionalProperties": {"type": "string", "maxLength": 512},
            "propertyNames": {"maxLength": 64},
            "maxProperties": 16,
        }

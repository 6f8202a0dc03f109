"""Fields that take what they say and nothing like it."""

from decimal import ROUND_HALF_UP
from typing import Any

from rest_framework import serializers


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields it does not know: a misspelt option must not pass in silence."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := set(data) - set(self.fields)):
            raise serializers.ValidationError(
                {name: ["This field is not known."] for name in sorted(unknown)}
            )
        return super().to_internal_value(data)


class Nothing(StrictSerializer):
    """The body of what takes none."""


class Text(serializers.CharField):
    """Text and nothing else: a number is not quietly made into one."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if self.max_length is not None and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)  # before it is trimmed
        return super().to_internal_value(data)


class Whole(serializers.IntegerField):
    """A whole number, neither "60" nor 60.0."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return super().to_internal_value(data)


class Digits(serializers.IntegerField):
    """A whole number of a query: digits and nothing else, neither 1.0 nor +1."""

    def to_internal_value(self, data: Any) -> int:
        if not (isinstance(data, str) and data.isascii() and data.isdecimal()):
            self.fail("invalid")
        return super().to_internal_value(data)


class Dollars(serializers.DecimalField):
    """An amount as text, exact to a millionth; null where it is not known."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            read_only=True,
            allow_null=True,
            max_digits=20,
            decimal_places=6,
            rounding=ROUND_HALF_UP,
            **options,
        )


class YesNo(serializers.BooleanField):
    """true or false; neither "yes" nor 1."""

    def to_internal_value(self, data: Any) -> bool:
        if type(data) is not bool:
            self.fail("invalid", input=data)
        return bool(data)


class Metadata(serializers.DictField):
    """Up to 16 pairs of text, as at the provider."""

    child = Text(max_length=512, allow_blank=True)

    def to_internal_value(self, data: Any) -> Any:
        found = super().to_internal_value(data)
        if len(found) > 16 or any(len(name) > 64 for name in found):
            raise serializers.ValidationError(
                "At most 16 pairs, names of at most 64 characters."
            )
        return found

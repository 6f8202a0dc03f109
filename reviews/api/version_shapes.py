"""How versions of a result look from outside, and what makes another one."""

from typing import Any

from rest_framework import serializers

from jobs.api.fields import StrictSerializer, Text, YesNo
from jobs.api.parts import ResultView
from jobs.models import Result
from reviews.services.decide import LONGEST_COMMENT
from reviews.services.edit import LONGEST
from reviews.versions import changes_as_text


class Edit(StrictSerializer):
    """The whole result as it is to be, in place of what was `seen`.

    `text` for a text, `content` for whatever the type's schema says.
    """

    text = Text(
        required=False, allow_blank=True, trim_whitespace=False, max_length=LONGEST
    )
    content = serializers.JSONField(required=False)
    seen = Text(max_length=64)
    comment = Text(required=False, allow_blank=True, max_length=LONGEST_COMMENT)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("text" in attrs) == ("content" in attrs):
            wrong = "Give one of text and content."
            raise serializers.ValidationError({"content": [wrong]})
        return attrs

    def as_sent(self, errors: dict[str, list[str]]) -> dict[str, list[str]]:
        """What is wrong, by the field that it was sent in."""
        sent_as = "text" if "text" in self.validated_data else "content"
        return {
            name.replace("content", sent_as, 1): said for name, said in errors.items()
        }


class VersionBrief(ResultView):
    """One version, without its content."""

    class Meta(ResultView.Meta):
        fields = tuple(
            name
            for name in ResultView.Meta.fields
            if name not in ("content", "citations")
        )


class VersionView(ResultView):
    """One version; `diff`: unified, from the version `against`, of text or of JSON."""

    against = serializers.SerializerMethodField()
    diff = serializers.SerializerMethodField()

    class Meta(ResultView.Meta):
        fields = (*ResultView.Meta.fields, "against", "diff")

    def get_against(self, result: Result) -> int | None:
        before: Result | None = self.context["before"]
        return before.number if before else None

    def get_diff(self, result: Result) -> str:
        before: Result | None = self.context["before"]
        return changes_as_text(before, result) if before else ""


class Judged(StrictSerializer):
    """Whether the model did what was asked."""

    done = YesNo()

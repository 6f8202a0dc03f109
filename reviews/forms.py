"""The form of a decision."""

from typing import Any

from django import forms

from reviews.models import Decision
from reviews.services.decide import LONGEST_COMMENT

OFFERED = [Decision.Verdict.APPROVE, Decision.Verdict.REJECT]


class DecisionForm(forms.Form):
    """A verdict, a comment, and the digest of what the page showed."""

    verdict = forms.ChoiceField(
        choices=[(verdict.value, verdict.label) for verdict in OFFERED]
    )
    seen = forms.CharField(max_length=64)
    comment = forms.CharField(
        required=False,
        max_length=LONGEST_COMMENT,
        widget=forms.Textarea(
            attrs={"rows": 2, "placeholder": "Kept in the history; needed to reject"}
        ),
    )

    def clean(self) -> dict[str, Any]:
        """A rejection says why."""
        given = super().clean() or {}
        rejects = given.get("verdict") == Decision.Verdict.REJECT
        if rejects and not given.get("comment") and "comment" not in self.errors:
            self.add_error("comment", "Say why, for whoever asked for it.")
        return given

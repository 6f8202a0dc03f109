"""The form of a decision."""

from typing import Any

from django import forms

from reviews.models import Decision
from reviews.services.decide import LONGEST_COMMENT

NEEDED = {
    Decision.Verdict.REJECT: "Say why, for whoever asked for it.",
    Decision.Verdict.REQUEST_CHANGES: "Say what is to be changed, one on each line.",
}


class DecisionForm(forms.Form):
    """A verdict, a comment, and the digest of what the page showed."""

    verdict = forms.ChoiceField(choices=Decision.Verdict.choices)
    seen = forms.CharField(max_length=64)
    comment = forms.CharField(
        required=False,
        max_length=LONGEST_COMMENT,
        widget=forms.Textarea(
            attrs={
                "rows": 2,
                "placeholder": "Needed to reject; for changes, one on each line",
            }
        ),
    )

    def clean(self) -> dict[str, Any]:
        """A rejection says why, and a request for changes which."""
        given = super().clean() or {}
        needed = NEEDED.get(given.get("verdict", ""))
        if needed and not given.get("comment") and "comment" not in self.errors:
            self.add_error("comment", needed)
        return given

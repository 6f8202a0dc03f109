"""Price: what the tokens of a model cost, from a day on."""

from django.core.validators import MinValueValidator
from django.db import models

NOT_NEGATIVE = [MinValueValidator(0)]


class Price(models.Model):
    """In dollars for a million tokens, as the provider lists it."""

    model = models.CharField(max_length=100)
    since = models.DateField(help_text="The first day on which it holds, in UTC.")
    input = models.DecimalField(
        max_digits=10,
        decimal_places=4,
        validators=NOT_NEGATIVE,
        help_text="Dollars for a million input tokens.",
    )
    output = models.DecimalField(
        max_digits=10,
        decimal_places=4,
        validators=NOT_NEGATIVE,
        help_text="Dollars for a million output tokens.",
    )

    class Meta:
        ordering = ["model", "-since"]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "since"], name="one_price_per_model_and_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.model} since {self.since}"

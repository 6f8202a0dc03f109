"""The app of what people decide."""

from django.apps import AppConfig


class ReviewsConfig(AppConfig):
    name = "reviews"
    verbose_name = "Reviews"

    def ready(self) -> None:
        from reviews import doctor, erasure, explain, receivers  # noqa: F401  (register)

        receivers.connect()

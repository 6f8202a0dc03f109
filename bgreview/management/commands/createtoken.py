"""manage.py createtoken USERNAME: prints a token once; only its hash is stored."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.models import ApiToken
from jobs.services.tokens import LONGEST


class Command(BaseCommand):
    help = "Make an API token for a user, and print it once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", default="", help="what it is for")
        parser.add_argument(
            "--days", type=int, default=365, help="how long it is valid (365)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['username']!r}.")
        days, name = options["days"], options["name"]
        if not 1 <= days <= LONGEST:
            raise CommandError(f"--days must be from 1 to {LONGEST:,}.")
        _, token = ApiToken.objects.create(
            user=user, name=name, expiry=timedelta(days=days)
        )
        self.stdout.write(token)

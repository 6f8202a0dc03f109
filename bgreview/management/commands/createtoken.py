"""manage.py createtoken USERNAME: prints a token once; only its hash is stored."""

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.models import ApiToken


class Command(BaseCommand):
    help = "Make an API token for a user, and print it once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", default="", help="what it is for")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['username']!r}.")
        _, token = ApiToken.objects.create(user=user, name=options["name"])
        self.stdout.write(token)

"""manage.py record JOB: its runs at the provider, for the sandbox to play again."""

import json
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.models import Job
from jobs.services.record import NothingRecorded, record_job


class Command(BaseCommand):
    help = (
        "Print how a job's runs went at the provider, as a scenario for the sandbox: "
        "without ids, and with filler in place of what was said. Put it in NAME.json, "
        "start manage.py sandbox --recording NAME.json, and submit a job with "
        "[sandbox:NAME] in its input or instructions."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", type=UUID, help="the public id of the job")
        parser.add_argument(
            "--keep-text",
            action="store_true",
            help="keep what was said, with all the names and secrets in it",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        job = Job.objects.filter(public_id=options["job"]).first()
        if job is None:
            raise CommandError(f"There is no job {options['job']}.")
        try:
            found = record_job(job, keep_text=options["keep_text"])
        except NothingRecorded as nothing:
            raise CommandError(str(nothing)) from nothing
        self.stdout.write(json.dumps(found, indent=1))

"""manage.py verify JOB: is its history unbroken, and does it end where the job is?"""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.models import Job
from jobs.services.verify import broken_links


class Command(BaseCommand):
    help = "Check the chain of a job's events."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", type=UUID, help="the public id of the job")

    def handle(self, *args: Any, **options: Any) -> None:
        job = Job.objects.filter(public_id=options["job"]).first()
        if job is None:
            raise CommandError(f"There is no job {options['job']}.")
        if broken := broken_links(job):
            raise CommandError("\n".join(broken))
        self.stdout.write(f"{job}: {job.events.count()} events, the chain is whole.")

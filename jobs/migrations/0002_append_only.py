"""Events are only ever added, and type versions never change."""

from django.db import migrations

from jobs.kit.append_only import forbid


class Migration(migrations.Migration):
    dependencies = [("jobs", "0001_initial")]
    operations = [
        forbid("jobs_jobevent", verbs=["UPDATE", "DELETE"]),
        forbid("jobs_jobtypeversion", verbs=["UPDATE"]),
    ]

"""Decisions are only ever added, and destination versions never change."""

from django.db import migrations

from jobs.kit.append_only import forbid


class Migration(migrations.Migration):
    dependencies = [("reviews", "0001_initial")]
    operations = [
        forbid("reviews_decision", verbs=["UPDATE", "DELETE"]),
        forbid("reviews_destinationversion", verbs=["UPDATE"]),
    ]

"""The groups that come with the house, and what each may do."""

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission

VIEW_JOBS = [
    "jobs.view_job",
    "jobs.view_jobtype",
    "jobs.view_jobtypeversion",
    "jobs.view_all_jobs",
    "jobs.view_unapproved",
]
VIEW_REVIEWS = ["reviews.view_review", "reviews.view_delivery"]
GROUPS = {
    "Operators": [
        *VIEW_JOBS,
        "jobs.submit_job",
        "jobs.cancel_job",
        "jobs.retry_job",
        "jobs.view_thread",
        "jobs.close_thread",
        "jobs.view_pause",
        "jobs.view_startlimit",
        "jobs.view_price",
        "jobs.view_sweep",
        "jobs.view_webhookreceipt",
        "jobs.view_finding",
        "reviews.view_delivery",
        "reviews.resend_delivery",
    ],
    "Reviewers": [
        *VIEW_JOBS,
        *VIEW_REVIEWS,
        "reviews.claim_review",
        "reviews.decide_review",
        "jobs.answer_toolcall",
    ],
    "Managers": [
        *VIEW_JOBS,
        *VIEW_REVIEWS,
        "jobs.submit_job",  # as programs may, whose tokens they make
        "jobs.cancel_job",
        "jobs.hold_job",
        "jobs.view_thread",
        "jobs.close_thread",
        "jobs.add_jobtype",
        "jobs.change_jobtype",
        "jobs.add_jobtypeversion",
        "jobs.view_pause",
        "jobs.add_pause",
        "jobs.change_pause",
        "jobs.view_startlimit",
        "jobs.view_price",
        "jobs.add_startlimit",
        "jobs.change_startlimit",
        "jobs.delete_startlimit",
        "jobs.add_price",
        "jobs.change_price",
        "jobs.delete_price",
        "jobs.view_sweep",
        "jobs.view_webhookreceipt",
        "jobs.view_finding",
        "jobs.view_apitoken",
        "jobs.add_apitoken",
        "jobs.delete_apitoken",
        "reviews.add_reviewpolicy",
        "reviews.change_reviewpolicy",
        "reviews.view_reviewpolicy",
        "reviews.view_destination",
        "reviews.add_destination",
        "reviews.change_destination",
        "reviews.view_destinationversion",
        "reviews.add_destinationversion",
        "reviews.resend_delivery",
    ],
    "Integrations": ["jobs.submit_job", "jobs.view_job", "jobs.cancel_job"],
    "Auditors": [
        *VIEW_JOBS,
        *VIEW_REVIEWS,
        "jobs.view_thread",
        "jobs.view_pause",
        "jobs.view_startlimit",
        "jobs.view_price",
        "jobs.view_sweep",
        "jobs.view_webhookreceipt",
        "jobs.view_finding",
        "reviews.view_destination",
        "reviews.view_destinationversion",
    ],
}


def make_missing_groups(sender: AppConfig, **kwargs: Any) -> None:
    """After migrate: make the groups that are not there; those that are stay as set."""
    create_permissions(sender, verbosity=0)  # its own receiver may come after this one
    known = {
        f"{one.content_type.app_label}.{one.codename}": one
        for one in Permission.objects.select_related("content_type")
    }
    for name, rights in GROUPS.items():
        group, made = Group.objects.get_or_create(name=name)
        if made:
            group.permissions.set(known[right] for right in rights)

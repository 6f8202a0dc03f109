"""Who may decide on a review: rights, and the terms of the review."""

from django.contrib.auth.models import User

from jobs.kit.rights import is_service_account, name_of
from jobs.models import Job, Result
from jobs.services.retry import who_had_a_say
from reviews.models import Review
from reviews.policy.terms import Terms

RIGHT = "reviews.decide_review"


def why_not_decide(review: Review, person: User) -> str:
    """Why this person may not decide on this review; empty when they may.

    The right to decide at all, being a person, and the terms: group and four eyes.
    """
    if not person.has_perm(RIGHT):
        return f"{name_of(person)} lacks the right {RIGHT}."
    if is_service_account(person):
        return f"{name_of(person)} is a service account: people decide."
    return why_not_by(review.terms, review.job, person)


def why_not_by(terms: Terms, job: Job, person: User) -> str:
    """What these terms say against this person: group and four eyes."""
    if terms.group and not person.groups.filter(name=terms.group).exists():
        return f"Only members of {terms.group} decide on this job."
    if terms.four_eyes and job.requester_id == person.pk:
        return "You asked for this job: another person decides on it."
    if terms.four_eyes and person.get_username() in who_had_a_say(job):
        return "You set this job going in words of your own: another person decides."
    return ""


def why_not_approve(review: Review, person: User) -> str:
    """Why this person may decide, but not approve: who edited it is not the second."""
    if review.terms.edit_needs_second and review.result.author_id == person.pk:
        return "You wrote this version of it: another person approves it."
    return ""


def why_not_read(review: Review, person: User) -> str:
    """Why this person may not read its result; empty when they may."""
    if review.job.erased_at:
        return f"Its content was deleted {review.job.erased_at:%d %b %Y}."
    if may_read(review, person):
        return ""
    return "You lack the right to see it before it is approved."


def may_read(review: Review, person: User) -> bool:
    """Whether this person may read its result."""
    return may_read_result(review.job, review.result, person)


def may_read_result(job: Job, result: Result, person: User) -> bool:
    """Whether this person may read what this holds: unapproved ones need a right."""
    if job.erased_at:
        return False
    if job.approved_hash and job.approved_hash == result.content_hash:
        return True
    return person.has_perm("jobs.view_unapproved")

"""Rows of no more use go when they are old."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone
from django_q.models import Task

from jobs.cleanup import clean_up, would_clean_up
from jobs.models import ApiToken, Finding, IdempotencyKey, Sweep, WebhookReceipt
from jobs.services import purge
from tests.house import person

pytestmark = pytest.mark.both_databases


def receipt(age: timedelta) -> Any:
    return WebhookReceipt.objects.create(
        webhook_id=str(age), type="x", received_at=timezone.now() - age
    )


def sweep(age: timedelta) -> Any:
    at = timezone.now() - age
    return Sweep.objects.create(lane="x", host="a", pid=1, started_at=at, beat_at=at)


def task(age: timedelta) -> Any:
    at = timezone.now() - age
    return Task.objects.create(
        id=str(age)[:32], name="t", func="f", started=at, stopped=at, success=True
    )


def finding(age: timedelta) -> Any:
    at = timezone.now() - age
    return Finding.objects.create(
        rule="r", subject=str(age), found_at=at, seen_at=at, gone_at=at
    )


def session(age: timedelta) -> Any:
    at = timezone.now() - age
    return Session.objects.create(session_key=str(age), expire_date=at)


def token(age: timedelta) -> Any:
    user, _ = User.objects.get_or_create(username="tokens")
    row, _ = ApiToken.objects.create(user=user)
    ApiToken.objects.filter(pk=row.pk).update(expiry=timezone.now() - age)
    return row


def idempotency_key(age: timedelta) -> Any:
    user, _ = User.objects.get_or_create(username="keys")
    at = timezone.now() - age
    return IdempotencyKey.objects.create(owner=user, key=str(age), created_at=at)


OLD_ROWS = [
    ("idempotency keys", idempotency_key, 1),
    ("webhook receipts", receipt, 30),
    ("sweeps", sweep, 7),
    ("finished tasks", task, 7),
    ("findings", finding, 90),
    ("sessions", session, 0),
    ("API tokens", token, 0),
]


@pytest.mark.parametrize(("kind", "make", "days"), OLD_ROWS)
def test_rows_of_no_more_use_go_when_they_are_old(kind, make, days, db):
    limit, minute = timedelta(days=days), timedelta(minutes=1)
    young, old = make(limit - minute), make(limit + minute)

    assert would_clean_up().purged == {kind: 1}
    assert clean_up().purged == {kind: 1}

    assert [*type(old).objects.values_list("pk", flat=True)] == [young.pk]


def test_every_kind_of_old_row_is_tried_here():
    assert {old.kind for old in purge.OLD} == {kind for kind, *_ in OLD_ROWS}


def test_an_open_finding_and_a_token_without_end_are_kept(db):
    at = timezone.now() - timedelta(days=900)
    Finding.objects.create(rule="r", subject="s", found_at=at, seen_at=at)
    ApiToken.objects.create(user=person("p"), expiry=None)

    assert clean_up().purged == {}

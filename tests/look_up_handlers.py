"""Handlers of the tests: what answers the model's calls by itself, and what may not."""

import time

from django.contrib.auth.models import User
from django.db import connection

from jobs.kit.handlers import reads_only

asked: list[dict] = []


@reads_only
def find(**given):
    asked.append(given)
    return {"found": given, "atomic": connection.in_atomic_block}


@reads_only
def count_people(**given):
    return f"{User.objects.count()} people"


@reads_only
def breaks(**given):
    raise LookupError("no such order")


@reads_only
def hangs(**given):
    time.sleep(3)


@reads_only
def says_too_much(**given):
    return "x" * 1_000_000


def changes(**given):
    raise AssertionError("what may change something was called unseen")


nothing = None

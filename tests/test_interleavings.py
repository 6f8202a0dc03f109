"""Any order of anything: no forbidden move, nothing lost, never two winners.

`make fuzz` goes on for longer, from a seed that it prints.
"""

import pytest
import time_machine
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.house import job_type, mailbox, person, webhook
from tests.interleavings.machine import DAWN, Interleavings

SHORT = settings(
    max_examples=30,
    stateful_step_count=40,
    derandomize=True,
    deadline=None,
    database=None,
    phases=set(Phase) - {Phase.explain},
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def people(ann, bob, olivia, shop):
    oscar = person("oscar", "Operators")
    return {user.username: user for user in (ann, bob, olivia, oscar, shop)}


@pytest.fixture
def types(db):
    """With two destinations; without any and without a review; quick to give up."""
    note, strict = job_type(), job_type("strict", max_tries=2, on_lost="ask")
    job_type("memo", waives_review=True)
    webhook("https://example.com/", note, strict)
    mailbox("desk@example.com", note)


def test_no_interleaving_breaks_a_promise(people, types):
    with time_machine.travel(DAWN, tick=False) as clock:
        run_state_machine_as_test(lambda: Interleavings(people, clock), settings=SHORT)

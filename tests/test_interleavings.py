"""Any order of anything: no forbidden move, nothing lost, never two winners.

Each test is a seed. `make fuzz` tries many, from a first one that it prints, and a
test that fails says which it was: SEEDS=1234+1 runs that one again.
"""

import os

import pytest
import time_machine
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from jobs.models.job_type import InThread
from tests.house import job_type, mailbox, person, webhook
from tests.interleavings.machine import DAWN, Interleavings
from tests.interleavings.threads import InOneThread

FIRST, COUNT = map(int, os.environ.get("SEEDS", "0+2").split("+"))
EXAMPLES = settings(
    max_examples=9,  # from the tenth on, half of the time goes into repetitions
    stateful_step_count=40,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
)
FEWER = settings(EXAMPLES, max_examples=4)


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


@pytest.mark.parametrize("number", range(FIRST, FIRST + COUNT))
def test_no_interleaving_breaks_a_promise(number, people, types):
    with time_machine.travel(DAWN, tick=False) as clock:
        machine = seed(number)(lambda: Interleavings(people, clock))
        run_state_machine_as_test(machine, settings=EXAMPLES)


@pytest.mark.parametrize("number", range(FIRST, FIRST + COUNT // 2))
def test_no_interleaving_gives_two_jobs_the_turn_in_a_thread(number, people, db):
    note = job_type("note")
    more = {"on_lost": "ask", "in_thread": InThread.FORGETS}
    webhook("https://example.com/", note, job_type("strict", max_tries=2, **more))
    job_type("memo", waives_review=True, in_thread=InThread.WAITS)
    with time_machine.travel(DAWN, tick=False) as clock:
        machine = seed(number)(lambda: InOneThread(people, clock))
        run_state_machine_as_test(machine, settings=FEWER)

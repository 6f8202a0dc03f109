"""The table of guards fits the code; `make mutants` takes one out at a time."""

from tests.mutants import MUTANTS, ROOT, problems_of_the_table


def test_every_guard_stands_where_the_table_says():
    assert problems_of_the_table() == []


def test_every_guard_has_tests_that_are_to_miss_it():
    names = {name for mutant in MUTANTS for name in mutant.tests.split()}
    there = {name for name in names if (ROOT / f"tests/test_{name}.py").exists()}
    assert names == there

"""The order of fields survives databases that sort the keys of objects."""

from jobs.forms import SubmitForm
from jobs.kit.schemas import in_order
from jobs.rendering import render_value

SCHEMA = {
    "type": "object",
    "properties": {
        "amount": {"type": "number", "title": "Amount"},
        "id": {"type": "string", "title": "Order"},
        "note": {"type": "string", "title": "Note"},
    },
    "required": ["id", "amount"],
}


def test_required_names_come_first_and_in_their_order():
    assert in_order(SCHEMA["properties"], SCHEMA) == ["id", "amount", "note"]


def test_a_name_that_is_required_twice_is_there_once():
    assert in_order(["b", "a"], {"required": ["a", "a"]}) == ["a", "b"]


def test_a_schema_that_requires_nothing_sensible_changes_no_order():
    for required in (None, "id", {"id": 1}):
        assert in_order(["b", "a"], {"required": required}) == ["b", "a"]


def test_a_record_is_shown_as_its_schema_has_it():
    html = render_value({"amount": 3, "id": "x", "note": "n"}, SCHEMA)

    assert html.index("Order") < html.index("Amount") < html.index("Note")


def test_a_table_of_records_has_its_columns_as_its_schema_has_them():
    rows = [{"amount": 1, "id": "x", "note": ""}] * 2

    html = render_value(rows, {"type": "array", "items": SCHEMA})

    assert html.index("Order") < html.index("Amount") < html.index("Note")


def test_the_form_asks_in_that_order():
    form = SubmitForm(SCHEMA)

    assert [field.label for field in form.input_fields] == ["Order", "Amount", "Note"]

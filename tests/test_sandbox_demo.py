"""What the sandbox answers to the demo, and how well it reads."""

import json
import re
from pathlib import Path
from string import Template
from typing import Any

import openai
import pytest
from openai.types import responses as sdk

import jobs.sandbox
from jobs.sandbox.words import sentences
from tests import sandbox
from tests.sandbox import (
    DOCUMENTS,
    LETTER,
    QUESTION,
    TEXT,
    claims,
    record,
    run,
    structured,
)

provider, client = sandbox.provider, sandbox.client  # fixtures


DEMO = Path(jobs.sandbox.__path__[0]).parents[1] / "bgreview" / "demo"


def scene(key: str) -> dict[str, Any]:
    (path,) = (DEMO / "inputs").glob(f"{key}-*.json")
    return json.loads(path.read_text())


def answer(client: openai.OpenAI, key: str, **changed: str) -> sdk.Response:
    """What a scene of the demo is answered, at once and at the first try."""
    given = scene(key)["input"] | changed
    said = json.loads((DEMO / f"job_types/{scene(key)['type']}.json").read_text())
    put = {
        name: value
        if isinstance(value, str)
        else json.dumps(value, indent=2, ensure_ascii=False)
        for name, value in given.items()
    }
    text = Template(said["prompt_template"]).safe_substitute(put)
    more = {"tools": said["tools"], "instructions": said["instructions"]}
    if said["output_schema"]:
        form = {"type": "json_schema", "name": "answer", "strict": True}
        more["text"] = {"format": form | {"schema": said["output_schema"]}}
    return run(client, re.sub(r"\[sandbox:(?:flaky|slow)\]", "", text), **more)


UNKNOWN = (
    "To this we have no answer yet; a colleague finds out within two working days."
)
UNKNOWN_TOO = "This, too, we still have to find out."
REPLIES = {
    "02": {
        "The box was not damaged, not a dent,": "Please send us one photograph, unless "
        "there is one, within fourteen days of arrival. We send the broken part again "
        "at our cost.",
        "Can I have just the jar and keep the grinder?": UNKNOWN,
        "Do you need the broken jar back?": "Parts under £40 need not be sent back.",
        "And does the jar of the 2019 model fit?": UNKNOWN_TOO,
    },
    "11": {
        "So either it is on somebody else's": "Delivery takes three to five working "
        "days, seven to the Highlands and Islands.",
        "What I want: the £118.40 back": "A parcel that has not come ten working "
        "days after it left us counts as lost: you then choose between a second parcel "
        "free of charge and the money back.",
        "I also want to know who signed.": UNKNOWN,
    },
    "14": {
        "Since about Tuesday the switch will not stay down.": "The guarantee is five "
        "years from the day of purchase on mechanical parts: hinges, switches, burrs, "
        "valves.",
        "Could you tell me whether the switch is still covered,": "We send a prepaid "
        "box for repairs.",
        "Could I buy a new seal from you,": "Wearing parts can be bought by letter; a "
        "colleague names the price.",
        "And is it all right to go on with the spoon": UNKNOWN,
    },
}


@pytest.mark.parametrize("key", REPLIES)
def test_a_draft_answers_the_letter_in_the_words_of_the_policy(client, key):
    given, text = scene(key)["input"], answer(client, key).output_text
    points = re.findall(r"^> (.+)\n\n(.+)$", text, re.MULTILINE)
    for (quote, reply), (start, expected) in zip(
        points, REPLIES[key].items(), strict=True
    ):
        assert quote.startswith(start)
        assert quote in " ".join(given["message"].split())
        assert reply == expected
    assert text.startswith(f"Dear {given['customer_name']},")
    assert f"order **{given['order_number']}**" in text
    assert text.endswith("Kind regards,\n\nThe service desk, Ostler & Finch")
    assert "!" not in text


LAMP, RETURNS = "The lamp is broken. What now?", "A broken lamp is replaced by us."
LAYOUTS = [
    "The letter\n---\n{0}\n---\n\nOur reply policy\n---\n{1}\n---\n",
    "Reply.\n\nLetter\n---\n{0}\n\nAnn\n---\nSent by train\n---\n\nPolicy\n---\n{1}",
    "## Policy\n\n{1}\n\n## Customer letter\n\n{0}",
    "Customer message:\n{0}\n\nRules:\n{1}",
    "Letter: {0}\n\n## Guidelines\n\n- {1}",
    "Letter: {0}\n\nReply policy: {1}",
    '{{"message": "{0}", "policy": "{1}"}}',
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_letter_and_policy_are_told_apart_however_they_are_set_off(client, layout):
    text = run(client, layout.format(LAMP, RETURNS)).output_text
    assert (
        re.findall(r"^> (.+)$", text, re.MULTILINE)
        == LAMP.replace(". ", ".\n").splitlines()
    )
    assert f"> The lamp is broken.\n\n{RETURNS}\n\n" in text


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("Lamps: ask for a photograph.", "Please send us a photograph."),
        ("Ask the customer to leave the lamp off.", "Please leave the lamp off."),
        ("The customer then has a lamp.", "You then have a lamp."),
        ("The customer pays for a lamp; say so.", "You pay for a lamp."),
        ("Say that lamps are sent today.", "Lamps are sent today."),
        ("Never say that a lamp is late.", ""),
        ("Promise no lamp.", ""),
        ("A lamp may be offered once.", ""),
        ("Plain words about lamps.", ""),
    ],
)
def test_a_policy_is_turned_to_the_customer_or_kept_to_ourselves(client, rule, said):
    text = run(client, f"Letter: May I have a lamp?\n\nPolicy: {rule}").output_text
    reply = re.search(r"^> May I have a lamp\?\n\n(.+)$", text, re.MULTILINE)[1]
    assert reply == (said or "To this we have no answer yet.")


REFUNDS = {
    "04": {
        "order_id": "OF-26-10502",
        "customer": "Hannah Osei",
        "amount": 58.0,
        "currency": "GBP",
        "paid_on": "2026-11-03",
        "reason": "charged twice",
        "within_policy": True,
        "policy_rule": "R5",
        "goods_back": False,
        "open_question": None,
    },
    # All of it instead of one lamp: for the reviewer to see.
    "13": {
        "order_id": "OF-26-10291",
        "amount": 155.95,
        "reason": "broken",
        "within_policy": True,
        "policy_rule": "R2",
        "goods_back": True,
        "open_question": None,
    },
    "08": {"reason": "changed mind", "policy_rule": "R1", "goods_back": True},
}


@pytest.mark.parametrize("key", REFUNDS)
def test_a_refund_rests_on_the_rule_that_fits_the_letter(client, key):
    given = scene(key)["input"]
    found = json.loads(answer(client, key).output_text)
    assert {name: found[name] for name in REFUNDS[key]} == REFUNDS[key]
    story, rule, ruling = re.fullmatch(
        r"“(.+)” Rule (R\d): “(.+)”", found["explanation"]
    ).groups()
    assert f"{rule}. {ruling}" in given["policy"]
    assert rule == found["policy_rule"]
    told = re.split(r"(?<=\.) (?=[A-Z])", story)
    assert 2 <= len(told) <= 3
    assert all(line in " ".join(given["message"].split()) for line in told)


def test_without_a_rule_that_fits_none_is_named_and_nothing_is_covered(client):
    policy = "R1. Umbrellas are exchanged.\nR2. Gloves are not."
    found = json.loads(answer(client, "04", policy=policy).output_text)
    assert found["policy_rule"] is None
    assert found["within_policy"] is False


CLAUSES = "§ 1. Rent is due on Monday.\n§ 2. Pets must be announced.\n§ 3. No noise."
LEASE = f"Clauses\n\n{CLAUSES}\n\nLetter: We got a dog and other pets last week."
LINE = "The clause is about a dog."
LABELS = [
    # description, text, found
    ("The clause, such as §7.", LEASE.replace("§ ", "§"), "§2"),
    (
        "The clause, such as K7.",
        LEASE.replace("Clauses\n", "Rules:").replace("§ ", "- K"),
        "K2",
    ),
    ("The clause, e.g. K7.", LEASE.replace("§ ", "K"), "K2"),
    ("The clause, such as K7.", "A clause is missing: K12 or so.", "K12"),
    ("The clause, such as K7.", "Clause: K 12", "K 12"),
    ("Such as K7.", "Rules:\nK1. Be on time.\n\nLetter: My clause is K9.", None),
    ("Such as K7; null if none fits.", "We got a dog. It is late.", None),
    ("The animal, such as a dog.", "Hm.\n\nThe clause is about a dog.", LINE),
]


@pytest.mark.parametrize(("described", "text", "found"), LABELS)
def test_an_example_in_the_description_tells_the_form(client, described, text, found):
    clause = {"type": ["string", "null"], "description": described}
    said = structured(client, text, record(clause=clause))["clause"]
    assert said == found


STATED = [
    # name, part of the schema, text, found
    ("made_on", {"description": "YYYY-MM-DD."}, "Made: v2 (3 May 2024)", "2024-05-03"),
    ("made_on", {"description": "When."}, "Made: v2 (3 May 2024)", "v2 (3 May 2024)"),
    ("source_id", {"description": "Word for word."}, "Source id: 7 a b", "7 a b"),
    ("source_id", {"description": "The id."}, "Source id: A7 a b", "A7"),
    ("mood", {"enum": ["glad", "not stated"]}, "Hello.", "not stated"),
    ("mood", {"enum": ["glad", "OTHER"]}, "Hello.", "OTHER"),
    ("mood", {"enum": ["glad", "other"]}, "Policy: Be glad.", "other"),
]


@pytest.mark.parametrize(("name", "part", "text", "found"), STATED)
def test_the_description_tells_what_of_a_value_is_wanted(
    client, name, part, text, found
):
    schema = record(**{name: TEXT | part})
    assert structured(client, text, schema) == {name: found}


BUG, KEPT = "Whether the bug is in the library.", "Whether the rule was kept."


@pytest.mark.parametrize(
    ("described", "text", "found"),
    [
        (BUG, "The bug is in the library of ours. The tool is not to blame.", True),
        (BUG, "The bug is not in the library. It is in a tool.", False),
        (BUG, "The bug breaks things. Nobody has a library card.", True),
        (BUG, "Nothing is said here.", False),
        (KEPT, "The rule was kept by all.", True),
        (KEPT, "Rules: Be kind to ferries.\n\nLetter: The rule was kept.", False),
    ],
)
def test_a_yes_or_no_goes_by_the_sentences_nearest_to_it(
    client, described, text, found
):
    ours = {"type": "boolean", "description": described}
    assert structured(client, text, record(ours=ours)) == {"ours": found}


def test_each_row_has_the_rule_that_fits_its_own_choice(client):
    rows = json.dumps([{"what": "lamp"}, {"what": "kettle"}])
    what = {"type": "string", "enum": ["lamp", "kettle"]}
    rule = {"type": "string", "description": "Such as R7."}
    many = {"type": "array", "items": record(what=what, rule=rule)}
    text = f"{rows}\n\nRules:\nR1. A lamp is sent.\nR2. A kettle is sent."
    assert structured(client, text, record(things=many))["things"] == [
        {"what": "lamp", "rule": "R1"},
        {"what": "kettle", "rule": "R2"},
    ]


def test_what_may_be_null_is_null_without_a_good_find(client):
    maybe = {"type": ["string", "null"], "description": "Whatever the order lacks."}
    schema = record(comment=maybe, refund_note=maybe, comment_of_ours=TEXT)
    found = structured(client, LETTER + "\nThe refund note was lost.", schema)
    assert found["comment"] is None
    assert found["refund_note"] == "The refund note was lost."
    assert found["comment_of_ours"]


RECORDS = {
    "03": {
        "cve_number": "CVE-2020-13434",
        "fix": "3.32.1 (2020-05-25)",
        "fixed_on": "2020-05-25",
        "in_library": True,
        "needs": "malicious SQL",
        "impact": "denial-of-service",
        "comments": "Malicious SQL statement involving the printf() SQL function "
        "results in an integer overflow which can overwrite the stack with over 2 "
        "billion bytes of 0x30 or 0x20 (ASCII '0' or ' '). Even though this is a stack "
        "overwrite, there is no known way to redirect control or otherwise escalate "
        "the level of harm. This is a denial-of-service attack only.",
        "sqlite_source_id": "2020-05-25 16:19:56 "
        "0c1fcf4711a2e66c813aed38cf41cd3e2123ee8eb6db98118086764c4ba83350",
        "sha3_256": "f695ae21abf045e4ee77980a67ab2c6e03275009e593ee860a2eabf840482372",
        "remarks": None,
    },
    "12": {
        "cve_number": "CVE-2022-35737",
        "fixed_on": "2022-07-21",
        "in_library": True,
        "needs": "C-language API",
        "impact": "not stated",
        "sqlite_source_id": "2022-07-21 15:24:47 "
        "698edb77537b67c41adc68f9b892db56bcf9a55e00371a61420f3ddd668e6603",
    },
}


@pytest.mark.parametrize("key", RECORDS)
def test_a_record_says_what_its_document_says(client, key):
    found = json.loads(answer(client, key).output_text)
    assert {name: found[name] for name in RECORDS[key]} == RECORDS[key]


CLOSING = "What the sources do not say"
HEADINGS = {
    "01": (
        "Is WAL mode enough for that?",
        "How should the workers begin their transactions?",
        "What would be a reason to move to a client/server database?",
    ),
    "05": (
        "Was the copy to blame?",
        "Should we use the backup API or VACUUM INTO instead?",
    ),
    "09": (
        "How large may one database file grow?",
        "From which size on would separate files be read faster?",
    ),
    "10": (
        "Should we store UTC, or local time with the name of a timezone?",
        "What must happen to booked appointments when the rules change at short "
        "notice?",
    ),
}


@pytest.mark.parametrize("key", HEADINGS)
def test_a_brief_has_headings_claims_and_sources_that_read_well(client, key):
    response, sources = answer(client, key), scene(key)["input"]["sources"]
    text = response.output_text
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == [*HEADINGS[key], CLOSING]
    titles = {source["url"]: source["title"] for source in sources}
    for said, url in claims(response):
        assert re.search(r"[.!]['\"”)]?$", said), said
        assert "[" not in said
        assert f"([{titles[url]}]({url}))" in text


@pytest.mark.parametrize("key", HEADINGS)
def test_a_brief_closes_with_what_was_read_in_vain(client, key):
    response, sources = answer(client, key), scene(key)["input"]["sources"]
    cited = {url for _, url in claims(response)}
    unread = [source["title"] for source in sources if source["url"] not in cited]
    closing = response.output_text.split(CLOSING)[1].strip()
    if unread:
        assert closing.endswith(f"Read, but not cited: {'; '.join(unread)}.")
    unsaid = "No source takes up “appointments”." if key == "10" else ""
    assert closing.startswith(unsaid or ("Read, but" if unread else "Each statement"))
    assert unsaid or "No source" not in closing


def without_asides(text: str) -> str:
    return re.sub(r" \([^()]*\)", "", text).lower()


def test_a_brief_is_wrong_where_a_careful_reader_finds_it(client):
    """Every sentence is a source's but one, whose number is in none of them."""
    text = (response := answer(client, "09")).output_text
    said = [claim for claim, _ in claims(response)]
    texts = " ".join(source["text"] for source in scene("09")["input"]["sources"])
    whole = without_asides(" ".join(texts.split()))
    (wrong,) = [one for one in said[1:] if without_asides(one) not in whole]
    assert any(number not in texts for number in re.findall(r"\d+", wrong))
    assert wrong in text.split("## From which size on would separate files")[1]


LISTED = (
    "Ferries use shore power. [...]\n\nPower for ferries comes in three ways: [...]\n\n"
    "- by a very long cable\n\nDo ferries need the power of the shore? Ferries that "
    "[...] have power are quiet. On the other hand, power is dear for ferries. [...] "
    "Ferries (and their power) are old."
)
SHORE = {"title": "Shore", "url": "https://shore.example/", "text": LISTED}
FERRIES = [
    "Ferries use shore power.",
    "Power is dear for ferries.",
    "Ferries that [...] have power are quiet.",
]


def test_only_whole_statements_become_claims(client):
    prompt = f"Question: How do ferries get power?\n{json.dumps([SHORE])}"
    found = [said for said, _ in claims(run(client, prompt + "[sandbox:cited]"))]
    assert sorted(found) == sorted(FERRIES)


@pytest.mark.parametrize("mark", ["Question\n", "## Question\n\n", "Question: ", ""])
def test_the_question_is_found_however_it_is_set_off(client, mark):
    text = f"{mark}Weigh ferries.\n\nFor whom\nWho knows ferries?[sandbox:cited]"
    thought = run(client, text).output[0].summary[0].text
    asked = "Weigh ferries." if mark else "For whom Who knows ferries?"
    assert thought.endswith(f"The question is: {asked}")


def test_sentences_end_where_a_reader_ends_them():
    said = ["Fast I/O.", "By A. B. Smith.", "See No. 5.", "(It is so.)", "“So?”", "Yes"]
    assert sentences(" ".join(said)) == said


@pytest.mark.parametrize(
    ("documents", "headings"),
    [
        (
            [DOCUMENTS[0] | {"title": "Port report (2024)"}, *DOCUMENTS[1:]],
            ["Harbour \\[Weekly\\]", "Port report"],
        ),
        (DOCUMENTS[:1], ["Findings"]),
        ([DOCUMENTS[1] | {"text": "Shore power is not cheap."}], []),
    ],
)
def test_one_question_alone_is_answered_source_by_source(client, documents, headings):
    prompt = f"Question: {QUESTION}\n{json.dumps(documents)}[sandbox:cited]"
    text = run(client, prompt).output_text
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [*headings, CLOSING]

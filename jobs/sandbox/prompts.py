"""What a request asks: its text, the JSON in it, its sources, letter and question."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from .words import sentences, squeeze

TAG = re.compile(r"\[sandbox:\s*([^\]\n]{0,60}?)\s*\]", re.IGNORECASE)
DECODER = json.JSONDecoder(strict=False)
# Longer prompts are taken, but not read to their end.
READ_AT_MOST = 200_000
# A text full of brackets that open no JSON must not cost minutes.
TRIES = 2_000
ASKING_KEYS = ("question", "query", "topic", "research question", "task", "request")
# A person's text, and what we are told to go by when we answer it.
LETTER_KEYS = (
    *("message", "customer_message", "body", "email", "complaint", "letter"),
    *("ticket", "text"),
)
POLICY_KEYS = ("policy", "rules", "guidelines")
LETTER = r"(?:[\w'\u2019-]+ ){0,3}(?:message|complaint|ticket|letter)"
POLICY = r"(?:[\w'\u2019-]+ ){0,3}(?:policy|rules|guidelines)"
HEADING = re.compile(r"^\s*(?:#+\s*)?\**([A-Za-z][\w /()-]{0,40}?)\**\s*:\s*\**\s*$")
RULE = re.compile(
    r"^[ \t]*(?:[A-Z]{1,3} ?|\u00a7 ?)\d[\d.]*[.:)]\s+\S.*$", re.MULTILINE
)
KNOWN = re.compile(rf"\s*(?:{LETTER}|{POLICY}|{'|'.join(ASKING_KEYS)}):", re.IGNORECASE)
# "Heading", "---", and the text at once; the line that ends it has no text below.
FENCED = re.compile(r"(?:\A|\n[ \t]*\n)([^\n]{1,80})\n-{3,}[ \t]*\n(?=\S)")
FENCE_END = re.compile(r"\n-{3,}\s*\Z")
LABEL = re.compile(rf"^(?:{'|'.join(ASKING_KEYS)})\s*:\s*", re.IGNORECASE)
NAMING = re.compile(r"([A-Za-z][\w ]{0,40}?)\s*[:=]\s*$")
MARKED_HEADING = re.compile(r"^\s*#+\s+(.*?)\s*#*\s*$")


@dataclass(frozen=True)
class Document:
    """One source that came with the prompt."""

    title: str
    url: str
    text: str


@dataclass(frozen=True)
class Prompt:
    """A request as its answerer sees it: without the sandbox's own tags."""

    text: str
    prose: str
    names: tuple[str, ...]
    values: tuple[Any, ...]
    documents: tuple[Document, ...]
    question: str
    background: str
    letter: str
    policy: str
    schema: dict[str, Any] | None
    max_tool_calls: int | None
    tools: tuple[dict[str, Any], ...]


def read_prompt(body: dict[str, Any], earlier: str = "") -> Prompt:
    """Read a create call; `earlier` is the text of the response it follows."""
    asked = TAG.sub("", input_text(body))[:READ_AT_MOST]
    text = f"{earlier}\n\n{asked}".strip()[-READ_AT_MOST:]
    names, values, prose = embedded_json(text)
    documents = {doc.url: doc for value in values for doc in documents_in(value)}
    question, background = find_question(values, prose)
    return Prompt(
        text=text,
        prose=prose,
        names=tuple(names),
        values=tuple(values),
        documents=tuple(documents.values()),
        question=question,
        background=background,
        letter=find_letter(values, prose),
        policy=find_policy(values, prose),
        schema=wanted_schema(body),
        max_tool_calls=body.get("max_tool_calls"),
        tools=tuple(body.get("tools") or ()),
    )


def input_text(body: dict[str, Any]) -> str:
    """Everything that a person or a program put into the input."""
    given = body["input"]
    return given if isinstance(given, str) else "\n\n".join(item_texts(given))


def item_texts(items: list[dict[str, Any]]) -> Iterator[str]:
    for item in items:
        for said in (item.get("content"), item.get("output")):
            if isinstance(said, str):
                yield said
            for part in said if isinstance(said, list) else ():
                if isinstance(part, dict) and isinstance(part.get("text"), str):
                    yield part["text"]


def tag_in(body: dict[str, Any]) -> str | None:
    """The scenario that the request names, if it names one."""
    for text in (input_text(body), body.get("instructions") or ""):
        if found := TAG.search(text):
            return found[1].lower()
    return None


def wanted_schema(body: dict[str, Any]) -> dict[str, Any] | None:
    form = (body.get("text") or {}).get("format") or {}
    schema = form.get("schema")
    return schema if isinstance(schema, dict) else None


def embedded_json(text: str) -> tuple[list[str], list[Any], str]:
    """The names and values of the JSON in a text, and the text without it."""
    names, values, prose, place, tries = [], [], [], 0, 0
    for start in (found.start() for found in re.finditer(r"[{\[]", text)):
        if start < place or tries > TRIES:
            continue
        value, end = decode(text, start)
        tries += value is None
        if value is not None:
            label = NAMING.search(text[max(place, start - 60) : start])
            names.append(label[1] if label else "")
            values.append(value)
            prose.append(text[place:start])
            place = end
    return names, values, "\n".join([*prose, text[place:]])


def decode(text: str, start: int) -> tuple[Any, int]:
    try:
        value, end = DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None, start
    # "[1]" in a text is a footnote, not data.
    plain = all(isinstance(one, (int, float)) for one in value)
    return (None, start) if plain else (value, end)


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object in a value, outermost first."""
    if isinstance(value, dict):
        yield value
    inner = value.values() if isinstance(value, dict) else value
    for one in inner if isinstance(value, (dict, list)) else ():
        yield from objects_in(one)


def documents_in(value: Any) -> Iterator[Document]:
    for one in objects_in(value):
        url, text = first(one, "url", "link"), first(one, "text", "content", "snippet")
        if url and text:
            yield Document(squeeze(first(one, "title", "name") or url), url, text)


def first(one: dict[str, Any], *keys: str) -> str:
    """The first of these keys that has a text."""
    texts = (one.get(key) for key in keys)
    return next((text for text in texts if isinstance(text, str) and text), "")


def find_question(values: list[Any], prose: str) -> tuple[str, str]:
    """What is asked, and all that is said around it."""
    for key in ASKING_KEYS:
        for one in (one for value in values for one in objects_in(value)):
            if asked := first(one, key, key.replace(" ", "_")):
                return asking(asked)
    for key in ASKING_KEYS:
        if asked := section(prose, key):
            return asking(asked.split("\n\n")[0])
    paragraphs = [part for part in prose.split("\n\n") if part.strip()]
    asked = next((part for part in paragraphs if asks(part)), "")
    return asking(asked) if asked else asking(LABEL.sub("", "".join(paragraphs[:1])))


def asking(text: str) -> tuple[str, str]:
    """The questions in a text, all of it if there are none, and the text."""
    lines = [LABEL.sub("", line) for line in sentences(text)]
    questions = [line for line in lines if line.endswith("?")] or lines
    return " ".join(questions), squeeze(text)


def asks(text: str) -> bool:
    return any(line.endswith("?") for line in sentences(text))


def find_letter(values: list[Any], prose: str) -> str:
    """What a person wrote, apart from what we are told to do with it."""
    return keyed(values, LETTER_KEYS) or section(prose, LETTER)


def find_policy(values: list[Any], prose: str) -> str:
    """What we are told to go by."""
    labelled = "\n".join(RULE.findall(prose))
    return keyed(values, POLICY_KEYS) or section(prose, POLICY) or labelled


def keyed(values: list[Any], keys: tuple[str, ...]) -> str:
    """The text, of more than a word or two, that JSON has under one of these keys."""
    for one in (one for value in values for one in objects_in(value)):
        text = first(one, *keys)
        if text.count(" ") > 2 and not first(one, "url", "link"):
            return text
    return ""


def section(prose: str, name: str) -> str:
    """What is fenced, or stands beside or below the heading that `name` matches."""
    called = re.compile(name, re.IGNORECASE)
    for title, text in fenced(prose):
        if called.fullmatch(title):
            return text
    beside = re.compile(
        rf"^\s*(?:#+\s*)?\**(?:{name})\**\s*:\**\s*(.*)$", re.IGNORECASE
    )
    lines = prose.splitlines()
    for place, line in enumerate(lines):
        found = beside.match(line)
        if found and found[1].strip():
            return "\n".join([found[1], *until_heading(lines[place + 1 :])]).strip()
        alone = line.strip().lower() == name
        if found or alone or called.fullmatch(heading(line) or ""):
            return "\n".join(until_heading(lines[place + 1 :])).strip()
    return ""


def fenced(text: str) -> Iterator[tuple[str, str]]:
    """The headings with a line of dashes below, and what is fenced by it."""
    headings = list(FENCED.finditer(text))
    for found, following in zip_longest(headings, headings[1:]):
        end = following.start() if following else len(text)
        inside = FENCE_END.sub("", text[found.end() : end])
        yield found[1].strip(" #*:"), inside.strip()


def until_heading(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if heading(line) or KNOWN.match(line):
            return
        yield line


def heading(line: str) -> str | None:
    """The words of a line that heads others."""
    found = HEADING.match(line) or MARKED_HEADING.match(line)
    return found[1] if found else None

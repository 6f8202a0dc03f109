"""What every call of the API has in common, told once: a hook of drf-spectacular."""

from http import HTTPStatus
from typing import Any

from bgreview.openapi_examples import EXAMPLES
from jobs.api import once
from jobs.kit.problems import MEDIA_TYPE

Shape = dict[str, Any]

PROBLEM = {
    "type": "object",
    "description": "What went wrong (RFC 9457), and by field what is to be mended.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
    },
    "required": ["type", "title", "status", "detail"],
    "additionalProperties": False,
}
# What is answered to whom, with what it says of itself.
PROBLEMS = {
    400: "The request is not valid: see errors.",
    401: "Invalid token.",
    403: "shop lacks the right jobs.retry_job.",
    404: "There is no such thing, or not for you.",
    406: "Could not satisfy the request Accept header.",
    409: "Cracked jar is delivered: it cannot become cancelled",
    410: "The content of this job was deleted 01 May 2026.",
    413: "A request may have at most 2,500,000 bytes.",
    415: 'Unsupported media type "text/plain" in request.',
    429: "Request was throttled. Expected available in 35 seconds.",
    500: "Something broke on our side; it was logged.",
    503: "2,000 clients wait here already. Poll meanwhile.",
}
ANY_CALL = (400, 401, 403, 404, 406, 429, 500)
A_POST = (409, 410, 413, 415)
BESIDE = {  # what else single calls answer
    "jobs_result_retrieve": (410,),
    "jobs_evidence_list": (410,),
    "jobs_wait_retrieve": (503,),
    "jobs_stream_retrieve": (503,),
    "reviews_versions_list": (410,),
    "reviews_versions_retrieve": (410,),
    "deliveries_anew_retrieve": (409, 410),
    "threads_destroy": (409,),
}
ERRORS_OF_400 = {"input.text": ["This field is required."]}
WAITS = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
NUMBER = {"type": "integer", "minimum": 0}
HEADERS: Shape = {
    "RateLimitLimit": {
        "description": "How often this token may ask in a span of time.",
        "schema": NUMBER,
    },
    "RateLimitRemaining": {
        "description": "How often it still may.",
        "schema": NUMBER,
    },
    "RateLimitReset": {
        "description": "Seconds until it may ask more often again.",
        "schema": NUMBER,
    },
    "RetryAfter": {"description": "Seconds to wait.", "schema": NUMBER},
    "IdempotencyReplayed": {
        "description": "The answer is that of the first request with this key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "ETag": {"description": "Of this very answer.", "schema": {"type": "string"}},
}
RATE = {
    f"RateLimit-{name}": {"$ref": f"#/components/headers/RateLimit{name}"}
    for name in ("Limit", "Remaining", "Reset")
}
KEY = {
    "name": once.HEADER,
    "in": "header",
    "description": "Repeated within a day, with the same body, it is obeyed once.",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": once.LONGEST,
        "pattern": f"^{once.KEY.pattern}$",
    },
    "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag that is known: what has not changed is 304.",
    "schema": {"type": "string"},
}
LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "The revision that is known: what is new is told.",
    "schema": {"type": "string"},
}
NOUNS = ("deliveries", "job_types", "jobs", "reviews", "threads")
# From an answer to the calls that it leads to, by the id in it.
OWN = [
    "jobs_retrieve",
    "jobs_cancel_create",
    "jobs_retry_create",
    "jobs_check_create",
    "jobs_events_list",
    "jobs_wait_retrieve",
]
THREADS = ["threads_retrieve", "threads_stats_retrieve", "threads_archive_create"]
LEADS: dict[tuple[str, str], tuple[list[str], str, str]] = {
    ("jobs_create", "201"): (OWN, "public_id", "/id"),
    ("jobs_bulk_create", "201"): (OWN, "public_id", "/jobs/0/id"),
    ("jobs_list", "200"): (OWN, "public_id", "/results/0/id"),
    ("threads_create", "201"): (THREADS, "public_id", "/id"),
    ("threads_list", "200"): (THREADS, "public_id", "/results/0/id"),
    ("reviews_list", "200"): (
        ["reviews_retrieve", "reviews_claim_create", "reviews_versions_list"],
        "id",
        "/results/0/id",
    ),
    ("deliveries_list", "200"): (["deliveries_retrieve"], "id", "/results/0/id"),
}


def complete(result: Shape, **kwargs: Any) -> Shape:
    """Add what all calls share: errors, headers, keys, examples, what leads where."""
    parts = result["components"]
    parts["headers"] = HEADERS
    parts["parameters"] = {"IdempotencyKey": KEY}
    parts["responses"] = {_name(code): _problem(code) for code in PROBLEMS}
    parts["schemas"]["Problem"] = PROBLEM
    for name, example in EXAMPLES.items():
        parts["schemas"][name]["examples"] = [example]
    for calls in result["paths"].values():
        for method, call in calls.items():
            _complete(method, call)
    return result


def _complete(method: str, call: Shape) -> None:
    name, answers = call["operationId"], call["responses"]
    call["summary"] = _summary(name, call.get("description", ""))
    for answer in answers.values():
        answer["headers"] = dict(RATE)
        answer["description"] = answer.get("description") or "As asked."
    if method == "post":
        _add(call, {"$ref": "#/components/parameters/IdempotencyKey"})
        replayed = {"$ref": "#/components/headers/IdempotencyReplayed"}
        for answer in answers.values():
            answer["headers"]["Idempotency-Replayed"] = replayed
    if name == "jobs_retrieve":
        _add(call, IF_NONE_MATCH)
        answers["304"]["description"] = "It has not changed."
        for code in ("200", "304"):
            answers[code]["headers"]["ETag"] = {"$ref": "#/components/headers/ETag"}
    if name == "jobs_stream_retrieve":
        _add(call, LAST_EVENT_ID)
        answers["204"] = {"description": "There is no more to tell: do not come again."}
    for (whose, code), (targets, parameter, place) in LEADS.items():
        if whose == name:
            answers[code]["links"] = {
                target: {
                    "operationId": target,
                    "parameters": {parameter: f"$response.body#{place}"},
                }
                for target in targets
            }
    more = A_POST if method == "post" else ()
    for code in sorted({*ANY_CALL, *more, *BESIDE.get(name, ())}):
        answers[str(code)] = {"$ref": f"#/components/responses/{_name(code)}"}


def _summary(name: str, description: str) -> str:
    """What a list of calls shows of one: its first sentence, where that is its own."""
    noun, _, verb = name.rpartition("_")
    if noun in NOUNS and verb in ("list", "retrieve"):
        words = noun.replace("_", " ")
        return f"List {words}" if verb == "list" else f"One of the {words}"
    return description.splitlines()[0].rstrip(".")


def _add(call: Shape, parameter: Shape) -> None:
    call.setdefault("parameters", []).append(parameter)


def _name(code: int) -> str:
    return HTTPStatus(code).phrase.title().replace(" ", "")


def _problem(code: int) -> Shape:
    title = HTTPStatus(code).phrase
    said = {"type": "about:blank", "title": title, "status": code}
    example: Shape = said | {"detail": PROBLEMS[code]}
    if code == 400:
        example["errors"] = ERRORS_OF_400
    shape = {"$ref": "#/components/schemas/Problem"}
    answer: Shape = {
        "description": title,
        "content": {MEDIA_TYPE: {"schema": shape, "example": example}},
    }
    return answer | ({"headers": WAITS} if code in (409, 429, 503) else {})

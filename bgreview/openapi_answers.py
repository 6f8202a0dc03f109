"""What the schema shows of answers: one job from its submission to its delivery."""

from typing import Any

HOST = "https://review.example.com/api/v1"
JOB = "5f0c2a52-6d0e-4a2f-9a53-0d6a3a0d7c11"
THREAD = "bf7315fe-1bad-4bde-a61c-2fa53d0a426d"
DELIVERY = "890bca38-0e1a-4d30-ad2f-d6fcfe554dec"
CONTENT_SHA256 = "4f1a7d1ac3a2c1cb0f4f6f6b9c8f0a2f0d1c9c0de5c95bb1de2c2e0b4a6bb0d3"
REQUEST_SHA256 = "4c0b52ab99bcec5a109bcaa561f845a68fc503ea422061edde316c711ef7ca8f"
SEEN = "9b74c9897bac770ffc029102a200c5de3ac9d9c1a0f1f3f1a9f1e6a2d2b5c7e1"
SUBMITTED, STARTED = "2026-05-04T09:00:00Z", "2026-05-04T09:00:01Z"
ANSWERED, DECIDED = "2026-05-04T09:03:20Z", "2026-05-04T09:41:07Z"
UNDONE_NO_MORE, DELIVERED = "2026-05-04T09:41:17Z", "2026-05-04T09:41:18Z"
QUOTE = "Shore power cut the emissions of ferries by 38 % in 2024."
CONTENT = f"{QUOTE} ([Port report](https://port.example/report))"
COST = "0.004125"
LINKED = ["result", "evidence", "attempts", "events", "cancel", "retry", "check"]
VIEWED = ["stats", "archive"]

JOB_BRIEF: dict[str, Any] = {
    "id": JOB,
    "status": "delivered",
    "type": "research-brief",
    "type_version": 1,
    "title": "Shore power and ferries",
    "requester": "shop",
    "thread": {"id": THREAD, "key": "user:42/topic:harbour"},
    "created_at": SUBMITTED,
    "started_at": STARTED,
    "finished_at": DELIVERED,
    "revision": 5,
    "links": {"self": f"{HOST}/jobs/{JOB}/"}
    | {name: f"{HOST}/jobs/{JOB}/{name}/" for name in [*LINKED, "tool-outputs"]},
}
JOB_DETAIL = JOB_BRIEF | {
    "input": {"question": "How did shore power affect ferries?"},
    "metadata": {"ticket": "4711"},
    "deadline_at": "2026-05-05T09:00:00Z",
    "deadline_seconds": None,
    "attempt_seconds": None,
    "callback_url": "",
    "legal_hold": False,
    "erased_at": None,
    "progress": {"percent": 100, "basis": "status", "note": ""},
    "attempt": {"number": 1, "reason": "first", "retries": 0, "revisions": 0},
    "cost": COST,
    "failure": None,
    "next_action": None,
    "waiting": None,
    "explanation": (
        "Approved by ann, 04 May 09:41 UTC; delivered to crm, 04 May 09:41 UTC."
    ),
}
VERSION_BRIEF: dict[str, Any] = {
    "version": 1,
    "approved": False,
    "author": None,
    "edited_from": None,
    "content_sha256": CONTENT_SHA256,
    "flags": [],
    "created_at": ANSWERED,
}
CITATION = {
    "position": 1,
    "start": 0,
    "end": len(CONTENT),
    "quote": QUOTE,
    "title": "Port report",
    "url": "https://port.example/report",
    "file": "",
    "is_detached": False,
}
VERSION = VERSION_BRIEF | {"content": CONTENT, "citations": [CITATION]}
REVIEW_BRIEF: dict[str, Any] = {
    "id": 17,
    "job": JOB,
    "title": "Shore power and ferries",
    "type": "research-brief",
    "requester": "shop",
    "round": 1,
    "result_version": 1,
    "flags": [],
    "opened_at": ANSWERED,
    "due_at": "2026-05-05T09:03:20Z",
    "closed_at": None,
    "claim": {"by": "ann", "until": "2026-05-04T09:44:02Z"},
}
LEAVES = {
    "method": "POST",
    "url": "https://crm.example/hooks/bgreview",
    "headers": {
        "content-type": "application/json",
        "user-agent": "bgreview",
        "bgreview-decision": "(set when you decide)",
        "bgreview-content-sha256": CONTENT_SHA256,
    },
    "body": '{"data":{"content":"Shore power cut the emissions ..."}}',
}
REVIEW_DETAIL = REVIEW_BRIEF | {
    "seen": SEEN,
    "result": VERSION,
    "requests": [{"destination": "crm", "kind": "webhook", "request": LEAVES}],
    "checks": [],
    "verdicts": [
        {"citation": 1, "verdict": "supports", "by": "ann", "at": DECIDED},
    ],
    "approvals": {"needed": 1, "by": []},
    "missing": [],
    "why_not": "",
    "decisions": [],
    "changes": [],
}
DELIVERY_BRIEF: dict[str, Any] = {
    "id": DELIVERY,
    "job": JOB,
    "destination": "crm",
    "kind": "webhook",
    "status": "delivered",
    "failure_class": "",
    "tries": 1,
    "result_version": 1,
    "webhook_id": f"msg_{DELIVERY.replace('-', '')}",
    "request_sha256": REQUEST_SHA256,
    "created_at": DECIDED,
    "next_try_at": None,
    "finished_at": DELIVERED,
}
TRY = {
    "number": 1,
    "started_at": UNDONE_NO_MORE,
    "ended_at": DELIVERED,
    "http_status": 200,
    "milliseconds": 412,
    "outcome": "HTTP 200",
}
TOKENS = {"input_tokens": 850, "output_tokens": 137, "total_tokens": 987}

ANSWERS: dict[str, Any] = {
    "JobBrief": JOB_BRIEF,
    "JobDetail": JOB_DETAIL,
    "ResultView": VERSION | {"approved": True},
    "EvidenceView": {
        "attempt": 1,
        "position": 2,
        "kind": "web_search",
        "label": "shore power ferries",
        "text": "",
        "sources": [{"url": "https://port.example/report", "snippet": QUOTE}],
    },
    "AttemptView": {
        "uuid": "570a85de-4d43-4492-b598-0dd152ccc0a2",
        "number": 1,
        "tries": 1,
        "reason": "first",
        "input": None,
        "follows": None,
        "response_id": "resp_10d02bf12c88ebd69b395cdc9534617ae3d0726bd4cea5b5",
        "provider_status": "completed",
        "created_at": STARTED,
        "accepted_at": STARTED,
        "ended_at": ANSWERED,
        "settled_at": ANSWERED,
        "deleted_at": None,
        "failure_class": "",
        "failure_code": "",
        "failure_message": "",
        "follow_up": "completed",
        "cost": COST,
    }
    | TOKENS,
    "EventView": {
        "seq": 3,
        "kind": "status",
        "was": "running",
        "became": "completed",
        "actor": "system",
        "note": "",
        "data": {"result": 1, "sha256": CONTENT_SHA256},
        "at": ANSWERED,
        "digest": "9accb638b48c96f542e91a449f6aefd9b1685036765e28297a4bea4c78d1ea2c",
    },
    "JobTypeView": {
        "name": "research-brief",
        "title": "Research brief",
        "description": "An answer to a question, each statement with its source.",
        "version": 1,
        "input_schema": {
            "type": "object",
            "properties": {"question": {"type": "string", "minLength": 1}},
            "required": ["question"],
            "additionalProperties": False,
        },
        "output_schema": None,
    },
    "ThreadView": {
        "id": THREAD,
        "key": "user:42/topic:harbour",
        "state": "idle",
        "owner": "shop",
        "active_job": None,
        "metadata": {},
        "created_at": SUBMITTED,
        "expires_at": None,
        "max_messages": None,
        "max_age_seconds": None,
        "archived_at": None,
        "deleted_at": None,
        "trouble": "",
        "links": {"self": f"{HOST}/threads/{THREAD}/"}
        | {name: f"{HOST}/threads/{THREAD}/{name}/" for name in VIEWED},
    },
    "StatsView": {
        "messages": 2,
        "jobs": 1,
        "jobs_by_status": {"delivered": 1},
        "attempts": 1,
        "conversations": 1,
        "items_copied": 0,
        "last_run_at": STARTED,
        "age_seconds": 2_478,
        "cost": COST,
    }
    | TOKENS,
    "ReviewBrief": REVIEW_BRIEF,
    "ReviewDetail": REVIEW_DETAIL,
    "VersionBrief": VERSION_BRIEF,
    "VersionView": VERSION | {"against": None, "diff": ""},
    "DeliveryBrief": DELIVERY_BRIEF,
    "DeliveryDetail": DELIVERY_BRIEF
    | {
        "attempts": [TRY],
        "advice": "",
        "explanation": "The delivery to crm is delivered. HTTP 200.",
        "next_action": None,
    },
    "AnewView": {
        "seen": SEEN,
        "requests": [{"destination": "crm", "kind": "webhook", "request": LEAVES}],
        "approvals": {"needed": 1, "by": []},
        "why_not": "",
    },
    "CallView": {
        "call_id": "call_1",
        "call_sha256": SEEN,
        "kind": "function",
        "name": "order_status",
        "arguments": '{"order": "4711"}',
        "asked_at": ANSWERED,
    },
}

"""What the schema shows of requests and answers: by shape, one each."""

from typing import Any

SEEN = "9b74c9897bac770ffc029102a200c5de3ac9d9c1a0f1f3f1a9f1e6a2d2b5c7e1"
JOB = "5f0c2a52-6d0e-4a2f-9a53-0d6a3a0d7c11"
ROW = {"type": "freeform", "input": {"prompt": "Say hello."}}
SUBMISSION = ROW | {
    "title": "A line",
    "metadata": {"ticket": "4711"},
    "deadline_seconds": 3_600,
}
NOTE = {"note": "Asked for on the phone."}

EXAMPLES: dict[str, Any] = {
    "Submission": SUBMISSION,
    "Row": ROW,
    "Submissions": {"jobs": [ROW, ROW | {"title": "Another line"}]},
    "SubmittedMany": {
        "jobs": [
            {
                "id": JOB,
                "status": "queued",
                "link": f"https://review.example.com/api/v1/jobs/{JOB}/",
            }
        ]
    },
    "NewThread": {"key": "user:42/topic:refunds", "metadata": {"team": "shop"}},
    "Note": NOTE,
    "Retry": {"note": "The order number was wrong.", "input": {"text": "Order 4712."}},
    "Reason": {"reason": "The customer called it off."},
    "Approval": {"seen": SEEN, "comment": "Sent to the new address."},
    "Claim": {"take_over": True},
    "Verdict": {"verdict": "approve", "seen": SEEN, "comment": "Checked."},
    "CheckDone": {"name": "sums", "passed": True, "seen": SEEN},
    "CitationFound": {"citation": 1, "verdict": "supports", "seen": SEEN},
    "Edit": {"text": "We send you a new jar.", "seen": SEEN, "comment": "Shorter."},
    "Judged": {"done": True},
    "Outputs": {
        "outputs": [
            {"call_id": "call_1", "call_sha256": SEEN, "output": {"state": "sent"}}
        ]
    },
}

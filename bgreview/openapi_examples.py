"""What the schema shows of requests and answers: by shape, one each."""

from typing import Any

from bgreview.openapi_answers import ANSWERS, HOST, JOB, SEEN

ROW = {"type": "freeform", "input": {"prompt": "Say hello."}}
SUBMISSION = ROW | {
    "title": "A line",
    "metadata": {"ticket": "4711"},
    "deadline_seconds": 3_600,
}
NOTE = {"note": "Asked for on the phone."}

EXAMPLES: dict[str, Any] = ANSWERS | {
    "Submission": SUBMISSION,
    "Row": ROW,
    "Submissions": {"jobs": [ROW, ROW | {"title": "Another line"}]},
    "SubmittedMany": {
        "jobs": [
            {
                "id": JOB,
                "status": "queued",
                "link": f"{HOST}/jobs/{JOB}/",
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

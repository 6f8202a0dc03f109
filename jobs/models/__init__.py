"""The rows of a job's life, a file per noun."""

from jobs.models.attempt import Attempt, RawResponse
from jobs.models.conversation import Conversation, ThreadItem
from jobs.models.event import EventNote, JobEvent
from jobs.models.evidence import Citation, EvidenceTrace, ToolCall
from jobs.models.finding import Finding
from jobs.models.idempotency_key import IdempotencyKey
from jobs.models.job import Job
from jobs.models.job_type import JobType, JobTypeVersion
from jobs.models.pause import Pause
from jobs.models.price import Price
from jobs.models.receipt import WebhookReceipt
from jobs.models.result import Result
from jobs.models.start_limit import StartLimit
from jobs.models.sweep import Sweep
from jobs.models.thread import Thread
from jobs.models.token import ApiToken

__all__ = [
    "ApiToken",
    "Attempt",
    "Citation",
    "Conversation",
    "EventNote",
    "EvidenceTrace",
    "Finding",
    "IdempotencyKey",
    "Job",
    "JobEvent",
    "JobType",
    "JobTypeVersion",
    "Pause",
    "Price",
    "RawResponse",
    "Result",
    "StartLimit",
    "Sweep",
    "Thread",
    "ThreadItem",
    "ToolCall",
    "WebhookReceipt",
]

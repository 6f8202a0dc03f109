"""The pages of the jobs app, a file per noun; importing them registers them."""

from jobs.admin import (
    finding,
    history,
    job,
    job_type,
    pause,
    price,
    receipt,
    start_limit,
    sweep,
    thread,
    token,
)

__all__ = [
    "finding",
    "history",
    "job",
    "job_type",
    "pause",
    "price",
    "receipt",
    "start_limit",
    "sweep",
    "thread",
    "token",
]

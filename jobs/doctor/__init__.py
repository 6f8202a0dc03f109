"""The doctor: looks for rows that break a promise, and mends what is safe to mend."""

from jobs.doctor import house, rows, threads

__all__ = ["house", "rows", "threads"]

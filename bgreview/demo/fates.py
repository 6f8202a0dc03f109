"""Whether each scene ended as it should: by our rows, and by what others got."""

import email
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.policy import default
from typing import Any

from bgreview.demo.catalogue import TO_MAIL
from bgreview.demo.people import HOUSE
from bgreview.demo.place import Place
from bgreview.demo.provider import Provider
from bgreview.demo.receiver import read_ledger
from bgreview.demo.reviewers import objection
from bgreview.demo.scenes import LEFT_FOR_YOU, Scene
from jobs.models import Job, Result
from jobs.services.verify import broken_links

RULE = re.compile(rb"^-{79}\n", re.MULTILINE)  # between mails in Django's files


@dataclass(frozen=True)
class Ending:
    """How a job came out; `failures`: of its attempts, but for those we lost."""

    status: str
    webhooks: int = 0
    mails: int = 0
    failures: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    stopped: bool = False
    wrong: tuple[str, ...] = ()

    @property
    def in_troubles(self) -> "Ending":
        """What counts if faults may have cost tries, or a stop its time."""
        failures = self.failures[-1:] if self.status == "failed" else ()
        return replace(self, failures=failures, stopped=False)

    def __str__(self) -> str:
        said = [self.status]
        said += [f"{self.webhooks} by webhook"] * bool(self.webhooks)
        said += [f"{self.mails} by mail"] * bool(self.mails)
        said += [f"after {failure}" for failure in self.failures]
        said += [f"flagged {flag}" for flag in self.flags]
        said += ["stopped at the provider"] * self.stopped
        return ", ".join([*said, *self.wrong])


EXPECTED = {
    "delivered_by_webhook": Ending("delivered", webhooks=1),
    "delivered_by_mail": Ending("delivered", mails=1),
    "failed_once_then_delivered": Ending(
        "delivered", webhooks=1, failures=("transient",)
    ),
    "failed_on_bad_input": Ending("failed", failures=("malformed_input",)),
    "refused_by_model_then_rejected": Ending("rejected", flags=("refused",)),
    "rejected": Ending("rejected"),
    "cancelled": Ending("cancelled", stopped=True),
}


def expected(scene: Scene, result: Result | None) -> Ending:
    """What its file says; of one left for the visitor, what our reviewers say."""
    if scene.fate != LEFT_FOR_YOU:
        return EXPECTED[scene.fate]
    if objection(scene.key, result):
        return EXPECTED["rejected"]
    by_mail = scene.type in TO_MAIL
    return EXPECTED["delivered_by_mail" if by_mail else "delivered_by_webhook"]


@dataclass(frozen=True)
class Fate:
    """A scene's end as it should be, and as it was seen; `troubled`: in chaos."""

    scene: Scene
    expected: Ending
    seen: Ending
    troubled: bool = False

    @property
    def is_right(self) -> bool:
        if self.troubled:
            return self.seen.in_troubles == self.expected.in_troubles
        return self.seen == self.expected


class Witnesses:
    """What the receiver, the mailbox and the provider have seen by now."""

    def __init__(self, place: Place, provider: Provider, *, troubled: bool) -> None:
        self._troubled = troubled
        self.received = read_ledger(place.ledger)
        self.responses = provider.ledger()
        self.mails = list(_mails(place))
        self._events = {line["webhook_id"]: line["event"] for line in self.received}

    def fate_of(self, scene: Scene, public_id: str) -> Fate:
        """How this scene should have ended, and how it did."""
        job = Job.objects.get(public_id=public_id)
        wanted = expected(scene, job.latest_result)
        return Fate(scene, wanted, self._ending(job), self._troubled)

    def _ending(self, job: Job) -> Ending:
        public_id, result = str(job.public_id), job.latest_result
        hooks, mails = self._webhooks(public_id), self.mails_about(public_id)
        runs = [r for r in self.responses if r["metadata"].get("job") == public_id]
        failed = job.attempts.exclude(failure_class__in=["", "lost"])
        failures = failed.order_by("number").values_list("failure_class", flat=True)
        return Ending(
            job.status,
            webhooks=len(hooks),
            mails=len(mails),
            failures=tuple(failures),
            flags=tuple(result.flags) if result else (),
            stopped=bool(runs) and all(run["cancelled"] for run in runs),
            wrong=(*broken_links(job), *_not_as_approved(job, hooks, mails)),
        )

    def _webhooks(self, public_id: str) -> list[dict[str, Any]]:
        """What the receiver got of this job; a repeat has the same id."""
        found = [event["data"] for event in self._events.values()]
        return [data for data in found if data["job"]["id"] == public_id]

    def mails_about(self, public_id: str) -> list[str]:
        return [text for text in self.mails if public_id in text]


def _not_as_approved(
    job: Job, hooks: list[dict[str, Any]], mails: list[str]
) -> Iterator[str]:
    """What arrived, but with another content than the approved one."""
    if any(data["content_sha256"] != job.approved_hash for data in hooks):
        yield "the webhook's content is not the approved one"
    approved = job.results.filter(content_hash=job.approved_hash).last()
    content = " ".join(str(approved.content).split()) if approved else ""
    if any(content not in " ".join(text.split()) for text in mails):
        yield "the mail's content is not the approved one"


def _mails(place: Place) -> Iterator[str]:
    """The letters in the files of Django's file backend, which may hold several.

    Notices to our own people are none of them.
    """
    for path in place.mail.glob("*.log"):
        for raw in RULE.split(path.read_bytes()):
            if raw.strip():
                message = email.message_from_bytes(raw, policy=default)
                if HOUSE not in str(message["to"]):
                    yield str(message.get_content())

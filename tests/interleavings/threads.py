"""The same in one thread: whose turn it is, whoever dies, decides or comes late."""

from django.utils import timezone
from hypothesis.stateful import invariant, rule

from jobs.models import Attempt, Conversation, Job, Pause, Thread
from jobs.provider.base import ItemPage
from jobs.services.claim import LEASE, claim_jobs, claim_suspect
from jobs.services.errands import Errand
from jobs.services.thread_steps import Step, claim_thread_steps, note_thread_step
from jobs.services.turns import release_turns
from tests.interleavings.machine import Interleavings

STEPS = 20  # more than any of these threads is ever owed


class InOneThread(Interleavings):
    """All jobs are of one thread, and a sweep sees to it before it claims."""

    where = {"thread": "user:42"}

    @rule()
    def give_turns_back(self) -> None:
        self.see_to_thread()

    @invariant()
    def one_job_is_at_work(self) -> None:
        """The one that has the turn; also while an answer may be in the air."""
        here = Attempt.objects.exclude(conversation=None)
        at_work = set(here.filter(ended_at=None).values_list("job", flat=True))
        at_work |= set(here.in_the_air(timezone.now()).values_list("job", flat=True))
        with_turn = Thread.objects.exclude(active_job=None)
        assert at_work <= set(with_turn.values_list("active_job", flat=True))

    def claimed(self) -> list[Errand]:
        self.see_to_thread()
        errands = super().claimed()
        assert len({e.job.pk for e in errands if e.request}) <= 1, "two turns at once"
        return errands

    def see_to_thread(self) -> None:
        release_turns()
        for _ in range(STEPS):
            Thread.objects.filter(wake_at__gt=timezone.now()).update(
                wake_at=timezone.now()
            )
            errands = claim_thread_steps(10)
            if not errands:
                break
            for errand in errands:
                errand.reply = REPLIES[errand.step]
                if errand.step is Step.MAKE:
                    errand.reply = f"conv_{errand.conversation.pk}"
                note_thread_step(errand)
        release_turns()

    def nothing_sleeps_for_ever(self) -> None:
        """Whose turn it is, is looked at; the others wait for nobody but each other."""
        Pause.objects.active().update(ended_at=timezone.now())
        waiting = [at for job in self.before.jobs.values() if (at := job["wake_at"])]
        self.clock.move_to(max([timezone.now() + LEASE, *waiting]))
        self.see_to_thread()
        claim_jobs(100)
        while claim_suspect():
            pass
        due = Job.objects.due(timezone.now())
        assert not due.in_turn().exists(), "it would sleep for ever"
        assert Conversation.objects.filter(ended_at=None).count() <= 1


REPLIES = {
    Step.MAKE: "",
    Step.LIST: ItemPage((), more=False),
    Step.COPY: ItemPage((), more=False),
    Step.TAKE_OUT: None,
    Step.DELETE: None,
}

"""Carries errands to the provider, on an event loop in a thread of its own.

The sweep's own thread stays plain synchronous Django; between the two are queues.
"""

import asyncio
import threading
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self

from jobs.models import Pause, ToolCall
from jobs.provider.base import Phase, Provider, ProviderFault
from jobs.provider.factory import open_provider
from jobs.services.errands import Errand, Kind
from jobs.services.inquiries import Inquiry
from jobs.services.look_ups import SECONDS, LookUp, Unanswered, look_up
from jobs.services.thread_steps import Step, ThreadErrand

ROOM = 200  # requests in flight
CLOSING = 15  # seconds for the last requests and the client


@dataclass
class Probe:
    """A cheap call that tells whether a pause may end."""

    pause: Pause
    reply: ProviderFault | None = None


Carried = Errand | Inquiry | Probe | LookUp | ThreadErrand


class Courier:
    """`with Courier() as courier`: send errands, collect them with their replies."""

    def __enter__(self) -> Self:
        self.in_flight = 0
        self._back: SimpleQueue[Carried] = SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._provider: Provider = self._run(open_provider())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._run(self._provider.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSING)
        self._loop.close()

    @property
    def room(self) -> int:
        return ROOM - self.in_flight

    def send(self, errands: Iterable[Carried]) -> None:
        for errand in errands:
            self.in_flight += 1
            asyncio.run_coroutine_threadsafe(self._carry(errand), self._loop)

    def collect(self, *, wait: float, most: int) -> list[Carried]:
        """Those that are back: waits for one, and takes what is there with it."""
        found: list[Carried] = []
        try:
            found.append(self._back.get(timeout=wait))
            while len(found) < most:
                found.append(self._back.get_nowait())
        except Empty:
            pass
        self.in_flight -= len(found)
        return found

    async def _carry(self, errand: Carried) -> None:
        if isinstance(errand, LookUp):
            errand.replies = await asyncio.gather(*map(self._look_up, errand.calls))
            self._back.put(errand)
            return
        try:
            if isinstance(errand, Probe):
                await self._provider.probe()
            elif isinstance(errand, Inquiry):
                errand.reply = await self._inquire(errand)
            elif isinstance(errand, ThreadErrand):
                errand.reply = await self._take_step(errand)
            else:
                errand.reply = await self._ask(errand)
        except ProviderFault as fault:
            errand.reply = fault
        except Exception as error:  # a mistake of ours: told, and judged as unknown
            started = isinstance(errand, Errand) and errand.kind is Kind.START
            phase = Phase.START if started else Phase.LOOK
            errand.reply = ProviderFault(repr(error), phase=phase, code="our_bug")
        self._back.put(errand)

    async def _ask(self, errand: Errand) -> Any:
        known = errand.attempt.response_id or ""
        match errand.kind:
            case Kind.START:
                assert errand.request is not None
                return await self._provider.start(errand.request)
            case Kind.LOOK:
                return await self._provider.look(known)
            case Kind.STOP:
                return await self._provider.cancel(known)
            case Kind.DELETE:
                return await self._provider.delete(known)

    async def _take_step(self, errand: ThreadErrand) -> Any:
        known = errand.conversation.conversation_id or ""
        match errand.step:
            case Step.MAKE:
                return await self._provider.make_conversation(errand.metadata)
            case Step.COPY | Step.LIST:
                return await self._provider.list_items(known, after=errand.at)
            case Step.TAKE_OUT:
                return await self._provider.take_out(known, errand.at)
            case Step.DELETE:
                return await self._provider.delete_conversation(known)

    async def _inquire(self, inquiry: Inquiry) -> Any:
        ask = self._provider.cancel if inquiry.stops else self._provider.look
        return await ask(inquiry.receipt.response_id)

    async def _look_up(self, call: ToolCall) -> str | Unanswered:
        """In a thread of its own: it cannot be ended, only waited for no longer."""
        told: asyncio.Future[str | Unanswered] = self._loop.create_future()

        def tell(answer: str | Unanswered) -> None:
            if not told.done():
                told.set_result(answer)

        def work() -> None:
            try:
                answer: str | Unanswered = look_up(call)
            except Unanswered as why:
                answer = why
            except BaseException as error:
                answer = Unanswered(f"{type(error).__name__}: {error}"[:500])
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(tell, answer)

        threading.Thread(target=work, daemon=True).start()
        try:
            async with asyncio.timeout(SECONDS):
                return await told
        except TimeoutError:
            return Unanswered(f"Its handler gave no answer within {SECONDS} s.")

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(CLOSING)

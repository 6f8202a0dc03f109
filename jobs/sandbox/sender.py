"""Sends the events of responses that have ended, until they are acknowledged.

Nobody has to ask for a response to end: it ends by the clock, and a timer waits for
that. The mischief that is ordered is played here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import httpx2

from .endpoints import Endpoint, Endpoints, new_secret
from .events import RESPONSE_EVENTS, Delivery, Event
from .items import new_id
from .orders import Orders
from .store import Run, Store

PATIENCE = 10.0  # seconds for one answer, on any scale
AT_ONCE = 50
# Seconds before each try: about three days of them.
WAITS = [0, *(min(5 * 2**tries, 3600) for tries in range(82))]
DELAY = 60.0
HELD_BACK = 60.0
STALE = timedelta(hours=1)


class Sender:
    """What tells endpoints; works while its application is up."""

    def __init__(self, store: Store, endpoints: Endpoints, orders: Orders) -> None:
        self.store, self.endpoints, self.orders = store, endpoints, orders
        self.tasks: set[asyncio.Task[None]] = set()
        self.room = asyncio.Semaphore(AT_ONCE)
        self.passing = asyncio.Condition()
        self.passed = 0

    @cached_property
    def client(self) -> httpx2.AsyncClient:
        """Made for the first event: it takes its time."""
        return httpx2.AsyncClient(timeout=PATIENCE, trust_env=False)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        yield
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if "client" in vars(self):
            await self.client.aclose()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def expect(self, run: Run) -> None:
        """See to it that its end is told when it comes."""
        if run.background:
            self.wait_for(run)

    def wait_for(self, run: Run) -> None:
        # A timer, not a task: there are many of them, and most are of no consequence.
        now = self.store.clock()
        if now < run.ends_at:
            loop = asyncio.get_running_loop()
            loop.call_later(run.ends_at - now, self.wait_for, run)
        elif not run.is_cancelled(now):
            self.tell(run)

    def tell(self, run: Run) -> None:
        """Tell the status it has now to all that want to know."""
        now = self.store.clock()
        event = Event(f"response.{run.status(now)}", run.id, now)
        if event.type not in RESPONSE_EVENTS or not run.findable:
            return
        for endpoint in self.endpoints.for_type(event.type):
            delivery = Delivery(event, endpoint.id)
            run.deliveries.append(delivery)
            self.start(self.deliver(delivery, endpoint))

    async def deliver(self, delivery: Delivery, endpoint: Endpoint) -> None:
        strikes = self.orders.strikes
        if strikes("webhook-drop"):
            return
        if strikes("webhook-forge"):
            await self.post(forged(delivery.event), endpoint, [new_secret()])
        if order := strikes("webhook-delay"):
            await asyncio.sleep(DELAY * order.scale)
        if order := strikes("webhook-reorder"):
            await self.let_another_pass(HELD_BACK * order.scale)
        if strikes("webhook-duplicate"):
            self.start(self.send(delivery, endpoint))
        for wait in WAITS:
            await asyncio.sleep(wait * self.store.scale)
            if delivery.acknowledged or endpoint.id not in self.endpoints.known:
                return
            await self.send(delivery, endpoint)

    async def send(self, delivery: Delivery, endpoint: Endpoint) -> None:
        """One try."""
        age = STALE if self.orders.strikes("webhook-stale") else timedelta()
        delivery.sent += 1
        delivery.answered = await self.post(delivery.event, endpoint, age=age)
        if delivery.answered and delivery.answered // 100 == 2:
            delivery.acknowledged = True
        async with self.passing:
            self.passed += 1
            self.passing.notify_all()

    async def post(
        self,
        event: Event,
        endpoint: Endpoint,
        secrets: list[str] | None = None,
        age: timedelta = timedelta(),
    ) -> int | None:
        """The status of the answer; None when there was none."""
        # Signed by the time that others have, whatever clock we go by.
        at = datetime.now(UTC) - age
        secrets = secrets or endpoint.secrets(self.store.clock())
        try:
            async with self.room, asyncio.timeout(PATIENCE):
                said = await self.client.post(
                    endpoint.url,
                    content=event.body(),
                    headers=event.headers(secrets, at),
                )
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError):
            return None
        return said.status_code

    async def let_another_pass(self, patience: float) -> None:
        """Wait until another event was sent, but not forever."""
        seen = self.passed
        try:
            async with asyncio.timeout(patience), self.passing:
                await self.passing.wait_for(lambda: self.passed > seen)
        except TimeoutError:
            return


def forged(event: Event) -> Event:
    """An event that never was, about a response that is."""
    return replace(event, id=new_id("evt"), webhook_id=new_id("wh"))

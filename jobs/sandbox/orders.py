"""Orders for faults: which, on what call, how often and for how long; and the dice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .answers import Endpoint, answer, read_json
from .errors import missing, unknown_parameter, wrong_value
from .faults import FAULTS
from .plays import Call
from .store import Clock
from .strictness import check_range, check_type

FIELDS = {
    "fault": "string",
    "on": "string|array?",
    "rate": "number?",
    "count": "integer?",
    "seconds": "number?",
    "scale": "number?",
}
ENDLESS = float("inf")
LIMITS = {
    "rate": (0, 1),
    "count": (1, ENDLESS),
    "seconds": (0, ENDLESS),
    "scale": (0, ENDLESS),
}


@dataclass
class Order:
    """One fault to be played, and how much of it is left to play."""

    fault: str
    on: tuple[str, ...]
    rate: float
    left: float
    until: float
    scale: float
    dice: Random

    def stands(self, now: float) -> bool:
        return self.left > 0 and now < self.until

    def shown(self) -> dict[str, Any]:
        return {
            "fault": self.fault,
            "on": list(self.on),
            "rate": self.rate,
            "left": None if self.left == ENDLESS else self.left,
            "until": None if self.until == ENDLESS else self.until,
            "scale": self.scale,
        }


class Orders:
    """The orders that stand, and a count of all that was played."""

    def __init__(self, scale: float, clock: Clock, seed: int | None = None) -> None:
        self.scale, self.clock = scale, clock
        self.seed = Random().getrandbits(32) if seed is None else seed  # noqa: S311
        self.standing: list[Order] = []
        self.played: Counter[tuple[str, str]] = Counter()

    def place(
        self,
        fault: str,
        *,
        on: Iterable[str] | str | None = None,
        rate: float | None = None,
        count: int | None = None,
        seconds: float | None = None,
        scale: float | None = None,
    ) -> Order:
        """Order a fault: on all the calls it can hit, each time, until cleared.

        `scale` multiplies its own durations, and `seconds`, in place of ours.
        """
        if fault not in FAULTS:
            raise wrong_value("fault", fault, FAULTS)
        calls = (on,) if isinstance(on, str) else tuple(on or FAULTS[fault].on)
        for call in calls:
            if call not in FAULTS[fault].on:
                raise wrong_value("on", call, FAULTS[fault].on)
        scale = self.scale if scale is None else scale
        order = Order(
            fault=fault,
            on=calls,
            rate=1 if rate is None else rate,
            left=count or ENDLESS,
            until=ENDLESS if seconds is None else self.clock() + seconds * scale,
            scale=scale,
            # Its own dice, so that what strikes does not hang on what else is asked.
            dice=Random(f"{self.seed} {fault} {' '.join(calls)}"),  # noqa: S311
        )
        self.standing.append(order)
        return order

    def clear(self) -> None:
        self.standing.clear()

    def draw(self, call: str, fits: Callable[[Order], bool]) -> Order | None:
        """The first order that strikes this call, if one does."""
        if not self.standing:
            return None
        now = self.clock()
        self.standing = [order for order in self.standing if order.stands(now)]
        for order in self.standing:
            if call in order.on and fits(order) and order.dice.random() < order.rate:
                order.left -= 1
                self.played[order.fault, call] += 1
                return order
        return None

    def strikes(self, fault: str) -> Order | None:
        """The order for this mischief, if it strikes the webhook at hand."""
        return self.draw("webhook", lambda order: order.fault == fault)

    def counts(self) -> dict[str, dict[str, int]]:
        """How often each fault was played, by call."""
        found: dict[str, dict[str, int]] = {}
        for (fault, call), times in self.played.items():
            found.setdefault(fault, {})[call] = times
        return found


def faulty(call: str, endpoint: Endpoint) -> Endpoint:
    """The endpoint, with what goes wrong on this call where that is ordered."""

    async def perhaps_broken(request: Request) -> Response:
        def asked(order: Order) -> Call:
            return Call(request, endpoint, order.scale)

        orders = orders_of(request)
        order = orders.draw(call, lambda one: FAULTS[one.fault].fits(asked(one)))
        if order is None:
            return await endpoint(request)
        said = await FAULTS[order.fault].play(asked(order))
        if run := asked(order).run:
            run.faults[order.fault] += 1
        return said

    return perhaps_broken


# ---- the API: for those who try things out, so without a key ------------------------


async def place(request: Request) -> Response:
    body = await read_json(request)
    check_type("body", body, "object")
    for name, value in body.items():
        if name not in FIELDS:
            raise unknown_parameter(name)
        check_type(name, value, FIELDS[name])
        check_range(name, value, *LIMITS[name]) if name in LIMITS else None
    if "fault" not in body:
        raise missing("fault")
    return answer(orders_of(request).place(**body).shown(), 201)


async def list_all(request: Request) -> Response:
    orders = orders_of(request)
    now = orders.clock()
    return answer(
        {
            "object": "list",
            "data": [order.shown() for order in orders.standing if order.stands(now)],
            "seed": orders.seed,
            "known": {
                name: {"says": fault.says, "on": list(fault.on)}
                for name, fault in FAULTS.items()
            },
        }
    )


async def clear(request: Request) -> Response:
    orders_of(request).clear()
    return await list_all(request)


ROUTES = [
    Route("/sandbox/faults", place, methods=["POST"]),
    Route("/sandbox/faults", list_all, methods=["GET"]),
    Route("/sandbox/faults", clear, methods=["DELETE"]),
]


def orders_of(request: Request) -> Orders:
    orders: Orders = request.app.state.orders
    return orders

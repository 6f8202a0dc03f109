"""The demo's receiver on a bad day: it fails, forgets to answer, and dawdles.

`python -m tests.chaos.receiver PORT LEDGER SEED`. What it has noted, it has received:
its ledger is a witness. `POST /hold?seconds=2` has it keep its next answers back.
"""

import asyncio
import os
import sys
from pathlib import Path
from random import Random

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from bgreview.demo.receiver import make_app

FAILS, FORGETS, DAWDLES = 0.05, 0.05, 0.1  # of the requests
LONG = 1.5  # seconds


def troubled(secret: str, ledger: Path, dice: Random) -> Starlette:
    """The receiver; some requests fail before it has them, some after."""
    inner = make_app(secret, ledger)
    hold = {"seconds": 0.0}

    async def receive(request: Request) -> Response:
        roll = dice.random()
        if roll < FAILS:
            return PlainTextResponse("not now", 500)
        answer = await ask(request)
        await asyncio.sleep(hold["seconds"])
        if roll < FAILS + FORGETS:
            return PlainTextResponse("where was I", 502)
        if roll < FAILS + FORGETS + DAWDLES:
            await asyncio.sleep(LONG)
        return answer

    async def ask(request: Request) -> Response:
        route = next(r for r in inner.routes if getattr(r, "path", "") == "/approved")
        assert isinstance(route, Route)
        return await route.endpoint(request)

    async def hold_back(request: Request) -> Response:
        hold["seconds"] = float(request.query_params["seconds"])
        return Response(status_code=204)

    return Starlette(
        routes=[
            Route("/approved", receive, methods=["POST"]),
            Route("/hold", hold_back, methods=["POST"]),
            Mount("/", inner),
        ]
    )


def main(port: str, ledger: str, seed: str) -> None:
    secret = os.environ["DEMO_WEBHOOK_SECRET"]
    app = troubled(secret, Path(ledger), Random(seed))
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])

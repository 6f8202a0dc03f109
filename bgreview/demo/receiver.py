"""A program that receives what was approved, as anybody would write one.

Nothing of bgreview is used here: the package `standardwebhooks` checks the signature,
and the content's hash is made anew. `python -m bgreview.demo.receiver PORT LEDGER`,
with the signing secret in DEMO_WEBHOOK_SECRET.
"""

import json
import os
import sys
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import uvicorn
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route


def make_app(secret: str, ledger: Path) -> Starlette:
    """An app that keeps what is signed with `secret`, one line of JSON each."""

    async def receive(request: Request) -> Response:
        body = await request.body()
        try:
            event = Webhook(secret).verify(body, dict(request.headers))
        except (WebhookVerificationError, ValueError) as error:
            return PlainTextResponse(f"Not accepted: {error}", 400)
        if (found := hash_of(event["data"]["content"])) != hash_said_by(event):
            return PlainTextResponse(f"The content's hash is {found}.", 400)
        note(ledger, request.headers["webhook-id"], event)
        return Response(status_code=204)

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(
        routes=[
            Route("/approved", receive, methods=["POST"]),
            Route("/healthz", healthz),
        ]
    )


def hash_of(content: Any) -> str:
    """SHA-256 of the content as JSON with sorted keys and no spaces."""
    separators = (",", ":")
    text = json.dumps(
        content, sort_keys=True, separators=separators, ensure_ascii=False
    )
    return sha256(text.encode()).hexdigest()


def hash_said_by(event: dict[str, Any]) -> str:
    return str(event["data"]["content_sha256"])


def note(ledger: Path, webhook_id: str, event: dict[str, Any]) -> None:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = {"received_at": at, "webhook_id": webhook_id, "event": event}
    with ledger.open("a") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def read_ledger(ledger: Path) -> list[dict[str, Any]]:
    """What was accepted, repeats included, in the order in which it came."""
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return [json.loads(line) for line in lines]


def main(port: str, ledger: str) -> None:
    app = make_app(os.environ["DEMO_WEBHOOK_SECRET"], Path(ledger))
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])

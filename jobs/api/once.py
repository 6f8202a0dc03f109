"""The header Idempotency-Key: the same request again gets the first answer again."""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from django.contrib.auth.models import User
from django.http import HttpResponse
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from jobs.kit.problems import Conflict, Gone
from jobs.services.answer_once import (
    Answer,
    AnswerErased,
    KeyBusy,
    KeyReused,
    answer_once,
)

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
LONGEST = 255  # characters; IdempotencyKey.key
KEY = re.compile(rf"[\x21-\x7e]{{1,{LONGEST}}}")
RETRY_AFTER = 5  # seconds
SAY = f"From 1 to {LONGEST} visible ASCII characters, none of them a space."

Handler = Callable[..., Any]


def once(handler: Handler, request: Request, about: Mapping[str, str]) -> Handler:
    """The same handler, obeying each key once.

    `about`: whose content its answer may have, "job" or "thread", and the field of the
    answer that names it.

    The key is its owner's and the address's: other people's, and the same one
    elsewhere, are other keys.
    """
    key = request.headers[HEADER]
    if not KEY.fullmatch(key):
        raise ValidationError({HEADER: [SAY]})
    # Of the bytes, not of their meaning: a program that tries again sends the same.
    request_hash = hashlib.sha256(request.body).hexdigest()

    def answer(request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        def work() -> Answer:
            first = handler(request, *args, **kwargs)
            body = JSONRenderer().render(first.data).decode()
            named = {kind: first.data[field] for kind, field in about.items()}
            return Answer(first.status_code, body, **named)

        try:
            given = answer_once(
                owner=cast(User, request.user),
                route=request.path,
                key=key,
                request_hash=request_hash,
                work=work,
            )
        except KeyReused as reused:
            raise Conflict(str(reused)) from reused
        except KeyBusy as busy:
            raise Conflict(str(busy), wait=RETRY_AFTER) from busy
        except AnswerErased as erased:
            raise Gone(str(erased)) from erased
        headers = {REPLAYED: "true"} if given.is_replayed else {}
        return HttpResponse(
            given.body, "application/json", given.status_code, headers=headers
        )

    return answer

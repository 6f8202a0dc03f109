"""A client of bgreview's API and a command line, in one file that you may copy.

It needs Python 3.11 and httpx2, nothing else; with rich beside it, terminals get bars
and tables.

    from bgreview.client import Client

    with Client("https://review.example.com", token) as bgreview:
        job = bgreview.submit("research-brief", {"question": "What is a WAL?"})
        job = bgreview.wait(job, timeout=3600)
        if job.is_approved:
            print(bgreview.result(job).content)

`AsyncClient` has the same methods: `await` them, and `async for` what is iterated.
What goes wrong is a `ClientError`: a `Problem` where the API said no. `verify` is for
receivers of deliveries. `python client.py --help` tells of the command line.
"""

import argparse
import asyncio
import base64
import binascii
import functools
import hashlib
import hmac
import json
import logging
import math
import os
import random
import re
import ssl
import sys
import time
import uuid
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import suppress
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import IntEnum
from ipaddress import ip_address
from itertools import count, islice
from pathlib import Path
from types import UnionType
from typing import (
    Any,
    ClassVar,
    Concatenate,
    Generic,
    ParamSpec,
    Self,
    TypedDict,
    TypeVar,
    Unpack,
    get_args,
    get_origin,
    overload,
)

import httpx2

try:
    import rich.console
    import rich.progress
    import rich.table
    import rich.text
except ImportError:
    HAS_RICH = False
else:
    HAS_RICH = True

P = ParamSpec("P")
T = TypeVar("T")
JSON = dict[str, Any]
log = logging.getLogger("bgreview.client")

TIMEOUT = 30.0  # seconds for one answer
PATIENCE = 60.0  # seconds for which a call is tried again while no answer comes
HOLD = 20  # seconds for which the server is asked to hold a waiting call
SPARE = 10.0  # seconds beyond that, before we take it for dead
BACKOFF = (0.5, 8.0)  # seconds: ceilings of the first and of any wait to try again
POLL = (1.0, 30.0)  # seconds: first and longest between two looks, where none is held
TOLERANCE = 300  # seconds by which the clock of a sender may be off
AGAIN = {429, 502, 503, 504}  # answers that may be others in a moment
# Where no calls are held, or too many already: seconds before we ask for it anew.
NOT_HELD = {404: math.inf, 405: math.inf, 501: math.inf, 503: 30.0}


# ---- what goes wrong -----------------------------------------------------------------


class ClientError(Exception):
    """Whatever goes wrong between us and the API."""


class Unreachable(ClientError):
    """No answer came, however often it was tried: the call may or may not have worked.

    With the key that it was made with, it can be made again without harm.
    """

    def __init__(self, said: str, *, key: str | None = None) -> None:
        super().__init__(said)
        self.key = key


class Unreadable(ClientError):
    """What answers is not this API, or cannot prove it: is the address right?"""


class TimedOut(ClientError):
    """The time to wait is over; `job` is as it was last seen, if it was."""

    def __init__(self, said: str, job: "Job | None" = None) -> None:
        super().__init__(said)
        self.job = job


class Unverified(ValueError):
    """A delivery is not signed as it should be, or not what was approved."""


class Problem(ClientError):
    """The API said no: `status`, `title`, `detail`, and `errors` by field."""

    def __init__(self, status: int, said: Mapping[str, Any]) -> None:
        self.status = status
        self.title = str(said.get("title") or "")
        self.detail = str(said.get("detail") or self.title or f"Status {status}.")
        found = said.get("errors")
        self.errors: JSON = found if isinstance(found, dict) else {}
        lines = [f"{name}: {' '.join(map(str, e))}" for name, e in self.errors.items()]
        super().__init__(f"{status}: {'; '.join([self.detail, *lines])}")


class Invalid(Problem):
    """400, 413, 422: the request must be mended; `errors` says where."""


class Unauthorized(Problem):
    """401: the token is wrong, has expired or was revoked."""


class Forbidden(Problem):
    """403: the token's user lacks a right."""


class NotFound(Problem):
    """404: there is no such thing, or not for you."""


class Conflict(Problem):
    """409: it is not in a state for this; or the key was used for something else."""


class Gone(Problem):
    """410: its content was deleted."""


class Throttled(Problem):
    """429, for longer than we had patience."""


class ServerProblem(Problem):
    """5xx: something is wrong at the server."""


PROBLEMS: dict[int, type[Problem]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    413: Invalid,
    422: Invalid,
    429: Throttled,
}


# ---- what comes back -----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Something the API told; `raw` is all of it, with fields newer than this file."""

    raw: JSON = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class Progress(Answer):
    """`percent` where it can be told, on what `basis`, and a `note`."""

    percent: float | None = None
    basis: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Failure(Answer):
    """Why a job failed: its class, a code and a sentence."""

    class_: str
    code: str = ""
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class NextAction(Answer):
    """What comes next, and who owes it."""

    what: str
    who: str


@dataclass(frozen=True, kw_only=True)
class Waiting(Answer):
    """For what a job waits, since when, and by when at the latest."""

    for_: str
    since: datetime | None = None
    by: datetime | None = None
    next_check_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Job(Answer):
    """A job. What stands below `links` is left out in lists."""

    id: str
    status: str
    type: str
    revision: int
    created_at: datetime
    type_version: int = 0
    title: str = ""
    requester: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    thread: Mapping[str, str] | None = None  # its id and key
    links: Mapping[str, str] = field(default_factory=dict)
    input: Any = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    deadline_at: datetime | None = None
    progress: Progress | None = None
    failure: Failure | None = None
    next_action: NextAction | None = None
    waiting: Waiting | None = None
    explanation: str = ""

    @property
    def is_over(self) -> bool:
        """Nothing will happen to it by itself, but deliveries of what was approved."""
        return self.finished_at is not None

    @property
    def is_approved(self) -> bool:
        """A person said yes to its result."""
        return self.status in ("approved", "delivered")


@dataclass(frozen=True, kw_only=True)
class Submitted(Answer):
    """One of many that were submitted at once."""

    id: str
    status: str
    link: str


@dataclass(frozen=True, kw_only=True)
class Citation(Answer):
    """A source that the passage from `start` to `end` of a result leans on."""

    position: int
    start: int
    end: int
    quote: str = ""
    title: str = ""
    url: str = ""
    file: str = ""


@dataclass(frozen=True, kw_only=True)
class Result(Answer):
    """One version of a job's answer; `approved`: whether it is the approved one."""

    version: int
    approved: bool
    content: Any
    content_sha256: str
    created_at: datetime
    flags: tuple[str, ...] = ()
    citations: tuple[Citation, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Step(Answer):
    """One step that an answer came by."""

    attempt: int
    position: int
    kind: str
    label: str = ""
    text: str = ""
    sources: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Event(Answer):
    """One line of a job's history."""

    seq: int
    kind: str
    at: datetime
    was: str = ""
    became: str = ""
    actor: str = ""
    note: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Thread(Answer):
    """A conversation that jobs share, one at a time; `active_job` has its turn."""

    id: str
    key: str
    state: str
    created_at: datetime
    owner: str = ""
    active_job: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    expires_at: datetime | None = None
    max_messages: int | None = None
    max_age_seconds: int | None = None
    archived_at: datetime | None = None
    deleted_at: datetime | None = None
    trouble: str = ""


@dataclass(frozen=True, kw_only=True)
class ThreadStats(Answer):
    """What happened in a thread, in numbers; `cost` is in dollars."""

    messages: int
    jobs: int
    jobs_by_status: Mapping[str, int] = field(default_factory=dict)
    attempts: int = 0
    conversations: int = 0
    items_copied: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    last_run_at: datetime | None = None
    age_seconds: int = 0
    cost: str | None = None


def _read(kind: type[T], said: Any) -> T:
    """One of the above from JSON; a field that is missing is as it is by default."""
    if not isinstance(said, dict):
        raise Unreadable(f"A {kind.__name__.lower()} was expected, not {said!r:.80}.")
    names = {one.name: one.name.rstrip("_") for one in fields(kind)}  # type: ignore[arg-type]
    try:
        found = {
            one.name: _value(one.type, said[names[one.name]])
            for one in fields(kind)  # type: ignore[arg-type]
            if names[one.name] in said
        }
        return kind(**(found | {"raw": said}))
    except (TypeError, ValueError) as wrong:
        raise Unreadable(f"This is no {kind.__name__.lower()}: {wrong}") from wrong


def _all(kind: type[T], said: Any) -> list[T]:
    if not isinstance(said, list):
        raise Unreadable(f"A list was expected, not {said!r:.80}.")
    return [_read(kind, one) for one in said]


def _value(kind: Any, said: Any) -> Any:
    inner = get_args(kind)
    if said is None or kind is Any:
        return said
    if get_origin(kind) is UnionType:  # X | None
        return _value(inner[0], said)
    if get_origin(kind) is tuple:
        return tuple(_value(inner[0], one) for one in said)
    if kind is datetime:
        return datetime.fromisoformat(said)
    is_ours = isinstance(kind, type) and is_dataclass(kind)
    return _read(kind, said) if is_ours else said


# ---- how a call goes -----------------------------------------------------------------
# What a client does is written once, as generators of steps; `Client` and `AsyncClient`
# differ in nothing but how a step is taken.


@dataclass(frozen=True)
class _Send:
    """Send this request; its answer, or what went wrong, is handed back."""

    method: str
    url: str
    params: Any = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = TIMEOUT


@dataclass(frozen=True)
class _Pause:
    """Wait for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class _Give(Generic[T]):
    """Give this to whoever iterates."""

    item: T


Steps = Generator[_Send | _Pause | _Give[Any], Any, T]
Gives = Generator[_Send | _Pause | _Give[T], Any, Any]
JobOrId = Job | Submitted | str | uuid.UUID
ThreadOrId = Thread | str | uuid.UUID
Said = httpx2.Response | httpx2.RequestError


class _call(Generic[P, T]):
    """A method of both clients that returns what its steps return."""

    def __init__(self, steps: Callable[Concatenate[Any, P], Steps[T]]) -> None:
        self._steps = steps
        functools.update_wrapper(self, steps)  # type: ignore[arg-type]

    @overload
    def __get__(self, client: None, kind: type) -> Self: ...
    @overload
    def __get__(self, client: "Client", kind: type) -> Callable[P, T]: ...
    @overload
    def __get__(
        self, client: "AsyncClient", kind: type
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, client: Any, kind: type) -> Any:
        if client is None:
            return self

        @functools.wraps(self._steps)
        def method(*given: P.args, **named: P.kwargs) -> Any:
            return client._take(self._steps(client, *given, **named))

        return method


class _stream(Generic[P, T]):
    """A method of both clients to iterate over: it yields what its steps give."""

    def __init__(self, steps: Callable[Concatenate[Any, P], Gives[T]]) -> None:
        self._steps = steps
        functools.update_wrapper(self, steps)  # type: ignore[arg-type]

    @overload
    def __get__(self, client: None, kind: type) -> Self: ...
    @overload
    def __get__(self, client: "Client", kind: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(
        self, client: "AsyncClient", kind: type
    ) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, client: Any, kind: type) -> Any:
        if client is None:
            return self

        @functools.wraps(self._steps)
        def method(*given: P.args, **named: P.kwargs) -> Any:
            return client._each(self._steps(client, *given, **named))

        return method


OVER_HTTP = "give over_http=True (on the command line --over-http) if you mean to."


def _checked_url(url: str, over_http: bool) -> httpx2.URL:
    """Where the API is. ValueError: the token would travel where others can read it."""
    try:
        found = httpx2.URL(url.strip())
    except httpx2.InvalidURL as wrong:
        raise ValueError(f"{url!r} is no address: {wrong}") from wrong
    if found.scheme not in ("http", "https") or not found.host:
        raise ValueError(f"{url!r} is no address: it must begin with https://")
    if found.userinfo or found.query or found.fragment:
        raise ValueError("An address without user, query and fragment is needed.")
    if found.scheme == "http" and not over_http and not _is_here(found.host):
        said = f"{found.host} is asked over http: the token could be read on its way;"
        raise ValueError(f"{said} {OVER_HTTP}")
    root = found.path.rstrip("/").removesuffix("/api/v1")
    return found.copy_with(path=f"{root}/api/v1/")


def _is_here(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def _checked_token(token: str) -> str:
    """Refused here, where it is not shown: later it would stand in the error."""
    token = token.strip()
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise ValueError("The token is empty, or has characters that no token has.")
    return token


def _id(given: JobOrId | ThreadOrId) -> str:
    found = str(given) if isinstance(given, str | uuid.UUID) else given.id
    if not re.fullmatch(r"[\w-]+", found, re.ASCII):
        raise ValueError(f"{found!r:.80} is no id.")
    return found


def _without_none(**given: Any) -> JSON:
    return {name: value for name, value in given.items() if value is not None}


class Wishes(TypedDict, total=False):
    """What a submission may say besides type and input."""

    title: str | None
    metadata: Mapping[str, str]
    thread: str | None  # the key of a thread
    on_active: str  # what to do while another job of it runs: queue, reject, cancel
    callback_url: str
    attempt_seconds: int
    deadline_seconds: int


def submission(type: str, input: Mapping[str, Any], **wishes: Unpack[Wishes]) -> JSON:
    """One job to be submitted, as the API takes it."""
    return _without_none(type=type, input=input, **wishes)


def _again_in(said: Said, tries: int, again: Collection[int]) -> float | None:
    """After how many seconds it is worth another try; None: this is the answer."""
    first, longest = BACKOFF
    pause = random.uniform(0, _grown(first, 2, tries, longest))  # noqa: S311
    if isinstance(said, httpx2.RequestError):
        return pause if _may_pass(said) else None
    asked = _retry_after(said)
    if said.status_code in again or (said.status_code == 409 and asked is not None):
        return max(pause, asked or 0)
    return None


def _may_pass(error: BaseException | None) -> bool:
    """A wrong certificate stays wrong, and so does what we should not have said."""
    final = (
        *(ssl.SSLCertVerificationError, httpx2.LocalProtocolError),
        *(httpx2.UnsupportedProtocol, httpx2.DecodingError, httpx2.TooManyRedirects),
    )
    while error is not None:
        if isinstance(error, final):
            return False
        error = error.__cause__ or error.__context__
    return True


def _retry_after(said: httpx2.Response) -> float | None:
    """The header Retry-After: seconds, or a date."""
    value = said.headers.get("Retry-After", "")
    with suppress(ValueError):
        return max(0.0, float(value)) if math.isfinite(float(value)) else None
    with suppress(ValueError, TypeError, IndexError, OverflowError):
        at = parsedate_to_datetime(value)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(0.0, (at - datetime.now(UTC)).total_seconds())
    return None


def _good(said: httpx2.Response) -> httpx2.Response:
    """The answer, or what it says is wrong."""
    if said.is_success or said.status_code == 304:
        return said
    if said.is_redirect:
        place = said.headers.get("Location", "elsewhere")
        raise Unreadable(
            f"{said.request.method} {said.request.url} leads to {place}: give the "
            "address itself. Redirects are not followed, for the token would go along."
        )
    problem = None
    with suppress(ValueError):
        problem = said.json()
    status = said.status_code
    kind = PROBLEMS.get(status, ServerProblem if status >= 500 else Problem)
    raise kind(status, problem if isinstance(problem, dict) else {})


def _json(said: httpx2.Response) -> Any:
    try:
        return said.json()
    except ValueError as wrong:
        what = f"{said.request.method} {said.request.url}"
        kind = said.headers.get("Content-Type", "nothing known")
        raise Unreadable(f"{what} was answered with {kind}, not JSON.") from wrong


def _cursor(address: Any) -> str:
    with suppress(httpx2.InvalidURL, TypeError, KeyError):
        if cursor := httpx2.URL(address).params["cursor"]:
            return cursor
    raise Unreadable(f"The address of the next page has no cursor: {address!r:.80}")


def _poll_in(idle: int) -> float:
    """Seconds to the next look, after so many that showed nothing new."""
    first, longest = POLL
    return _grown(first, 1.5, idle, longest) * random.uniform(0.5, 1)  # noqa: S311


def _grown(first: float, factor: float, times: int, longest: float) -> float:
    return min(longest, first * factor ** min(times, 50))  # days of it overflow floats


def _rests(job: Job, until: Collection[str]) -> bool:
    """Whether to wait no longer: of what is over, only an approved job goes on."""
    return job.status in until or (job.is_over and job.status != "approved")


class _Api:
    """What both clients can do: everything but taking a step."""

    _opens: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout: float = TIMEOUT,
        patience: float = PATIENCE,
        over_http: bool = False,
        transport: Any = None,
    ) -> None:
        """ValueError: it would not be safe to use this address, or this token.

        `timeout`: seconds for one answer; `patience`: for which a call is tried again
        when none comes. `transport`: of httpx2, for a proxy or authorities of yours.
        """
        self._url = _checked_url(url, over_http)
        self._timeout, self._patience = timeout, patience
        self._http = self._opens(
            base_url=self._url,
            headers={"Authorization": f"Token {_checked_token(token)}"},
            follow_redirects=False,
            trust_env=False,  # no .netrc in place of our token
            verify=self._url.scheme == "https",  # with http there is nothing to verify
            transport=transport,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._url)!r})"

    # ---- calls ---------------------------------------------------------------------

    def _ask(
        self,
        method: str,
        path: str,
        *,
        given: Any = None,
        params: Any = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
        again: Collection[int] = AGAIN,
        timeout: float | None = None,
        patience: float | None = None,
    ) -> Steps[httpx2.Response]:
        """Ask until there is an answer that stands, for as long as we have patience.

        Nothing is done twice by that: a POST has a key, which is obeyed once.
        """
        content = None if given is None else json.dumps(given, allow_nan=False).encode()
        said = dict(headers or {})
        if method == "POST":
            said["Idempotency-Key"] = key = key or str(uuid.uuid4())
        if content is not None:
            said["Content-Type"] = "application/json"
        patience = self._patience if patience is None else patience
        send = _Send(method, path, params, content, said, timeout or self._timeout)
        until = time.monotonic() + patience
        for tries in count():
            answer: Said = yield send
            pause = _again_in(answer, tries, again)
            if pause is None or time.monotonic() + pause > until:
                break
            log.warning("%s: again in %.1f s", self._told(send, answer), pause)
            yield _Pause(pause)
        if isinstance(answer, httpx2.RequestError) and not _may_pass(answer):
            raise Unreadable(self._told(send, answer)) from answer
        if isinstance(answer, httpx2.RequestError):
            raise Unreachable(self._told(send, answer), key=key) from answer
        return _good(answer)

    def _told(self, send: _Send, said: Said) -> str:
        what = f"{send.method} {self._url}{send.url}"
        if isinstance(said, httpx2.RequestError):
            return f"{what}: no answer ({str(said) or type(said).__name__})"
        return f"{what}: answered {said.status_code}"

    def _got(self, path: str, **params: Any) -> Steps[Any]:
        return _json((yield from self._ask("GET", path, params=params)))

    def _posted(self, path: str, given: JSON, key: str | None) -> Steps[Any]:
        return _json((yield from self._ask("POST", path, given=given, key=key)))

    def _listed(self, path: str, params: JSON, kind: type[T]) -> Gives[T]:
        """Give each row of each page. Of the address of the next one only its cursor is
        taken: it could lead elsewhere, and the token with it."""
        while True:
            page = yield from self._got(path, **params)
            if not isinstance(page, dict) or "results" not in page:
                raise Unreadable(f"{self._url}{path} was answered with no list.")
            for row in _all(kind, page["results"]):
                yield _Give(row)
            if not page.get("next"):
                return
            before, params = params, params | {"cursor": _cursor(page["next"])}
            if params == before:
                raise Unreadable(f"{self._url}{path} has itself for its next page.")

    # ---- jobs ----------------------------------------------------------------------

    @_call
    def submit(
        self,
        type: str,
        input: Mapping[str, Any],
        *,
        key: str | None = None,
        **wishes: Unpack[Wishes],
    ) -> Steps[Job]:
        """Submit a job of this type. However often it is tried, there is one job.

        With a `key` of your own that holds for a day, across processes too: the same
        submission with the same key is the same job.
        """
        job = submission(type, input, **wishes)
        return _read(Job, (yield from self._posted("jobs/", job, key)))

    @_call
    def submit_bulk(
        self, jobs: Iterable[Mapping[str, Any]], *, key: str | None = None
    ) -> Steps[list[Submitted]]:
        """Submit up to 1,000 jobs at once, all or none; each made by `submission`."""
        said = yield from self._posted("jobs/bulk/", {"jobs": list(jobs)}, key)
        return _all(Submitted, said.get("jobs") if isinstance(said, dict) else None)

    @_call
    def get(self, job: JobOrId) -> Steps[Job]:
        """Where a job is."""
        return _read(Job, (yield from self._got(f"jobs/{_id(job)}/")))

    @_stream
    def jobs(self, **only: Any) -> Gives[Job]:
        """Every job one may see, newest first; `only` with this `status`, `type` ...

        Pages are fetched as you go; `page_size` says how long they are.
        """
        return self._listed("jobs/", only, Job)

    @_call
    def result(self, job: JobOrId) -> Steps[Result]:
        """The approved version; before approval the newest, to those who may see it."""
        return _read(Result, (yield from self._got(f"jobs/{_id(job)}/result/")))

    @_call
    def evidence(self, job: JobOrId) -> Steps[list[Step]]:
        """What the answer was based on, step by step."""
        said = yield from self._got(f"jobs/{_id(job)}/evidence/")
        return _all(Step, said)

    @_call
    def events(self, job: JobOrId) -> Steps[list[Event]]:
        """Its history, from the first line on."""
        said = yield from self._got(f"jobs/{_id(job)}/events/")
        return _all(Event, said)

    @_call
    def cancel(self, job: JobOrId, *, note: str = "") -> Steps[Job]:
        """Cancel it, here and at the provider."""
        said = {"note": note}
        return _read(
            Job, (yield from self._posted(f"jobs/{_id(job)}/cancel/", said, None))
        )

    @_call
    def retry(
        self,
        job: JobOrId,
        *,
        input: Mapping[str, Any] | None = None,
        continue_with: str | None = None,
        note: str | None = None,
    ) -> Steps[Job]:
        """Set a failed, expired or cancelled job going again.

        From the same input, or a corrected one, or on from its last response.
        """
        said = _without_none(input=input, continue_with=continue_with, note=note)
        return _read(
            Job, (yield from self._posted(f"jobs/{_id(job)}/retry/", said, None))
        )

    # ---- threads -------------------------------------------------------------------

    @_call
    def thread(
        self,
        key: str,
        *,
        expires_at: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        max_messages: int | None = None,
        max_age_seconds: int | None = None,
    ) -> Steps[Thread]:
        """The thread of this key, made if there is none; else it stays as it is."""
        said = _without_none(
            key=key,
            expires_at=expires_at and expires_at.isoformat(),
            metadata=metadata,
            max_messages=max_messages,
            max_age_seconds=max_age_seconds,
        )
        return _read(Thread, (yield from self._posted("threads/", said, None)))

    @_call
    def get_thread(self, thread: ThreadOrId) -> Steps[Thread]:
        """Where a thread is."""
        return _read(Thread, (yield from self._got(f"threads/{_id(thread)}/")))

    @_stream
    def threads(self, **only: Any) -> Gives[Thread]:
        """Every thread one may see, newest first; `only` with this `state`, `key`."""
        return self._listed("threads/", only, Thread)

    @_call
    def thread_stats(self, thread: ThreadOrId) -> Steps[ThreadStats]:
        """Its messages, jobs, tokens, age and cost."""
        path = f"threads/{_id(thread)}/stats/"
        return _read(ThreadStats, (yield from self._got(path)))

    @_call
    def archive_thread(self, thread: ThreadOrId) -> Steps[Thread]:
        """Have its items copied and it closed, once its jobs have ended."""
        path = f"threads/{_id(thread)}/archive/"
        return _read(Thread, (yield from self._posted(path, {}, None)))

    @_call
    def delete_thread(
        self, thread: ThreadOrId, *, archive: bool = False
    ) -> Steps[Thread]:
        """Have it deleted: it takes no more jobs, and what runs is cancelled."""
        asked = self._ask(
            "DELETE", f"threads/{_id(thread)}/", params={"archive": archive}
        )
        return _read(Thread, _json((yield from asked)))

    # ---- waiting -------------------------------------------------------------------

    def _watching(
        self,
        job: JobOrId,
        *,
        timeout: float | None = None,
        until: Collection[str] = ("approved",),
    ) -> Generator[_Send | _Pause | _Give[Job], Any, Job]:
        """The job once it is over, or has one of the statuses in `until`.

        The server holds the call until something changes, and may be restarted in the
        middle; where it does not hold calls, we look ever more seldom. After `timeout`
        seconds: TimedOut.
        """
        ends = math.inf if timeout is None else time.monotonic() + timeout
        seen: Job | None = None
        etag, hold_from, idle = "", 0.0, 0
        while seen is None or not _rests(seen, until):
            began = time.monotonic()
            known = seen if began >= hold_from else None
            if seen is not None and began >= ends:
                said = f"Job {seen.id} is {seen.status} after {timeout:g} s."
                raise TimedOut(said, seen)
            try:
                answer = yield from self._look(_id(job), known, etag, ends - began)
            except (Problem, Unreachable) as trouble:
                why = getattr(trouble, "status", None)
                if known and why in NOT_HELD:
                    hold_from = began + NOT_HELD[why]
                    continue
                may_pass = isinstance(trouble, Unreachable | Throttled | ServerProblem)
                if may_pass and ends - began <= self._patience:
                    said = f"Within {timeout:g} s there was no answer: {trouble}"
                    raise TimedOut(said, seen) from trouble
                raise
            etag = answer.headers.get("ETag", "")
            found = None if answer.status_code == 304 else _read(Job, _json(answer))
            if found and (seen is None or found.revision != seen.revision):
                seen, idle = found, 0
                yield _Give(seen)
            elif not known or time.monotonic() - began < POLL[0]:
                idle += 1
                yield _Pause(min(_poll_in(idle), max(0.0, ends - time.monotonic())))
        return seen

    def _look(
        self, job: str, known: Job | None, etag: str, left: float
    ) -> Steps[httpx2.Response]:
        """The job as it is now; as soon as it is another, where one is known."""
        left = max(0.0, left)
        path, params, timeout = f"jobs/{job}/", {}, self._timeout
        headers = {"If-None-Match": etag} if etag else {}
        if known is not None:
            held = max(1, math.ceil(min(HOLD, left)))
            path, params = f"{path}wait/", {"timeout": held, "revision": known.revision}
            timeout, headers = held + SPARE, {}
        return self._ask(
            "GET",
            path,
            params=params,
            headers=headers,
            # Its database may be restarted, too.
            again=(AGAIN | {500}) - (NOT_HELD.keys() if known else set()),
            timeout=min(timeout, left + 1),
            patience=min(self._patience, left),
        )

    wait = _call(_watching)
    watch = _stream(_watching)


class Client(_Api):
    """`with Client(url, token) as bgreview: ...`; may be shared by threads."""

    _opens = httpx2.Client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def _take(self, steps: Steps[T]) -> T:
        said: Any = None
        while True:
            try:
                said = self._do(steps.send(said))
            except StopIteration as end:
                return end.value

    def _each(self, steps: Gives[T]) -> Iterator[T]:
        said: Any = None
        while True:
            try:
                step = steps.send(said)
            except StopIteration:
                return
            said = self._do(step)
            if isinstance(step, _Give):
                yield step.item

    def _do(self, step: _Send | _Pause | _Give[Any]) -> Said | None:
        if isinstance(step, _Pause):
            time.sleep(step.seconds)
        if isinstance(step, _Send):
            try:
                return self._http.request(**vars(step))
            except httpx2.RequestError as error:
                return error
        return None


class AsyncClient(_Api):
    """The same, awaited: `async with AsyncClient(url, token) as bgreview: ...`."""

    _opens = httpx2.AsyncClient

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def _take(self, steps: Steps[T]) -> T:
        said: Any = None
        while True:
            try:
                step = steps.send(said)
            except StopIteration as end:
                return end.value
            said = await self._do(step)

    async def _each(self, steps: Gives[T]) -> AsyncIterator[T]:
        said: Any = None
        while True:
            try:
                step = steps.send(said)
            except StopIteration:
                return
            said = await self._do(step)
            if isinstance(step, _Give):
                yield step.item

    async def _do(self, step: _Send | _Pause | _Give[Any]) -> Said | None:
        if isinstance(step, _Pause):
            await asyncio.sleep(step.seconds)
        if isinstance(step, _Send):
            try:
                return await self._http.request(**vars(step))
            except httpx2.RequestError as error:
                return error
        return None


# ---- receiving -----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Decision(Answer):
    """Who said yes, and when; `id` stands for this yes to this content and no other."""

    id: str
    by: str
    at: str


@dataclass(frozen=True, kw_only=True)
class DeliveredJob(Answer):
    """What a delivery says of its job."""

    id: str
    type: str = ""
    version: int = 0
    title: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Delivery(Answer):
    """An approved result, verified. A repeat has the same `webhook_id`."""

    webhook_id: str
    job: DeliveredJob
    result_version: int
    content: Any
    content_sha256: str
    decision: Decision


@dataclass(frozen=True, kw_only=True)
class Notice(Answer):
    """A signed event without content: `job.failed` of a job, say; or `webhook.test`."""

    webhook_id: str
    type: str
    timestamp: datetime
    job_id: str = ""
    status: str = ""


def verify(
    body: bytes | str,
    headers: Mapping[str, str],
    *secrets: str,
    tolerance: float = TOLERANCE,
    now: float | None = None,
) -> Delivery | Notice:
    """What was sent, if it is signed with one of these secrets and not old.

    Of an approved result it is also verified that this content is the one that was
    approved, by this decision. Unverified: it is not; answer 400. The same may come
    twice, under the same `webhook_id`.
    """
    raw = body.encode() if isinstance(body, str) else bytes(body)
    names = {name.lower(): value for name, value in headers.items()}
    webhook_id = names.get("webhook-id", "")
    _check_signature(
        raw, names, secrets, tolerance, time.time() if now is None else now
    )
    try:
        said = json.loads(raw)
        if "content" in said["data"]:
            return _delivery(webhook_id, said["data"])
        return _notice(webhook_id, said)
    except Unverified:
        raise
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        RecursionError,
    ) as wrong:
        raise Unverified(f"This is no delivery: {wrong!r}") from wrong
    except ClientError as wrong:
        raise Unverified(str(wrong)) from wrong


def _check_signature(
    body: bytes,
    headers: Mapping[str, str],
    secrets: Iterable[str],
    tolerance: float,
    now: float,
) -> None:
    """As https://www.standardwebhooks.com has it; several may sign at once."""
    webhook_id, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not webhook_id or not re.fullmatch(r"[0-9]{1,12}", at):
        raise Unverified("The headers webhook-id and webhook-timestamp are not there.")
    if abs(now - int(at)) > tolerance:
        raise Unverified(f"It is of {abs(now - int(at)):.0f} s ago or ahead: too far.")
    signed = b".".join([webhook_id.encode(), at.encode(), body])
    given = [
        signature.encode()
        for version, _, signature in (
            one.partition(",") for one in headers.get("webhook-signature", "").split()
        )
        if version == "v1"
    ]
    own = [_signature(_key(secret), signed) for secret in secrets]
    if not own:
        raise ValueError("A secret is needed to verify anything.")
    if not any(hmac.compare_digest(mine, theirs) for mine in own for theirs in given):
        raise Unverified("It is not signed with this secret.")


def _signature(key: bytes, signed: bytes) -> bytes:
    return base64.b64encode(hmac.digest(key, signed, "sha256"))


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:  # with an empty one, everybody could sign
        raise ValueError("A secret is whsec_ and some base64.")
    return key


def _delivery(webhook_id: str, data: JSON) -> Delivery:
    found = _read(Delivery, data | {"webhook_id": webhook_id})
    if _sha256(found.content) != found.content_sha256:
        raise Unverified("This is not the content that was approved.")
    decided = [found.job.id, found.content_sha256, found.decision.by, found.decision.at]
    if _sha256(decided) != found.decision.id:
        raise Unverified("This decision was on something else.")
    return found


def _notice(webhook_id: str, said: JSON) -> Notice:
    data = said["data"]
    about = {
        "job_id": data.get("job", {}).get("id", ""),
        "status": data.get("status", ""),
    }
    return _read(Notice, said | about | {"webhook_id": webhook_id})


def _sha256(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


# ---- the command line ----------------------------------------------------------------


class Exit(IntEnum):
    """How a command ended."""

    WELL = 0
    USAGE = 2
    REJECTED = 3
    FAILED = 4
    TIMED_OUT = 5
    NO_ANSWER = 6
    INTERRUPTED = 130
    PIPE_CLOSED = 141


ENDS = {
    "rejected": Exit.REJECTED,
    **dict.fromkeys(("failed", "cancelled", "expired", "abandoned"), Exit.FAILED),
}
COLOURS = {
    **dict.fromkeys(("approved", "delivered", "completed"), "green"),
    **dict.fromkeys(("rejected", "failed", "expired", "abandoned"), "red"),
    **dict.fromkeys(("awaiting_review", "requires_action"), "yellow"),
}
ABOUT = """\
Submit jobs to bgreview, follow them, list them.

The address and the token are read from BGREVIEW_URL and BGREVIEW_TOKEN. What a command
finds goes to standard output, what it does meanwhile to standard error.
"""
WIDE = 110  # columns of a terminal
EXITS = """\
exit codes:
  0    submitted, listed, shown; of --wait and watch: approved or delivered
       (or completed, where nobody has to approve)
  2    wrong usage, or the API refused the request
  3    rejected by a reviewer
  4    failed, cancelled, expired or abandoned
  5    the time of --timeout is over; the job goes on
  6    no answer, or none of this API's
  130  interrupted by Ctrl-C; the job goes on
"""
Options = argparse.Namespace


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if not options.url or not options.token:
        parser.error("set BGREVIEW_URL and BGREVIEW_TOKEN, or give --url and --token")
    try:
        with Client(
            options.url, options.token, over_http=options.over_http
        ) as bgreview:
            code = options.run(bgreview, options)
        sys.stdout.flush()
        return int(code)
    except KeyboardInterrupt:
        return _say("Interrupted.", Exit.INTERRUPTED)
    except BrokenPipeError:  # `list | head`: nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.PIPE_CLOSED
    except TimedOut as late:
        return _say(str(late), Exit.TIMED_OUT)
    except (Unreachable, Unreadable, ServerProblem, Throttled) as silence:
        return _say(str(silence), Exit.NO_ANSWER)
    except (ClientError, ValueError, OSError) as wrong:
        return _say(str(wrong), Exit.USAGE)


def _say(text: str, code: Exit) -> int:
    print(_shown(text), file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    looks = argparse.RawDescriptionHelpFormatter
    common = argparse.ArgumentParser(add_help=False)
    add = common.add_argument_group("where and how").add_argument
    add("--url", default=os.environ.get("BGREVIEW_URL"), help="where bgreview is")
    add(
        "--token",
        default=os.environ.get("BGREVIEW_TOKEN"),
        help="better kept in BGREVIEW_TOKEN: others on this machine see command lines",
    )
    add("--over-http", action="store_true", help="send the token unencrypted")
    add("--json", action="store_true", help="JSON for programs, an object a line")

    parser = argparse.ArgumentParser(
        description=ABOUT, epilog=EXITS, formatter_class=looks
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[..., int]) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name,
            help=run.__doc__,
            description=run.__doc__,
            epilog=EXITS,
            formatter_class=looks,
            parents=[common],
        )
        made.set_defaults(run=run)
        return made

    submit = command("submit", _submit)
    submit.add_argument("type", metavar="TYPE", help="of which type the job is")
    submit.add_argument(
        "--input",
        required=True,
        metavar="FILE",
        help="its input as JSON; - reads stdin",
    )
    submit.add_argument("--title", help="what people see in lists")
    submit.add_argument("--thread", metavar="KEY", help="the thread it belongs to")
    submit.add_argument(
        "--on-active",
        choices=("queue", "reject", "cancel"),
        help="while another job of the thread runs: wait, give up, or cancel that one",
    )
    submit.add_argument(
        "--metadata",
        action="append",
        type=_pair,
        default=[],
        metavar="NAME=VALUE",
        help="kept with the job; may be given several times",
    )
    submit.add_argument(
        "--deadline", type=int, metavar="SECONDS", help="it is over by then, or expires"
    )
    submit.add_argument(
        "--key", help="the same input with the same key, within a day, is the same job"
    )
    submit.add_argument("--wait", action="store_true", help="until the job is over")
    watch = command("watch", _watch)
    watch.add_argument("id", metavar="ID")
    for one in (submit, watch):
        one.add_argument(
            "--timeout",
            type=_seconds,
            metavar="SECONDS",
            help="wait no longer than this",
        )
    result = command("result", _result)
    result.add_argument("id", metavar="ID")
    listing = command("list", _list)
    listing.add_argument("--status", action="append", help="may be given several times")
    listing.add_argument("--type", help="only jobs of this type")
    listing.add_argument("--thread", metavar="KEY", help="only jobs of this thread")
    listing.add_argument(
        "--limit", type=int, default=20, metavar="N", help="how many at most (20)"
    )
    return parser


def _seconds(given: str) -> float:
    seconds = float(given)
    if not 0 <= seconds < math.inf:
        raise ValueError
    return seconds


def _pair(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not name or not equals:
        raise ValueError
    return name, value


def _submit(bgreview: Client, options: Options) -> int:
    """Submit a job, and print its id."""
    given, key = _input(options.input), options.key or str(uuid.uuid4())
    wishes = _without_none(
        title=options.title,
        thread=options.thread,
        on_active=options.on_active,
        metadata=dict(options.metadata) or None,
        deadline_seconds=options.deadline,
    )
    try:
        job = bgreview.submit(options.type, given, key=key, **wishes)
    except (Unreachable, KeyboardInterrupt):
        _say(
            f"It may have been submitted. With --key {key} try again safely.", Exit.WELL
        )
        raise
    # At once: whoever is interrupted while it waits has at least the id.
    print(json.dumps(job.raw) if options.json else job.id, flush=True)
    if options.wait:
        jobs = bgreview.watch(job, timeout=options.timeout)
        job = _followed(_told(jobs) if options.json else jobs)
    return ENDS.get(job.status, Exit.WELL) if options.wait else Exit.WELL


def _watch(bgreview: Client, options: Options) -> int:
    """Follow a job until it is over, and print the status it came to."""
    jobs = bgreview.watch(options.id, timeout=options.timeout)
    job = _followed(_told(jobs) if options.json else jobs)
    if not options.json:
        print(_shown(job.status))
    return ENDS.get(job.status, Exit.WELL)


def _result(bgreview: Client, options: Options) -> int:
    """Print a job's result: its text, or its content as JSON."""
    result = bgreview.result(options.id)
    text = result.content
    if options.json:
        text = json.dumps(result.raw)
    elif not isinstance(text, str):
        text = json.dumps(text, indent=2, ensure_ascii=False)
    is_safe = options.json or not sys.stdout.isatty()
    print(text if is_safe else "\n".join(map(_shown, text.split("\n"))))
    return Exit.WELL


def _list(bgreview: Client, options: Options) -> int:
    """List jobs, the newest first."""
    only = _without_none(
        status=options.status, type=options.type, thread=options.thread
    )
    size = max(1, min(options.limit, 200))
    jobs = islice(bgreview.jobs(**only, page_size=size), max(0, options.limit))
    if options.json:
        return len([*_told(jobs)]) and Exit.WELL
    rows = [
        (job.id, job.status, job.type, f"{job.created_at:%Y-%m-%d %H:%M}", job.title)
        for job in jobs
    ]
    show = _table if HAS_RICH and sys.stdout.isatty() else _columns
    show(("id", "status", "type", "created", "title"), rows)
    return Exit.WELL


def _input(path: str) -> Any:
    text = sys.stdin.read() if path == "-" else Path(path).read_text("utf-8")
    try:
        return json.loads(text)
    except ValueError as wrong:
        name = "The standard input" if path == "-" else path
        raise ValueError(f"{name} is not JSON: {wrong}") from wrong


def _told(jobs: Iterable[Job]) -> Iterator[Job]:
    """The same, each a line of JSON on its way."""
    for job in jobs:
        print(json.dumps(job.raw), flush=True)
        yield job


# ---- how it looks --------------------------------------------------------------------


def _shown(text: str) -> str:
    """Others' words as what they are: nothing that a terminal would obey."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _sentence(job: Job) -> str:
    return f"{job.status.replace('_', ' ')}: {_shown(job.explanation)}"


def _followed(jobs: Iterable[Job]) -> Job:
    """Show each on standard error as it comes; the last."""
    if HAS_RICH and sys.stderr.isatty():
        return _followed_by_bar(jobs)
    for job in jobs:
        print(f"{datetime.now():%H:%M:%S} {_sentence(job)}", file=sys.stderr)
    return job


def _followed_by_bar(jobs: Iterable[Job]) -> Job:
    console = rich.console.Console(stderr=True, markup=False, highlight=False)
    columns = (
        rich.progress.SpinnerColumn(),
        rich.progress.TextColumn("{task.description}", markup=False),
        rich.progress.BarColumn(),
        rich.progress.TaskProgressColumn(show_speed=False),
        rich.progress.TimeElapsedColumn(),
    )
    with rich.progress.Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=None)
        for job in jobs:
            console.print(_sentence(job), style=COLOURS.get(job.status, ""))
            percent = 100 if job.is_over else job.progress and job.progress.percent
            bar.update(
                task,
                description=_shown(job.status.replace("_", " ")),
                total=None if percent is None else 100,
                completed=percent or 0,
            )
    return job


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Of a narrow terminal's width the ids take half: type and time have no room."""
    console = rich.console.Console()
    is_wide = console.width >= WIDE
    wanted = [n for n in names if is_wide or n in ("id", "status", "title")]
    table = rich.table.Table(box=None, header_style="bold")
    for name in wanted:
        table.add_column(name, no_wrap=name != "title")
    for row in rows:
        cells = {
            name: rich.text.Text(_shown(cell))
            for name, cell in zip(names, row, strict=True)
        }
        cells["status"].stylize(COLOURS.get(str(cells["status"]), ""))
        table.add_row(*(cells[name] for name in wanted))
    console.print(table)


def _columns(names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    shown = [names, *([_shown(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


if __name__ == "__main__":
    sys.exit(main())

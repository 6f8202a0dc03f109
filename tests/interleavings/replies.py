"""What a provider may say to an errand: everything, in any order."""

from collections.abc import Callable
from dataclasses import replace

from hypothesis import strategies as st

from jobs.provider.base import (
    Call,
    Phase,
    ProviderFault,
    Snapshot,
    State,
    Step,
    Usage,
)
from jobs.services.errands import Errand, Kind

Reply = Snapshot | ProviderFault
PHASES = {Kind.START: Phase.START, Kind.LOOK: Phase.LOOK, Kind.STOP: Phase.CANCEL}
STEPS = (Step("reasoning", "Thought."), Step("message", "Said."))


def says(state: State, **more) -> Callable[[Errand], Reply]:
    """A snapshot of the errand's own response."""
    said = Snapshot("", state, state.value, "{}", usage=Usage(1, 2, 3), **more)
    return lambda errand: replace(said, response_id=f"resp_{errand.attempt.uuid}")


def fails(code: str) -> Callable[[Errand], Reply]:
    return says(State.FAILED, error_code=code, error_message="Sorry.")


def faults(code: str = "", status: int | None = None, **more) -> Callable[..., Reply]:
    """A call that did not succeed, in the phase that the errand is of."""
    return lambda errand: ProviderFault(
        "Sorry.", phase=PHASES[errand.kind], code=code, http_status=status, **more
    )


REPLIES = {
    "working": says(State.WORKING),
    "further": says(State.WORKING, steps=STEPS[:1]),
    "completed": says(State.COMPLETED, text="Hello.", steps=STEPS),
    "refused": says(State.COMPLETED, refusal="No."),
    "incomplete": says(State.INCOMPLETE, text="Hel", incomplete_reason="steered"),
    "calls": says(State.COMPLETED, calls=(Call("c1", "function", "find", "{}"),)),
    "cancelled": says(State.CANCELLED),
    "unknown": says(State.UNKNOWN),
    "failed transient": fails("server_error"),
    "failed timeout": fails("vector_store_timeout"),
    "failed malformed": fails("invalid_prompt"),
    "failed policy": fails("bio_policy"),
    "failed unknown": fails("novel"),
    "not found": faults(status=404),
    "too many": faults("rate_limit_exceeded", 429, retry_after=30.0),
    "bad gateway": faults(status=502),
    "no connection": faults("no_connection"),
    "bad request": faults("invalid_prompt", 400),
    "bad key": faults("invalid_api_key", 401),
    "no quota": faults("insufficient_quota", 429),
    "too large": faults("too_large"),
}
# Most often what most often comes, else no job would get far.
USUAL = st.sampled_from(["working", "completed", "completed"])
ANY = USUAL | st.sampled_from(sorted(REPLIES))

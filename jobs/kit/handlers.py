"""Functions that answer calls of the model by themselves: look-ups, and no others."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from django.utils.module_loading import import_string

Function = TypeVar("Function", bound=Callable[..., Any])


def reads_only(function: Function) -> Function:
    """Say of a function that it changes nothing, so that it may run unseen, and twice.

    It is called with the arguments by name; what it returns is told to the model, text
    as it is, anything else as JSON.
    """
    function.reads_only = True  # type: ignore[attr-defined]
    return function


def handler_for(name: str) -> Callable[..., Any]:
    """The function that answers calls of this name; ValueError if it may not."""
    path = settings.TOOL_HANDLERS.get(name, "")
    if why := why_unfit(path):
        raise ValueError(why)
    found: Callable[..., Any] = import_string(path)
    return found


def why_unfit(path: str) -> str:
    """Why the function at this dotted path answers nothing by itself; else empty."""
    try:
        found = import_string(path)
    except ImportError as error:
        return f"it cannot be imported ({error})."
    if not callable(found):
        return "it is no function."
    return "" if getattr(found, "reads_only", False) else "it is not marked reads_only."

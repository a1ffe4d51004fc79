"""Requests that are let in a few at a time, before a byte of their bodies is taken."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, TypeVar

from starlette.requests import Request

Handler = TypeVar("Handler", bound=Callable[..., Any])
Admission = Callable[[Request], AbstractAsyncContextManager[object]]
_ADMISSIONS: dict[Callable[..., Any], Admission] = {}


def admitted_by(admission: Admission) -> Callable[[Handler], Handler]:
    """Mark a handler: what is entered here, once the caller is known, is held until it is done."""

    def mark(handler: Handler) -> Handler:
        _ADMISSIONS[handler] = admission
        return handler

    return mark


def admission_of(handler: Callable[..., Any]) -> Admission:
    """What its requests enter; nothing, where it is not marked."""
    return _ADMISSIONS.get(handler, lambda _: nullcontext())

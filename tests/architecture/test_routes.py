"""What every route's parameters keep to."""

import inspect
from collections.abc import Iterator

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from app.application import FEATURES


def _all_of(dependant: Dependant) -> Iterator[Dependant]:
    for one in dependant.dependencies:
        yield one
        yield from _all_of(one)


def test_nothing_that_a_handler_is_given_is_made_in_a_thread():
    plain = {
        getattr(one.call, "__qualname__", "?")
        for feature in FEATURES
        for route in feature.router.routes
        if isinstance(route, APIRoute)
        for one in _all_of(route.dependant)
        if not inspect.iscoroutinefunction(one.call)
        and not inspect.iscoroutinefunction(getattr(one.call, "__call__", None))  # noqa: B004
    }
    assert not plain, f"make them `async def`, or a thread is woken for each request: {plain}"

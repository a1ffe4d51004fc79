"""What every route's parameters keep to."""

import inspect
from collections.abc import Iterator

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from app.application import FEATURES
from app.web.auth import ScopeCheck
from app.web.routing import StrictRoute


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


def test_whether_a_route_takes_visitors_is_known_before_fastapi_has_worked_it_out():
    routes = [
        route
        for feature in FEATURES
        for route in feature.router.routes
        if isinstance(route, StrictRoute)
    ]
    told = {_name(route) for route in routes if route.takes_visitors}
    assert told
    assert told == {
        _name(route)
        for route in routes
        for one in _all_of(route.dependant)
        if isinstance(one.call, ScopeCheck) and one.call.visitors
    }


def _name(route: StrictRoute) -> str:
    return f"{route.methods} {route.path}"

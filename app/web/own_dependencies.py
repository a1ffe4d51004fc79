"""Calls what handlers are given of the service itself, past FastAPI's solver of dependencies.

Ports, callers and a room's service read nothing of a request that would have to be validated, and
FastAPI takes 10 µs and more for each of them, each time that it stands in the tree.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from fastapi.dependencies.models import Dependant

from app.web.auth import ScopeCheck

_REQUEST, _RESPONSE = "request of this call", "response of this call"


@dataclass(frozen=True, slots=True)
class _Step:
    """A function to be called; `takes` are its parameters and where their values stand."""

    call: Callable[..., Any]
    takes: tuple[tuple[str, str], ...]
    name: str


@dataclass(slots=True)
class _Steps:
    """Functions in the order in which they are called, each once."""

    called: list[_Step] = field(default_factory=list[_Step])

    def add(self, dependant: Dependant) -> str:
        """The name under which the value of this one will stand."""
        takes = [(sub.name, self.add(sub)) for sub in dependant.dependencies]
        named = [(name, place) for name, place in takes if name is not None]
        if dependant.request_param_name is not None:
            named.append((dependant.request_param_name, _REQUEST))
        if dependant.response_param_name is not None:
            named.append((dependant.response_param_name, _RESPONSE))
        call = _called(dependant)
        for step in self.called:
            if step.call is call:
                return step.name
        self.called.append(_Step(call, tuple(named), f"value {len(self.called)}"))
        return self.called[-1].name


def without_own(dependant: Dependant, *, only_shown: Callable[..., Any]) -> Dependant:
    """The same handler with its own dependencies called around it, once parameters are validated.

    Who may ask has to be known before. What is `only_shown` stands in the document and does
    nothing.
    """
    needed = [sub for sub in dependant.dependencies if sub.call is not only_shown]
    own = [sub for sub in needed if _is_own(sub)]
    if not own or not iscoroutinefunction(dependant.call):
        return replace(dependant, dependencies=needed)
    steps = _Steps()
    given = [(sub.name, steps.add(sub)) for sub in own]
    request_name = dependant.request_param_name or _REQUEST
    response_name = dependant.response_param_name or _RESPONSE
    handler: Any = dependant.call
    added = [(name, place) for name, place in given if name is not None]
    foreign = {request_name, response_name} & {_REQUEST, _RESPONSE}

    @wraps(handler)
    async def call(**values: Any) -> Any:
        made = {_REQUEST: values[request_name], _RESPONSE: values[response_name]}
        for name in foreign:
            del values[name]
        for step in steps.called:
            made[step.name] = await step.call(**{name: made[place] for name, place in step.takes})
        for name, place in added:
            values[name] = made[place]
        return await handler(**values)

    return replace(
        dependant,
        call=call,
        dependencies=[sub for sub in needed if not _is_own(sub)],
        request_param_name=request_name,
        response_param_name=response_name,
    )


def _called(dependant: Dependant) -> Callable[..., Any]:
    assert dependant.call is not None, "a dependency is a function"
    return dependant.call


def _is_own(dependant: Dependant) -> bool:
    """Whether it and all that it needs are coroutine functions that read no parameter."""
    call = dependant.call
    reads = (
        dependant.path_params,
        dependant.query_params,
        dependant.header_params,
        dependant.cookie_params,
        dependant.body_params,
        dependant.websocket_param_name,
        dependant.http_connection_param_name,
        dependant.background_tasks_param_name,
        dependant.security_scopes_param_name,
        dependant.concurrency,
    )
    if any(reads) or not dependant.use_cache:
        return False
    is_awaited = iscoroutinefunction(call) or isinstance(call, ScopeCheck)
    return is_awaited and all(map(_is_own, dependant.dependencies))

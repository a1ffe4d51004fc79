"""Routes that read JSON strictly, and the shape of a feature."""

import re
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from inspect import signature
from typing import Any

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.params import Depends, Form
from fastapi.routing import get_request_handler
from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import DeadlineExceeded, MalformedRequest
from app.ports import Ports
from app.web.admission import admission_of
from app.web.auth import ScopeCheck, known_caller
from app.web.deadlines import has_own_pace, in_time
from app.web.deferred_route import DeferredRoute
from app.web.etags import (
    NOT_MODIFIED,
    TAKES_IF_NONE_MATCH,
    NoVersionToMatch,
    conditional,
    if_none_match,
    refuse_unmatchable,
)
from app.web.idempotency import (
    TAKES_KEY,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    form_parts,
    once,
    takes_key,
)
from app.web.openapi import operation_id
from app.web.own_dependencies import without_own
from app.web.problems import merged, problems
from app.web.query import known_parameters, misused
from app.web.strict_requests import StrictJsonRequest

CREATING = (201, 202)
_UNNAMED = re.compile(r"\(\?P<\w+>")
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class StrictRoute(DeferredRoute):
    """A route whose handler gets strictly read JSON, and answers in time.

    One that creates or does something takes `Idempotency-Key`, one that reads a resource
    `If-None-Match`. Where there are no versions, `If-Match` is refused and not passed over in
    silence, and so is what the query holds beyond the route's parameters.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        methods = options["methods"]
        self._takes_key = "POST" in methods and (
            options.get("status_code") in CREATING or takes_key(endpoint)
        )
        self._reads_one = "GET" in methods and (
            path.endswith("}") or 304 in (options.get("responses") or {})
        )
        self._in_time = not has_own_pace(endpoint)
        self._admission = admission_of(endpoint)
        self._refuses_if_match = (
            not {"GET", "POST"} & {*methods} and "if_match" not in signature(endpoint).parameters
        )
        self._add_what_it_takes(options)
        super().__init__(path, endpoint, **options)

    def _add_what_it_takes(self, options: dict[str, Any]) -> None:
        shared: dict[int | str, dict[str, Any]] = {}
        taken: list[Any] = []
        if self._in_time:
            shared = merged(shared, problems(DeadlineExceeded))
        if self._refuses_if_match:
            shared = merged(shared, problems(NoVersionToMatch))
        if self._takes_key:
            shared = merged(shared, problems(IdempotencyKeyReused, IdempotencyInProgress))
            taken.append(TAKES_KEY)
        if self._reads_one:
            taken.append(TAKES_IF_NONE_MATCH)
        options["responses"] = merged(options.get("responses") or {}, shared)
        if self._reads_one:
            options["responses"] |= NOT_MODIFIED
        options["dependencies"] = [*(options.get("dependencies") or ()), *taken]

    @property
    def takes_visitors(self) -> bool:
        """Whether a widget session may call it."""
        return any(check.visitors for check in _named_checks(self.endpoint))

    def get_route_handler(self) -> Handler:
        handler = self._handler()
        takes_json = self.body_field is not None and not isinstance(
            self.body_field.field_info, Form
        )
        checks = list(_scope_checks(self.dependant))
        has_body = self.body_field is not None
        known = known_parameters(self.dependant)

        async def strict(request: Request) -> Response:
            strict_request = StrictJsonRequest(request.scope, request.receive)
            # Who needs no credential, as another's webhooks, may add to the address what they like.
            # One that takes tickets refuses first who shows nothing that it could know.
            is_judged = checks or ("authorization" in request.headers and known)
            is_judged = is_judged or not known.isdisjoint(request.query_params)
            wrong = misused(request, known) if is_judged else None
            is_keyed = self._takes_key and "idempotency-key" in request.headers
            # Nobody's body is read before it is known who sends it, and nobody is shown what was
            # answered before who may not ask for it any more.
            if has_body or wrong or is_keyed:
                for check in checks:
                    await check.admit(strict_request)
            if wrong:
                raise wrong
            if self._refuses_if_match:
                refuse_unmatchable(request)
            async with self._admission(strict_request):
                if takes_json:
                    await strict_request.refuse_other_types()
                    await strict_request.body()  # how slowly it comes is no concern of the deadline
                answer = self._answer(strict_request, handler, checks, takes_json=takes_json)
                response = await (in_time(request, answer) if self._in_time else answer)
            return conditional(request, response) if self._reads_one else response

        return strict

    def _handler(self) -> Handler:
        """FastAPI's, with less for it to do; the document shows all dependencies as before."""
        names = signature(get_request_handler).parameters
        options = {name: getattr(self, name) for name in names if hasattr(self, name)}
        options["dependant"] = without_own(self.dependant, only_shown=if_none_match)
        return get_request_handler(embed_body_fields=self._embed_body_fields, **options)

    async def _answer(
        self,
        request: StrictJsonRequest,
        handler: Handler,
        checks: list[ScopeCheck],
        *,
        takes_json: bool,
    ) -> Response:
        # Before what was sent is looked at, which tells what would be valid.
        for check in checks:
            await check.admit(request)
        try:
            if self._takes_key and "idempotency-key" in request.headers:
                return await _once(request, handler, takes_json=takes_json)
            return await handler(request)
        except RequestValidationError:
            raise
        except UnicodeDecodeError:
            raise MalformedRequest("The body is not valid UTF-8.") from None


async def _once(
    request: StrictJsonRequest,
    handler: Handler,
    *,
    takes_json: bool,
) -> Response:
    caller = await known_caller(request)
    if caller is None:  # what needs no credential has nobody to whom a key could belong
        return await handler(request)
    try:
        body = await request.json() if takes_json else await form_parts(request)
        return await once(request, caller, body, lambda: handler(request))
    finally:
        await request.close()


def _named_checks(call: Callable[..., Any]) -> Iterator[ScopeCheck]:
    """Those that its signature names: they are known before FastAPI has worked the route out."""
    hints = getattr(call, "__annotations__", {}).values()
    for mark in (mark for hint in hints for mark in getattr(hint, "__metadata__", ())):
        if isinstance(mark, Depends) and mark.dependency is not None:
            if isinstance(mark.dependency, ScopeCheck):
                yield mark.dependency
            yield from _named_checks(mark.dependency)


def _scope_checks(dependant: Dependant) -> Iterator[ScopeCheck]:
    for dependency in dependant.dependencies:
        if isinstance(dependency.call, ScopeCheck):
            yield dependency.call
        yield from _scope_checks(dependency)


def room_router(name: str, *, prefix: str) -> APIRouter:
    """The router of a room: its prefix, its tag in the docs, strict JSON."""
    return APIRouter(
        prefix=prefix,
        tags=[name],
        route_class=StrictRoute,
        generate_unique_id_function=operation_id,
    )


def system_router(*, prefix: str = "") -> APIRouter:
    """The router of what belongs to no room, and takes no JSON."""
    return APIRouter(
        prefix=prefix,
        tags=["system"],
        route_class=DeferredRoute,
        generate_unique_id_function=operation_id,
    )


@dataclass(frozen=True, slots=True)
class Feature:
    """A room as the application lists it: routes, and what it keeps running meanwhile."""

    name: str
    router: APIRouter
    open: Callable[[Ports], AbstractAsyncContextManager[Any]] | None = None
    is_for_pages: bool = False
    """Whether pages of any origin may call it before they have a credential."""


def paths_of_visitors(features: Iterable[Feature]) -> Callable[[str], bool]:
    """Tells whether a path is one of a widget and its visitors."""
    patterns = {
        _UNNAMED.sub("(?:", route.path_regex.pattern)
        for feature in features
        for route in feature.router.routes
        if isinstance(route, StrictRoute) and (feature.is_for_pages or route.takes_visitors)
    }
    of_any = re.compile("|".join(sorted(patterns)))
    return lambda path: of_any.match(path) is not None


FeatureContext = AsyncGenerator[Any]

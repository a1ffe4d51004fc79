"""`Idempotency-Key`: a request that may be sent again without being done again.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Depends, Header, Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import Response

from app.core.acting import ACTING
from app.core.encryption import Unsealable, Vault
from app.core.errors import Conflict, InvalidRequest, MalformedRequest, Problem
from app.ports import Ports
from app.ports.store import Scope
from app.web.auth import Caller
from app.web.bodies import no_room

REPLAYED = {"Idempotency-Replayed": "true"}
# Longer than any handler may take; after it, the process that began the request is dead.
LEASE_S = 60
CHUNK_BYTES = 1024 * 1024
KEPT_HEADERS = ("content-type", "location", "etag", "cache-control")
# Responses that are looked through at once.
PAGE = 500
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class IdempotencyKeyReused(InvalidRequest):
    """The idempotency key belongs to a different request."""


class IdempotencyInProgress(Conflict):
    """The first request with this idempotency key is still under way."""

    retryable = True


async def _key(
    idempotency_key: Annotated[
        str | None,
        Header(
            description="Up to 255 ASCII characters without spaces that you have not used before,"
            " e.g. a UUID. A repeat within 24 h gets the first response instead of doing it again.",
            examples=["01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"],
        ),
    ] = None,
) -> str | None:
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        raise MalformedRequest(
            "Idempotency-Key takes 1 to 255 printable ASCII characters without spaces."
        )
    return idempotency_key


IdempotencyKey = Annotated[str | None, Depends(_key)]
TAKES_KEY = Depends(_key)


Handler = TypeVar("Handler", bound=Callable[..., Any])
_DONE_ONCE: set[Callable[..., Any]] = set()


def done_once(handler: Handler) -> Handler:
    """Mark what creates nothing, and should not be done again when it is sent again."""
    _DONE_ONCE.add(handler)
    return handler


def takes_key(handler: Callable[..., Any]) -> bool:
    """Whether the handler is marked so."""
    return handler in _DONE_ONCE


def kept_key(caller: Caller, key: str) -> str:
    """The key as it is kept: those of a visitor apart, so that nobody takes a key from the others.

    Everybody else of an organization shares its keys: a retry may come with a newer credential.
    """
    if caller.visitor is None:
        return key
    return "visitor:" + hashlib.sha256(f"{caller.actor}\n{key}".encode()).hexdigest()


def fingerprint(*, actor: str, route: str, body: Any) -> str:
    """What equal requests have in common: who asks, where, and the fields of the body."""
    whole = orjson.dumps([actor, route, body], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(whole).hexdigest()


async def form_parts(request: Request) -> list[list[str]]:
    """The fields and files of a form, in their order; files by their digests.

    The bytes of the whole body would not do: the marks between parts are invented anew each time.
    """
    parts: list[list[str]] = []
    try:
        form = await request.form()
    except OSError as error:
        raise no_room(error) or error from error
    for name, value in form.multi_items():
        if isinstance(value, str):
            parts.append([name, value])
            continue
        digest = hashlib.sha256()
        while chunk := await value.read(CHUNK_BYTES):
            digest.update(chunk)
        await value.seek(0)
        parts.append([name, value.filename or "", digest.hexdigest()])
    return parts


async def once(
    request: Request, caller: Caller, body: Any, handle: Callable[[], Awaitable[Response]]
) -> Response:
    """Handle a request that carries a key, or answer as its first sending was answered.

    What succeeded is kept, sealed, for 24 h; what was refused is forgotten, and a repeat is judged
    anew. If the service fails or dies, the repeat goes on from what was committed
    (`core/acting.py`), once the lease has run out, and makes the same secrets
    (`core/new_secrets.py`).

    Raises:
        IdempotencyKeyReused: the key belongs to another request.
        IdempotencyInProgress: the first sending is not answered yet.
        MalformedRequest: there are several keys, or it is none.
    """
    given = request.headers.getlist("idempotency-key")
    if len(given) != 1:
        raise MalformedRequest("Send one Idempotency-Key.")
    await _key(given[0])
    key = kept_key(caller, given[0])
    ports: Ports = request.app.state.ports
    scope = ports.database.scoped(caller.organization_id)
    purpose = _purpose(caller, key)
    route = f"{request.method} {request.url.path}?{request.url.query}".rstrip("?")
    begun = await scope.call(
        "idempotent_request_begin_v2",
        key=key,
        fingerprint=fingerprint(actor=caller.actor, route=route, body=body),
        lease_s=LEASE_S,
    )
    if (response := _answered_before(ports, begun, purpose)) is not None:
        return response
    state = request.scope["state"]
    state["idempotency_key"] = key
    state["idempotency_seed"] = f"{purpose}:{begun['first_at']}"
    return await _handled(ports.vault, scope, handle, key=key, purpose=purpose)


async def _handled(
    vault: Vault,
    scope: Scope,
    handle: Callable[[], Awaitable[Response]],
    *,
    key: str,
    purpose: str,
) -> Response:
    """The answer to a request that was begun, and the note of how it ended."""
    kept: str | None = None
    is_over, is_refused = True, False
    try:
        response = await handle()
        if 200 <= response.status_code < 300:
            kept = vault.seal(_described(response), purpose=purpose)
        return response
    except (Problem, RequestValidationError) as refusal:
        is_refused = isinstance(refusal, RequestValidationError) or refusal.status < 500
        raise
    except asyncio.CancelledError:
        is_over = False  # the database may still be at work: a repeat waits until the lease is over
        raise
    finally:
        ACTING.set(None)  # this call is the edge's own, none of the request's
        if is_over:
            end = {"response": kept, "is_refused": is_refused}
            await scope.call("idempotent_request_end_v2", key=key, **end)


async def forget_responses(
    ports: Ports, caller: Caller, ids: set[str], *, pattern: str | None
) -> None:
    """Forget every kept response that shows one of these ids, or what the pattern finds.

    Repeating its request is refused.
    """
    shows = re.compile(pattern, re.IGNORECASE | re.ASCII) if pattern else None
    scope = ports.database.scoped(caller.organization_id)
    after: str | None = None
    while page := await scope.call("idempotency_responses_v1", after=after, limit=PAGE):
        after = page[-1]["key"]
        showing = [row["key"] for row in page if _shows(ports, caller, row, ids, shows)]
        if showing:
            await scope.call("idempotency_forget_v1", keys=showing)


def _shows(
    ports: Ports,
    caller: Caller,
    row: dict[str, Any],
    ids: set[str],
    pattern: re.Pattern[str] | None,
) -> bool:
    try:
        shown = ports.vault.unseal(row["response"], purpose=_purpose(caller, row["key"]))
        named = pattern is not None and pattern.search(shown) is not None
        return named or not ids.isdisjoint(_ID.findall(shown))
    except Unsealable:
        return True  # nobody can read it any more


def _purpose(caller: Caller, key: str) -> str:
    return f"idempotency:{caller.organization_id}:{key}"


def _answered_before(ports: Ports, begun: dict[str, Any], purpose: str) -> Response | None:
    match begun["outcome"]:
        case "key_reused":
            raise IdempotencyKeyReused("Use a new key for a new request.")
        case "in_progress":
            raise IdempotencyInProgress(
                "Wait for its answer, then send it again.", headers={"Retry-After": "1"}
            )
        case "done":
            return _replayed(ports, begun["response"], purpose)
        case _:
            return None


def _described(response: Response) -> str:
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    body = bytes(response.body).decode()
    return orjson.dumps([response.status_code, headers, body]).decode()


def _replayed(ports: Ports, sealed: str, purpose: str) -> Response:
    try:
        status, headers, body = orjson.loads(ports.vault.unseal(sealed, purpose=purpose))
    except Unsealable:
        raise IdempotencyKeyReused(
            "Its response was kept under an ENCRYPTION_KEY that is gone; use a new key."
        ) from None
    return Response(body, status_code=status, headers=headers | REPLAYED)

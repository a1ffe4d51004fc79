"""Tickets: one stream each, within a minute, for `EventSource`, which cannot send headers."""

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import structlog
from fastapi import Query, Request
from fastapi.security.utils import get_authorization_scheme_param

from app.core.encryption import Unsealable
from app.features.events.errors import InvalidTicket
from app.features.events.repository import AllEvents, EventRepository
from app.features.events.schemas import StreamTicket
from app.ports import Ports
from app.web.auth import (
    WWW_AUTHENTICATE,
    Caller,
    InvalidCredential,
    known_caller,
)
from app.web.deps import OpenPorts
from app.web.gates import Authenticator, Gate

TTL_S = 60
PREFIX = "tk_"
SECRET_BYTES = 32
PURPOSE = "event-ticket"
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StreamReader:
    """Who opens a stream, and the credential by which that is checked again while it is open."""

    caller: Caller
    credential: str
    authenticate: Callable[[], Awaitable[Caller]]


def _bearer_of(request: Request) -> str:
    return get_authorization_scheme_param(request.headers.get("authorization"))[1]


async def issue_ticket(request: Request, ports: Ports, caller: Caller) -> StreamTicket:
    """A ticket that stands for this request's credential, which is kept sealed meanwhile."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    kept = await EventRepository(ports.database, caller.organization_id).keep_ticket(
        _hash(secret), ports.vault.seal(_bearer_of(request), purpose=PURPOSE), TTL_S
    )
    return StreamTicket.model_validate({"ticket": PREFIX + secret, **kept})


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


async def _credential_of(ports: Ports, ticket: str, gate: Gate, address: str) -> str:
    refused = InvalidTicket(
        "Get a new one from POST /api/v2/events/tickets; each opens one stream.",
        headers=WWW_AUTHENTICATE,
    )
    secret = ticket.removeprefix(PREFIX)
    sealed = (
        await AllEvents(ports.database).take_ticket(_hash(secret)) if secret != ticket else None
    )
    if sealed is None:
        await gate.note_failure(address)
        raise refused
    try:
        return ports.vault.unseal(sealed, purpose=PURPOSE)
    except Unsealable:
        log.error("ticket_of_another_key", advice="give every process the same ENCRYPTION_KEY")
        raise refused from None


async def stream_reader(
    request: Request,
    ports: OpenPorts,
    ticket: Annotated[
        str | None,
        Query(max_length=100, description="In place of the header, where none can be sent."),
    ] = None,
) -> StreamReader:
    """Who asks for a stream, by header or by ticket; the header counts.

    Raises:
        InvalidCredential: there is neither, or it is not valid.
        InvalidTicket: the ticket is unknown, used or expired.
        RateLimited: too many of them came from there.
        ScopeMissing: events may not be read with it.
    """
    authenticator: Authenticator = request.app.state.authenticator
    address = request.scope["state"]["client_address"]
    caller = await known_caller(request)
    if caller is not None:
        credential = _bearer_of(request)
    elif ticket is not None:
        credential = await _credential_of(ports, ticket, request.app.state.limits, address)
        caller = await authenticator.authenticate(credential, address=address)
        request.scope["state"]["organization_id"] = caller.organization_id
    else:
        await request.app.state.limits.note_missing(address)
        raise InvalidCredential(
            "Send `Authorization: Bearer <credential>`, or a ticket.", headers=WWW_AUTHENTICATE
        )
    caller.require("events:read")
    again = partial(authenticator.authenticate, credential, address=address)
    return StreamReader(caller, credential, again)

"""Who is calling, as a parameter type: without a `Caller` no handler of a room is reached."""

from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from app.core.acting import ACTING, Acting
from app.core.errors import Forbidden, Unauthorized
from app.web.caller import Caller
from app.web.gates import Authenticator, Gate

WWW_AUTHENTICATE = {"WWW-Authenticate": "Bearer"}
MAX_CREDENTIAL_CHARS = 4096
_CHANGING = ("POST", "PUT", "PATCH", "DELETE")
# What outlasts an impersonation (keys, where events go), and what nothing brings back (erasures).
_OF_ONES_OWN_HAND = ("keys:write", "privacy:write", "settings:write", "webhooks:write")


class InvalidCredential(Unauthorized):
    """The credential is missing or not valid."""


class OrganizationMismatch(Forbidden):
    """The credential belongs to another organization than the request names."""


class ImpersonationRefused(Forbidden):
    """Whoever acts for somebody else may not do what cannot be undone."""


async def authenticated(request: Request) -> Caller:
    """The caller of this request.

    Raises:
        InvalidCredential: there is no bearer credential, or it is not valid.
        RateLimited: it asks too often.
    """
    state = request.scope["state"]
    if "caller" in state:
        return state["caller"]
    authenticator: Authenticator = request.app.state.authenticator
    gate: Gate = request.app.state.limits
    try:
        credential = _credential(request)
    except InvalidCredential:
        await gate.note_missing(state["client_address"])
        raise
    try:
        caller = await authenticator.authenticate(credential, address=state["client_address"])
    except InvalidCredential:
        await gate.note_failure(state["client_address"])
        raise
    except Forbidden:
        await gate.note_missing(state["client_address"])
        raise
    state["organization_id"] = caller.organization_id
    state["standing"] = await gate.take(
        caller,
        method=request.method,
        route=getattr(request.scope.get("route"), "path", ""),
        agent_id=request.path_params.get("agent_id", ""),
        address=state["client_address"],
    )
    _refuse_what_it_may_not(request, caller)
    state["caller"] = caller
    return caller


async def known_caller(request: Request) -> Caller | None:
    """The caller of a request that shows a credential; None where it shows none.

    Raises:
        InvalidCredential, RateLimited: as `authenticated` does.
    """
    if "authorization" not in request.headers:
        return None
    return await authenticated(request)


def _credential(request: Request) -> str:
    given = request.headers.getlist("authorization")
    if len(given) == 1 and len(given[0]) <= MAX_CREDENTIAL_CHARS:
        scheme, _, credential = given[0].partition(" ")
        if scheme.lower() == "bearer" and credential.strip():
            return credential.strip()
    raise InvalidCredential("Send `Authorization: Bearer <credential>`.", headers=WWW_AUTHENTICATE)


def act(request: Request, caller: Caller) -> None:
    """From here on, what this request changes is changed by its caller.

    Chats are not: what they write is the conversation itself, and they are the path that must be
    quick.
    """
    route = getattr(request.scope.get("route"), "path", "")
    if request.method in _CHANGING and "/chat" not in route:
        state = request.scope["state"]
        ACTING.set(
            Acting(
                caller.actor,
                state["request_id"],
                caller.impersonator,
                key=state.get("idempotency_key"),
                seed=state.get("idempotency_seed"),
            )
        )


def _refuse_what_it_may_not(request: Request, caller: Caller) -> None:
    named = request.headers.get("x-organization-id", caller.organization_id)
    if named not in (caller.organization_id, caller.clerk_organization):
        raise OrganizationMismatch("Leave X-Organization-ID out: the credential decides.")
    if caller.impersonator is not None and request.method == "DELETE":
        raise ImpersonationRefused("Sign in as yourself to delete.")


class ScopeCheck(SecurityBase):
    """A caller with this scope; a widget session too, where its service knows how to bound it.

    As a dependency it comes after the body is read; a route that takes one asks `admit` before.
    One object and not a chain of functions: each link costs a request 10 µs.
    """

    scheme_name = "api_key"
    model = HTTPBearer(
        description="An API key, `ac_live_…` (without Clerk the first one is kept in"
        " `DATA_DIR/api_key`), a Clerk session token, or the token of a widget session."
    )

    def __init__(self, scope: str, *, visitors: bool) -> None:
        self._scope, self.visitors = scope, visitors

    async def admit(self, request: Request) -> Caller:
        """The caller, if it may.

        Raises:
            InvalidCredential, RateLimited: as `authenticated` does.
            ScopeMissing: it does not have the scope.
            ImpersonationRefused: it acts for somebody who has to do this in person.
        """
        caller = await authenticated(request)
        if not (self.visitors and caller.visitor is not None):
            caller.require(self._scope)
        if caller.impersonator is not None and self._scope in _OF_ONES_OWN_HAND:
            raise ImpersonationRefused(
                "Sign in as yourself to make keys, change settings or webhooks, export or erase."
            )
        return caller

    async def __call__(self, request: Request) -> Caller:
        caller = await self.admit(request)
        act(request, caller)
        return caller


def _having(scope: str, *, visitors: bool = False) -> Any:
    return Depends(ScopeCheck(scope, visitors=visitors))


AgentsReader = Annotated[Caller, _having("agents:read")]
AgentsWriter = Annotated[Caller, _having("agents:write")]
AnalyticsReader = Annotated[Caller, _having("analytics:read")]
AnalyticsWriter = Annotated[Caller, _having("analytics:write")]
Chatter = Annotated[Caller, _having("chat")]
ChatterOrVisitor = Annotated[Caller, _having("chat", visitors=True)]
ConversationsReader = Annotated[Caller, _having("conversations:read")]
ConversationsReaderOrVisitor = Annotated[Caller, _having("conversations:read", visitors=True)]
ConversationsWriter = Annotated[Caller, _having("conversations:write")]
EventsReader = Annotated[Caller, _having("events:read")]
KeysReader = Annotated[Caller, _having("keys:read")]
KeysWriter = Annotated[Caller, _having("keys:write")]
KnowledgeReader = Annotated[Caller, _having("knowledge:read")]
KnowledgeWriter = Annotated[Caller, _having("knowledge:write")]
ModelsReader = Annotated[Caller, _having("models:read")]
ModelsWriter = Annotated[Caller, _having("models:write")]
PrivacyWriter = Annotated[Caller, _having("privacy:write")]
SettingsReader = Annotated[Caller, _having("settings:read")]
SettingsWriter = Annotated[Caller, _having("settings:write")]
LeadsReader = Annotated[Caller, _having("leads:read")]
LeadsWriter = Annotated[Caller, _having("leads:write")]
WebhooksReader = Annotated[Caller, _having("webhooks:read")]
WebhooksWriter = Annotated[Caller, _having("webhooks:write")]

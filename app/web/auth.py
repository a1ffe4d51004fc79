"""Who is calling, as a parameter type: without a `Caller` no handler of a room is reached."""

from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.core.errors import Forbidden, Unauthorized
from app.core.ids import OrganizationId

WWW_AUTHENTICATE = {"WWW-Authenticate": "Bearer"}
MAX_CREDENTIAL_CHARS = 4096


class InvalidCredential(Unauthorized):
    """The credential is missing or not valid."""


class ScopeMissing(Forbidden):
    """The credential lacks the scope that this needs."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified caller: whose data it may touch and what it may do with it."""

    organization_id: OrganizationId
    actor: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Whether the caller's scopes cover this one; `*` covers all."""
        return "*" in self.scopes or scope in self.scopes

    def require(self, scope: str) -> None:
        """Go on only with this scope.

        Raises:
            ScopeMissing: the caller does not have it.
        """
        if not self.may(scope):
            raise ScopeMissing(f"Use a key with the scope `{scope}`.", required_scope=scope)


class Authenticator(Protocol):
    """Checks a bearer credential of any kind."""

    async def authenticate(self, credential: str) -> Caller:
        """The caller it belongs to.

        Raises:
            InvalidCredential: unknown, altered, expired or revoked; which, is not said.
        """
        ...


_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="api_key",
    description="An API key, `ac_live_…`. The first one is kept in `DATA_DIR/api_key`.",
)


async def authenticated(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Caller:
    """The caller of this request.

    Raises:
        InvalidCredential: there is no bearer credential, or it is not valid.
    """
    given = request.headers.getlist("authorization")
    if len(given) != 1 or credentials is None or len(given[0]) > MAX_CREDENTIAL_CHARS:
        raise InvalidCredential("Send `Authorization: Bearer <API key>`.", headers=WWW_AUTHENTICATE)
    authenticator: Authenticator = request.app.state.authenticator
    caller = await authenticator.authenticate(credentials.credentials)
    request.scope["state"]["organization_id"] = caller.organization_id
    return caller


def _having(scope: str) -> Any:
    async def check(caller: Annotated[Caller, Depends(authenticated)]) -> Caller:
        caller.require(scope)
        return caller

    return Depends(check)


AgentsReader = Annotated[Caller, _having("agents:read")]
AgentsWriter = Annotated[Caller, _having("agents:write")]
Chatter = Annotated[Caller, _having("chat")]
ConversationsReader = Annotated[Caller, _having("conversations:read")]
ConversationsWriter = Annotated[Caller, _having("conversations:write")]
KnowledgeReader = Annotated[Caller, _having("knowledge:read")]
KnowledgeWriter = Annotated[Caller, _having("knowledge:write")]

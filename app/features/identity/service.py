"""Whose a credential is: an API key, a Clerk session token, or the token of a widget session."""

from typing import TYPE_CHECKING, Any

import structlog

from app.core.ids import OrganizationId
from app.features.identity.errors import AccessEnded, OrganizationRequired, SessionPending
from app.features.identity.first_key import FirstKey
from app.features.identity.key_uses import KeyUses
from app.features.identity.keys import read_key
from app.features.identity.repository import IdentityRepository, Member, StoredKey
from app.features.identity.roles import scopes_of
from app.features.identity.sessions import Membership, Session, TokenRefused
from app.features.identity.widget_sessions import PREFIX, PUBLIC_PREFIX, WidgetSessions
from app.ports import Ports
from app.web.auth import WWW_AUTHENTICATE, Caller, InvalidCredential
from app.web.caller import ScopeMissing

if TYPE_CHECKING:
    from app.features.identity.session_tokens import SessionTokens

# A revoked key is dead everywhere within this time.
KEY_CACHE_S = 5.0
MEMBER_CACHE_S = 30.0
# The same for whatever is wrong with it: the log says which.
NOT_VALID = (
    "The session token is not valid, or no longer, or not yet: ask for a new one. If new ones are"
    " refused as well, look at this server's clock and at CLERK_ISSUER; the log names the reason."
)
log = structlog.get_logger(__name__)


class IdentityService:
    """Checks credentials."""

    def __init__(
        self,
        ports: Ports,
        uses: KeyUses,
        *,
        tokens: "SessionTokens | None",
        first_key: FirstKey | None,
    ) -> None:
        self._repository = IdentityRepository(ports.database)
        self._cache, self._clock = ports.cache, ports.clock
        self._uses, self._tokens, self._first_key = uses, tokens, first_key
        self._widgets = WidgetSessions(ports)

    async def authenticate(self, credential: str, *, address: str = "") -> Caller:
        """The caller of a credential; every failure of one kind looks the same from outside.

        Raises:
            InvalidCredential: malformed, unknown, expired or revoked.
            OrganizationRequired, SessionPending, AccessEnded: a session that may do nothing here.
            ScopeMissing: the key of a widget, which only opens sessions.
            ServiceUnavailable: it cannot be checked at the moment.
        """
        if credential.startswith(PUBLIC_PREFIX):
            raise ScopeMissing(
                "The key of a widget opens sessions (`POST /api/v2/widget/sessions`), and does"
                " nothing else."
            )
        if credential.startswith(PREFIX):
            return await self._widgets.caller(credential, address=address)
        if self._tokens is not None and credential.count(".") == 2:
            return await self._signed_in(self._tokens, credential)
        return await self._key_holder(credential, address)

    async def _key_holder(self, credential: str, address: str) -> Caller:
        if self._first_key is not None:
            await self._first_key.register()
        key = read_key(credential)
        stored = await self._find(key.public_id) if key else None
        if key is None or stored is None or not stored.takes(key, self._clock):
            raise _refused("The API key is not valid.")
        self._uses.note(stored.id, address)
        return Caller(
            OrganizationId(stored.organization_id), f"api_key:{stored.id}", stored.allowed
        )

    async def _find(self, public_id: str) -> StoredKey | None:
        async def load() -> Any:
            found = await self._repository.find_key(public_id)
            return None if found is None else found.model_dump(mode="json")

        row = await self._cache.fetch(f"api_key:{public_id}", load, ttl_s=KEY_CACHE_S)
        return None if row is None else StoredKey.model_validate(row)

    async def _signed_in(self, tokens: "SessionTokens", credential: str) -> Caller:
        try:
            session = await tokens.read(credential)
        except TokenRefused as refused:
            log.info("session_token_refused", reason=str(refused))
            raise _refused(NOT_VALID) from None
        if session.is_pending:
            raise SessionPending("Finish signing in, then ask for a new session token.")
        if session.membership is None:
            raise OrganizationRequired("Make an organization active, e.g. with setActive().")
        member = await self._member(session)
        if member.outcome != "member":
            raise AccessEnded("Sign in again, or ask an administrator of the organization.")
        return Caller(
            OrganizationId(member.organization_id),
            f"user:{member.user_id}",
            _scopes(session.membership, member),
            impersonator=session.impersonator,
            clerk_organization=session.membership.organization,
            role=member.role or session.membership.role,
        )

    async def _member(self, session: Session) -> Member:
        membership = session.membership
        if membership is None:
            raise OrganizationRequired

        async def load() -> Any:
            found = await self._repository.resolve(
                organization=membership.organization,
                user=session.user,
                role=membership.role,
                issued_at_s=session.issued_at_s,
            )
            return found.model_dump(mode="json")

        # The role is part of the key, as the database is told of it.
        key = f"{member_key(membership.organization, session.user)}:{membership.role}"
        member = Member.model_validate(await self._cache.fetch(key, load, ttl_s=MEMBER_CACHE_S))
        if member.outcome != "member" or member.role not in ("", membership.role):
            await self._cache.forget(key)  # a token that is issued later may be more
        return member


def _scopes(membership: Membership, member: Member) -> frozenset[str]:
    if member.role in ("", membership.role):  # cached by a process of the version before
        return scopes_of(membership.role, membership.permissions)
    # The token is older than the role: nobody knows what permissions go with that one.
    return scopes_of(member.role, frozenset())


def member_key(organization: str, user: str) -> str:
    """Where a membership is cached, by Clerk's ids."""
    return f"member:{organization}:{user}"


def _refused(detail: str) -> InvalidCredential:
    return InvalidCredential(detail, headers=WWW_AUTHENTICATE)

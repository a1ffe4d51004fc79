"""Widget sessions: ten minutes for one visitor with one agent, from a key that anyone can read.

An `Origin` can be forged by whatever is no browser, so it keeps honest pages apart and is no
authentication; what bounds a forger are the key's budgets and the limits of requests and streams.
As the key is public, a visitor is known by a token of its own, which nobody else has, and never by
its id alone.
"""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.core.encryption import Unsealable
from app.core.ids import AgentId, OrganizationId
from app.core.schemas import Json, Resource
from app.features.identity.errors import WidgetRefused
from app.ports import Ports
from app.web.auth import WWW_AUTHENTICATE, Caller, InvalidCredential
from app.web.caller import Visitor, VisitorBudget
from app.web.origins import is_listed

PREFIX = "ac_ws_"
PUBLIC_PREFIX = "ac_pub_"
PURPOSE = "widget session"
VISITOR_PREFIX = "ac_vt_"
SESSION_S = 600
KEY_CACHE_S = 5.0
VISITOR_BYTES = 16


class PublicAgent(Resource):
    """What an agent shows to visitors."""

    name: str
    welcome_message: str
    language: str
    suggested_questions: list[str]
    interface_config: Json
    is_open: bool


class StoredWidgetKey(Resource):
    """A widget's key with what its agent shows."""

    id: str
    organization_id: str
    agent_id: str
    public_key: str
    allowed_origins: list[str]
    daily_tokens: int
    daily_tokens_per_visitor: int
    daily_tokens_per_address: int
    revoked_at: datetime | None
    agent: PublicAgent

    @property
    def is_open(self) -> bool:
        """Whether visitors may use it at the moment."""
        return self.revoked_at is None and self.agent.is_open


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSession:
    """A session just opened: its token, and by what its visitor is known the next time."""

    token: str
    expires_at: datetime
    visitor_id: str
    visitor_token: str
    key: StoredWidgetKey


class WidgetSessions:
    """Makes and reads the tokens of widget sessions."""

    def __init__(self, ports: Ports) -> None:
        self._vault, self._lasting = ports.vault, ports.lasting
        self._clock, self._cache = ports.clock, ports.cache
        self._system = ports.database.system()

    async def open(
        self,
        public_key: str,
        *,
        origin: str | None,
        visitor_id: str | None = None,
        visitor_token: str | None = None,
    ) -> OpenedSession:
        """A session of the visitor whose token this is; without a valid one, of a new visitor.

        Raises:
            WidgetRefused: the key is unknown, revoked, its agent is not open to the public, or the
                page is not one of its own; which, is not said.
        """
        key = await self._find(public_key)
        if key is None or not key.is_open or not is_listed(origin, key.allowed_origins):
            raise WidgetRefused("Check the key, the page's origin and that the agent is public.")
        visitor = self._proven(key, visitor_token)
        if visitor is None or visitor_id not in (None, visitor):
            visitor = secrets.token_urlsafe(VISITOR_BYTES)
        until = self._clock.now() + timedelta(seconds=SESSION_S)
        claims = {"key": public_key, "visitor": visitor, "until": until.timestamp()}
        return OpenedSession(
            token=PREFIX + self._vault.seal(json.dumps(claims), purpose=PURPOSE),
            expires_at=until,
            visitor_id=visitor,
            visitor_token=VISITOR_PREFIX + self._lasting.seal(visitor, purpose=_proof_for(key)),
            key=key,
        )

    def _proven(self, key: StoredWidgetKey, visitor_token: str | None) -> str | None:
        sealed = (visitor_token or "").removeprefix(VISITOR_PREFIX)
        try:
            return self._lasting.unseal(sealed, purpose=_proof_for(key))
        except Unsealable:
            return None

    async def caller(self, token: str, *, address: str) -> Caller:
        """The visitor of a session.

        Raises:
            InvalidCredential: the session is over, its key revoked or its agent not open.
        """
        try:
            claims = json.loads(self._vault.unseal(token.removeprefix(PREFIX), purpose=PURPOSE))
        except Unsealable:
            raise _refused() from None
        key = await self._find(claims["key"])
        if key is None or not key.is_open or claims["until"] <= self._clock.now().timestamp():
            raise _refused()
        return Caller(
            OrganizationId(key.organization_id),
            f"visitor:{claims['visitor']}",
            frozenset(),
            visitor=Visitor(
                AgentId(key.agent_id),
                claims["visitor"],
                key.id,
                VisitorBudget(
                    widget_key_id=key.id,
                    visitor_id=claims["visitor"],
                    address=address,
                    tokens=key.daily_tokens,
                    visitor_tokens=key.daily_tokens_per_visitor,
                    address_tokens=key.daily_tokens_per_address,
                ),
            ),
        )

    async def _find(self, public_key: str) -> StoredWidgetKey | None:
        async def load() -> Any:
            return await self._system.call("widget_key_find_v1", public_key=public_key)

        row = await self._cache.fetch(f"widget_key:{public_key}", load, ttl_s=KEY_CACHE_S)
        return None if row is None else StoredWidgetKey.model_validate(row)


def _proof_for(key: StoredWidgetKey) -> str:
    """A visitor is one of an organization: it stays known when the page gets another key."""
    return f"visitor:{key.organization_id}"


def _refused() -> InvalidCredential:
    return InvalidCredential("The widget session is over.", headers=WWW_AUTHENTICATE)

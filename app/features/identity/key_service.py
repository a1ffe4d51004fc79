"""API keys and widget keys of an organization: made, listed, rotated, revoked."""

import secrets
from datetime import datetime
from typing import Any

from app.core.errors import InvalidRequest
from app.core.ids import new_id
from app.core.new_secrets import secret_bytes
from app.core.schemas import rfc3339
from app.features.identity.errors import (
    AgentNotPublic,
    ApiKeyNotFound,
    ScopesTooWide,
    UnknownScopes,
    WidgetKeyNotFound,
)
from app.features.identity.key_schemas import (
    ApiKeyCreate,
    ApiKeyInfo,
    ApiKeyRotate,
    ApiKeySecret,
    WidgetKeyCreate,
    WidgetKeyInfo,
    shown,
)
from app.features.identity.keys import KEY_BYTES, ApiKey, new_key
from app.features.identity.roles import ALL, SCOPES, covers
from app.features.identity.widget_sessions import PUBLIC_PREFIX
from app.ports import Ports
from app.ports.bus import CREDENTIALS_ENDED
from app.web.auth import WWW_AUTHENTICATE, Caller, InvalidCredential

PUBLIC_BYTES = 24


class KeyService:
    """Keys of the caller's organization."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._clock, self._cache, self._caller = ports.clock, ports.cache, caller
        self._bus = ports.bus
        self._vault = ports.vault
        self._scope = ports.database.scoped(caller.organization_id)

    async def page_api_keys(
        self, *, limit: int, after: str | None, created_by: str | None
    ) -> list[ApiKeyInfo]:
        """Newest first, revoked ones too."""
        rows = await self._scope.call(
            "api_keys_find_v1", created_by=created_by, limit=limit, after=after
        )
        return [ApiKeyInfo.model_validate(shown(row, self._clock.now())) for row in rows]

    async def get_api_key(self, key_id: str) -> ApiKeyInfo:
        """One key, without its secret.

        Raises:
            ApiKeyNotFound: there is none.
        """
        rows = await self._scope.call("api_keys_find_v1", id=key_id)
        if not rows:
            raise ApiKeyNotFound
        return ApiKeyInfo.model_validate(shown(rows[0], self._clock.now()))

    async def create_api_key(self, body: ApiKeyCreate) -> ApiKeySecret:
        """A key with its secret, which nobody can read again.

        Raises:
            UnknownScopes: some scopes do not exist.
            ScopesTooWide: the caller has not got all of them itself.
            InvalidRequest: it would have expired already, or later than the key that makes it.
            InvalidCredential: the caller has been revoked or has left meanwhile.
        """
        expires_at = await self._expiry(body)
        wanted = frozenset(body.scopes)
        unknown = sorted(wanted - SCOPES.keys() - {ALL})
        if unknown:
            raise UnknownScopes(f"There is no {', '.join(unknown)}.", known=[ALL, *SCOPES])
        if not covers(self._caller.scopes, wanted):
            raise ScopesTooWide("Give it scopes that you have yourself.")
        key = new_key(secret_bytes(self._vault, "api_key", KEY_BYTES))
        key_id = new_id()
        row = {
            "id": key_id,
            "public_id": key.public_id,
            "secret_sha256": key.secret_sha256,
            "name": body.name,
            "scopes": sorted(wanted),
            "expires_at": expires_at and rfc3339(expires_at),
            "created_by": self._caller.actor,
            "maker_role": self._caller.role,
        }
        made = await self._scope.call("api_key_create_v1", key=row | self._times())
        if made is None:
            raise InvalidCredential("The credential has ended.", headers=WWW_AUTHENTICATE)
        return await self._with_secret(key_id, key)

    async def _expiry(self, body: ApiKeyCreate) -> datetime | None:
        """When the new key expires: not after the key that makes it, which it would outlive."""
        bound: datetime | None = None
        kind, _, id = self._caller.actor.partition(":")
        if kind == "api_key":
            bound = (await self.get_api_key(id)).expires_at
        wrong: str | None = None
        if body.expires_at is not None and body.expires_at <= self._clock.now():
            wrong = "lies in the past"
        elif body.expires_at is not None and bound is not None and body.expires_at > bound:
            wrong = f"lies after {rfc3339(bound)}, when the key that makes it expires"
        if wrong is not None:
            raise InvalidRequest(errors=[{"pointer": "/expires_at", "detail": wrong}])
        return body.expires_at or bound

    async def rotate_api_key(self, key_id: str, body: ApiKeyRotate) -> ApiKeySecret:
        """A new secret for the key; the one before it is taken for a while longer.

        Raises:
            ApiKeyNotFound: there is none that is active.
            ScopesTooWide: it may do more than the caller.
        """
        seen = await self.get_api_key(key_id)
        if seen.status != "active":
            raise ApiKeyNotFound
        # What is cut at the moment may come back: whoever has the secret then has all of it.
        if not covers(self._caller.scopes, frozenset(seen.scopes)):
            raise ScopesTooWide("A key is rotated by somebody who may do as much.")
        secret = new_key(secret_bytes(self._vault, f"api_key:{key_id}", KEY_BYTES)).secret
        fresh = ApiKey(seen.public_id, secret)
        row = await self._scope.call(
            "api_key_rotate_v1",
            id=key_id,
            secret_sha256=fresh.secret_sha256,
            overlap_s=body.overlap_hours * 3600,
        )
        if row is None:
            raise ApiKeyNotFound
        await self._end(fresh.public_id)
        return await self._with_secret(key_id, fresh)

    async def revoke_api_key(self, key_id: str, *, including_made: bool) -> None:
        """End a key for good, within 5 s everywhere, and if asked those that come from it.

        Raises:
            ApiKeyNotFound: there is none, or it is revoked already.
        """
        ended = await self._scope.call(
            "api_key_revoke_v1", id=key_id, including_made=including_made
        )
        if not ended:
            raise ApiKeyNotFound
        await self._end(*ended)

    async def page_widget_keys(self, *, limit: int, after: str | None) -> list[WidgetKeyInfo]:
        """Newest first, revoked ones too."""
        rows = await self._scope.call("rows_find_v1", table="widget_keys", limit=limit, after=after)
        return [WidgetKeyInfo.model_validate(row) for row in rows]

    async def get_widget_key(self, key_id: str) -> WidgetKeyInfo:
        """One publishable key.

        Raises:
            WidgetKeyNotFound: there is none.
        """
        rows = await self._scope.call(
            "rows_find_v1", table="widget_keys", where={"id": key_id}, limit=1
        )
        if not rows:
            raise WidgetKeyNotFound
        return WidgetKeyInfo.model_validate(rows[0])

    async def create_widget_key(self, body: WidgetKeyCreate) -> WidgetKeyInfo:
        """A publishable key for a public agent.

        Raises:
            AgentNotPublic: the agent does not exist here, or is private.
        """
        where = {"id": body.agent_id, "visibility": "public"}
        if not await self._scope.call("rows_find_v1", table="agents", where=where, limit=1):
            raise AgentNotPublic("Name an agent of yours and set its `visibility` to `public`.")
        row = body.model_dump(mode="json") | {
            "id": new_id(),
            "public_key": f"{PUBLIC_PREFIX}{secrets.token_hex(PUBLIC_BYTES)}",
            "created_by": self._caller.actor,
        }
        return WidgetKeyInfo.model_validate(await self._insert("widget_keys", row))

    async def revoke_widget_key(self, key_id: str) -> None:
        """End a widget's key and all sessions that came from it, within 5 s everywhere.

        Raises:
            WidgetKeyNotFound: there is none, or it is revoked already.
        """
        row = await self._scope.call("key_revoke_v1", table="widget_keys", id=key_id)
        if row is None:
            raise WidgetKeyNotFound
        await self._look_anew(f"widget_key:{row['public_key']}")

    async def _end(self, *public_ids: str) -> None:
        await self._look_anew(*(f"api_key:{each}" for each in public_ids))

    async def _look_anew(self, *cached: str) -> None:
        """Have every process look at the keys anew, also where they are in use just now."""
        await self._cache.forget(*cached)
        await self._bus.publish(CREDENTIALS_ENDED, {})

    async def _insert(self, table: str, row: dict[str, Any]) -> dict[str, Any]:
        return await self._scope.call("row_insert_v1", table=table, row=row | self._times())

    def _times(self) -> dict[str, str]:
        now = rfc3339(self._clock.now())
        return {"created_at": now, "updated_at": now}

    async def _with_secret(self, key_id: str, key: ApiKey) -> ApiKeySecret:
        info = await self.get_api_key(key_id)
        return ApiKeySecret.model_validate(info.model_dump() | {"key": key.text})

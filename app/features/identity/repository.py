"""Organizations, members and API keys in the database, before any organization is known."""

from datetime import datetime
from typing import Any, Literal

from app.core.clock import Clock
from app.core.ids import OrganizationId, new_id
from app.core.schemas import Resource, rfc3339
from app.features.identity.keys import ApiKey
from app.features.identity.roles import left_to
from app.ports.store import Database

# The organization of a service where nobody signs in through Clerk.
LOCAL = "local"
PURGED_AT_ONCE = 500


class Maker(Resource):
    """The person from whom a key comes, directly or through other keys."""

    role_then: str | None
    role: str | None
    has_left: bool

    def leaves(self, scopes: frozenset[str]) -> frozenset[str]:
        """What the key may still do: a maker who has another role by now limits it."""
        return scopes if self.role == self.role_then else left_to(scopes, role=self.role)


class StoredKey(Resource):
    """A key as it is kept: a hash, whose it is and what it may do."""

    id: str
    organization_id: str
    public_id: str
    secret_sha256: str
    scopes: list[str]
    expires_at: datetime | None
    revoked_at: datetime | None
    previous_sha256: str | None
    previous_until: datetime | None
    maker: Maker | None = None

    @property
    def allowed(self) -> frozenset[str]:
        """What it may do at the moment."""
        scopes = frozenset(self.scopes)
        return scopes if self.maker is None else self.maker.leaves(scopes)

    def takes(self, key: ApiKey, clock: Clock) -> bool:
        """Whether this is the key, and it may be used at the moment."""
        now = clock.now()
        is_previous = (
            self.previous_sha256 is not None
            and key.matches(self.previous_sha256)
            and self.previous_until is not None
            and now < self.previous_until
        )
        is_current = key.matches(self.secret_sha256)
        has_expired = self.expires_at is not None and self.expires_at <= now
        return (is_current or is_previous) and not has_expired and self.revoked_at is None


class Member(Resource):
    """A session's user and organization by our own ids, unless one of them has ended."""

    outcome: Literal["member", "user_deleted", "organization_deleted", "membership_ended"]
    organization_id: str = ""
    user_id: str = ""
    role: str = ""
    """The token's, or what Clerk has told since the token was issued."""


class IdentityRepository:
    """Look-ups that come before any organization is known."""

    def __init__(self, database: Database) -> None:
        self._database, self._system = database, database.system()

    async def ensure_organization(self, slug: str, name: str) -> OrganizationId:
        """The organization of that slug, made where it is missing."""
        row = await self._system.call("organization_ensure_v1", id=new_id(), slug=slug, name=name)
        return OrganizationId(row["id"])

    async def ensure_local(self) -> OrganizationId:
        """The organization `local`, made where it is missing."""
        return await self.ensure_organization(LOCAL, "Local")

    async def register_first_key(
        self, organization_id: OrganizationId, key: ApiKey
    ) -> Literal["valid", "elsewhere"]:
        """Store the hash of a key with all scopes where there never was one, atomically.

        `valid`: it may be used now; `elsewhere`: it may not, and there is or was another.
        """
        return await self._system.call(
            "api_key_register_first_v1",
            id=new_id(),
            organization_id=organization_id,
            public_id=key.public_id,
            name="First key",
            secret_sha256=key.secret_sha256,
        )

    async def register_key(
        self,
        organization_id: OrganizationId,
        key: ApiKey,
        *,
        name: str,
        scopes: list[str],
        expires_at: datetime | None = None,
    ) -> None:
        """Store the hash of a key that comes from no person and no other key."""
        row = {
            "id": new_id(),
            "public_id": key.public_id,
            "secret_sha256": key.secret_sha256,
            "name": name,
            "scopes": scopes,
            "expires_at": expires_at and rfc3339(expires_at),
        }
        await self._database.scoped(organization_id).call("api_key_create_v1", key=row)

    async def find_key(self, public_id: str) -> StoredKey | None:
        """The key with this public id in any organization."""
        row = await self._system.call("api_key_find_v2", public_id=public_id)
        return None if row is None else StoredKey.model_validate(row)

    async def resolve(self, *, organization: str, user: str, role: str, issued_at_s: int) -> Member:
        """Our ids of a session, whose ids are Clerk's; made where they are missing."""
        row = await self._system.call(
            "session_resolve_v1",
            clerk_organization=organization,
            clerk_user=user,
            role=role,
            issued_at_s=issued_at_s,
            new_organization_id=new_id(),
            new_user_id=new_id(),
        )
        return Member.model_validate(row)

    async def touch(self, uses: list[dict[str, Any]]) -> None:
        """Note when and from where keys were last used."""
        await self._system.call("api_keys_touch_v1", uses=uses)

    async def purge(self, *, older_than_s: int) -> None:
        """Delete what is kept no longer: of ended organizations, of keys, by the retention set."""
        await self._system.call("idempotency_purge_v1")
        for kind in ("conversations", "leads", "audit"):
            while await self._system.call(f"{kind}_expire_v1", limit=PURGED_AT_ONCE) == (
                PURGED_AT_ONCE
            ):
                pass
        await self._system.call("organizations_purge_v1", older_than_s=older_than_s)

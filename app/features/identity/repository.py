"""Organizations and API keys in the database."""

from datetime import datetime

from app.core.ids import OrganizationId, new_id
from app.core.schemas import Resource
from app.features.identity.keys import ApiKey
from app.ports.store import Database


class StoredKey(Resource):
    """A key as it is kept: a hash, whose it is and what it may do."""

    id: str
    organization_id: str
    public_id: str
    secret_sha256: str
    scopes: list[str]
    expires_at: datetime | None
    revoked_at: datetime | None


class IdentityRepository:
    """Look-ups that come before any organization is known."""

    def __init__(self, database: Database) -> None:
        self._system = database.system()

    async def ensure_organization(self, slug: str, name: str) -> OrganizationId:
        """The organization of that slug, made where it is missing."""
        row = await self._system.call("organization_ensure_v1", id=new_id(), slug=slug, name=name)
        return OrganizationId(row["id"])

    async def register_key(
        self, organization_id: OrganizationId, key: ApiKey, *, name: str, scopes: list[str]
    ) -> StoredKey:
        """Store the hash of a key; one of that public id that is there already is left as it is."""
        row = await self._system.call(
            "api_key_register_v1",
            id=new_id(),
            organization_id=organization_id,
            public_id=key.public_id,
            name=name,
            secret_sha256=key.secret_sha256,
            scopes=scopes,
        )
        return StoredKey.model_validate(row)

    async def find_key(self, public_id: str) -> StoredKey | None:
        """The key with this public id in any organization."""
        row = await self._system.call("api_key_find_v1", public_id=public_id)
        return None if row is None else StoredKey.model_validate(row)

"""A key for whoever runs the service, made at its command line."""

from datetime import datetime

from app.core.acting import ACTING, Acting
from app.core.ids import new_id
from app.features.identity.keys import new_key
from app.features.identity.repository import IdentityRepository
from app.features.identity.roles import ALL
from app.ports.store import Database

ACTOR = "command_line"


async def make_operator_key(database: Database, *, name: str, expires_at: datetime | None) -> str:
    """A new key with all scopes for the organization `local`, which is made where it is missing.

    The audit log has it as made by `command_line`.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    repository = IdentityRepository(database)
    organization_id = await repository.ensure_local()
    key = new_key()
    before = ACTING.set(Acting(actor=ACTOR, request_id=new_id()))
    try:
        await repository.register_key(
            organization_id, key, name=name, scopes=[ALL], expires_at=expires_at
        )
    finally:
        ACTING.reset(before)
    return key.text

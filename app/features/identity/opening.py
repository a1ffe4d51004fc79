"""What checks credentials for as long as the service runs."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from app.core.background import kept_up
from app.features.identity.first_key import FirstKey
from app.features.identity.key_uses import KeyUses
from app.features.identity.repository import IdentityRepository
from app.features.identity.service import IdentityService
from app.ports import Ports
from app.ports.store import StoreUnavailable


@asynccontextmanager
async def open_identity(ports: Ports) -> AsyncGenerator[IdentityService]:
    """Checks API keys and widget sessions, and Clerk's session tokens where Clerk is set up.

    Without Clerk the organization `local` is made, and its first key where it has none.
    """
    settings = ports.settings
    repository = IdentityRepository(ports.database)
    tokens, first = None, None
    if ports.signing_keys is not None and settings.session_issuer is not None:
        # Loaded only where it is used, as the keys that it reads with.
        from app.features.identity.session_tokens import SessionTokens

        tokens = SessionTokens(
            ports.signing_keys,
            ports.clock,
            issuer=settings.session_issuer,
            authorized_parties=settings.clerk_authorized_parties,
        )
    else:
        first = FirstKey(repository, settings.data_dir)
        with suppress(StoreUnavailable):
            await first.register()
    uses = KeyUses(repository, ports.clock)
    async with asyncio.TaskGroup() as tasks:
        keeper = tasks.create_task(kept_up(uses.keep))
        try:
            yield IdentityService(ports, uses, tokens=tokens, first_key=first)
        finally:
            keeper.cancel()
            await uses.write_down()

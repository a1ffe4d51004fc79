"""What callers pass before they are let in, as the edge asks for it."""

from typing import Any, Protocol

from app.web.caller import Caller


class Authenticator(Protocol):
    """Checks a bearer credential of any kind."""

    async def authenticate(self, credential: str, *, address: str = "") -> Caller:
        """The caller it belongs to; `address` is where it came from.

        Raises:
            InvalidCredential: unknown, altered, expired or revoked; which, is not said.
            Forbidden: it is valid, and may do nothing here.
            ServiceUnavailable: it cannot be checked at the moment.
        """
        ...


class Gate(Protocol):
    """Counts what callers ask (see `web/limits.py`)."""

    async def take(
        self, caller: Caller, *, method: str, route: str, agent_id: str, address: str
    ) -> Any:
        """Count a request that came from this address; what the response says of it.

        Raises:
            RateLimited: the caller asks too often.
        """
        ...

    async def note_missing(self, address: str) -> None:
        """Count a request without a credential, or with one that may do nothing here.

        Raises:
            RateLimited: somebody only wants to keep us busy.
        """
        ...

    async def note_failure(self, address: str) -> None:
        """Count a credential that was not valid.

        Raises:
            RateLimited: somebody is guessing.
        """
        ...

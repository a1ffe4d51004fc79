"""The public keys by which a sign-in service signs its session tokens."""

from typing import Any, Protocol

from app.core.errors import ServiceUnavailable


class SigningKeysUnavailable(ServiceUnavailable):
    """The sign-in service's keys cannot be read at the moment."""


class SigningKeys(Protocol):
    """RSA keys by their id, read from one address that the operator has set."""

    async def find(self, key_id: str) -> Any:
        """The public key of that id, as `cryptography` has it, or None where there is none.

        Raises:
            SigningKeysUnavailable: none have been read yet, and they cannot be read now.
        """
        ...

"""Fresh secrets, which are the same again when a request is repeated under its key.

A secret is shown once and kept as a hash. If the process dies between the two, the repeat of the
request must show the secret that was kept, and there is nowhere to read it from.
"""

import secrets

from app.core.acting import ACTING
from app.core.encryption import Vault


def secret_bytes(vault: Vault, what: str, length: int) -> bytes:
    """Bytes that nobody can guess; under an `Idempotency-Key`, the same for every try."""
    acting = ACTING.get()
    if acting is None or acting.seed is None:
        return secrets.token_bytes(length)
    return vault.derive(f"{what}:{acting.seed}", length)

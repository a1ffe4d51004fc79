"""What is kept encrypted of a webhook: its secrets, its headers, an address with credentials."""

from collections.abc import Mapping

import orjson

from app.core.encryption import Unsealable, Vault


class WebhookSeals:
    """Seals for one webhook what does not open for another."""

    def __init__(self, vault: Vault, webhook_id: str) -> None:
        self._vault = vault
        self._id = webhook_id

    def seal_secret(self, secret: str) -> str:
        return self._vault.seal(secret, purpose=f"webhook_secret:{self._id}")

    def secret(self, sealed: str) -> str:
        """The secret.

        Raises:
            Unsealable: none of our keys sealed it.
        """
        return self._vault.unseal(sealed, purpose=f"webhook_secret:{self._id}")

    def seal_headers(self, headers: Mapping[str, str]) -> str | None:
        if not headers:
            return None
        text = orjson.dumps(dict(headers)).decode()
        return self._vault.seal(text, purpose=f"webhook_headers:{self._id}")

    def headers(self, sealed: str | None) -> dict[str, str]:
        """The headers.

        Raises:
            Unsealable: none of our keys sealed them.
        """
        if sealed is None:
            return {}
        return orjson.loads(self._vault.unseal(sealed, purpose=f"webhook_headers:{self._id}"))

    def seal_url(self, url: str) -> str:
        return self._vault.seal(url, purpose=f"webhook_url:{self._id}")

    def url(self, sealed: str | None, stored: str) -> str:
        """The address; `stored` where nothing of it is sealed.

        Raises:
            Unsealable: none of our keys sealed it.
        """
        if sealed is None:
            return stored
        return self._vault.unseal(sealed, purpose=f"webhook_url:{self._id}")

    def readable_url(self, sealed: str | None, stored: str) -> str | None:
        """The address; None where it can no longer be read."""
        try:
            return self.url(sealed, stored)
        except Unsealable:
            return None

    def readable_headers(self, sealed: str | None) -> dict[str, str]:
        """The headers; none where they can no longer be read."""
        try:
            return self.headers(sealed)
        except Unsealable:
            return {}

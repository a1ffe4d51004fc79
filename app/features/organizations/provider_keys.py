"""An organization's own keys at providers of models: sealed at rest, never read out."""

from collections.abc import Mapping

import structlog

from app.core.encryption import Unsealable, Vault
from app.core.ids import OrganizationId

PROVIDERS = ("anthropic", "google", "mistral", "openai")
# The last four characters of a shorter key would be too much of it.
MIN_CHARS_FOR_LAST4 = 12
log = structlog.get_logger(__name__)


class ProviderKeys:
    """Seals for one organization and provider what does not open for another."""

    def __init__(self, vault: Vault, organization_id: OrganizationId) -> None:
        self._vault, self._organization_id = vault, organization_id

    def sealed(self, provider: str, key: str) -> dict[str, str | None]:
        """The key as it is kept: `{sealed, last4}`."""
        last4 = key[-4:] if len(key) >= MIN_CHARS_FOR_LAST4 else None
        return {"sealed": self._vault.seal(key, purpose=self._purpose(provider)), "last4": last4}

    def opened(self, sealed: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        """The keys by provider, without those that no key of ours opens any more."""
        keys: dict[str, str] = {}
        for provider, kept in sealed.items():
            try:
                keys[provider] = self._vault.unseal(kept["sealed"], purpose=self._purpose(provider))
            except Unsealable:
                log.warning("provider_key_unreadable", provider=provider)
        return keys

    def _purpose(self, provider: str) -> str:
        return f"provider_key:{self._organization_id}:{provider}"

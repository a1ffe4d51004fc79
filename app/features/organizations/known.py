"""Every organization's settings, as this process knows them."""

from typing import Any

from app.core.ids import OrganizationId
from app.features.organizations.chosen import Chosen
from app.features.organizations.provider_keys import ProviderKeys
from app.ports import Ports
from app.ports.llm import Models
from app.web.limits import OrganizationLimits

CACHE_S = 30.0


class KnownSettings:
    """What organizations have set; a change is known to every process within 5 s."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def of(self, organization_id: OrganizationId) -> Chosen:
        """What the organization has chosen."""

        async def read() -> Any:
            return await self._ports.database.scoped(organization_id).call("settings_read_v1")

        document = await self._ports.cache.fetch(cache_key(organization_id), read, ttl_s=CACHE_S)
        return Chosen(document, self._ports.settings)

    async def limits_of(self, organization_id: OrganizationId) -> OrganizationLimits:
        """The limits that hold for the organization."""
        return (await self.of(organization_id)).limits

    async def models_of(self, organization_id: OrganizationId) -> Models:
        """The models by the organization's own keys, where it has some."""
        sealed = (await self.of(organization_id)).sealed_keys
        if not sealed:
            return self._ports.models
        keys = ProviderKeys(self._ports.vault, organization_id)
        return self._ports.models.with_keys(keys.opened(sealed))


def cache_key(organization_id: OrganizationId) -> str:
    """Where an organization's settings are cached."""
    return f"settings:{organization_id}"

"""What administrators read and change of what holds for their organization."""

from dataclasses import asdict
from typing import Any

from app.features.models.known import KnownModels
from app.features.organizations.chosen import PER_MINUTE, Chosen
from app.features.organizations.known import cache_key
from app.features.organizations.provider_keys import PROVIDERS, ProviderKeys
from app.features.settings.repository import SettingsRepository
from app.features.settings.schemas import OrganizationSettings, RateLimits, SettingsUpdate
from app.ports import Ports
from app.web.auth import Caller


class SettingsService:
    """Settings of the caller's organization."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._ports = ports
        self._organization_id = caller.organization_id
        self._keys = ProviderKeys(ports.vault, caller.organization_id)
        self._models = KnownModels(ports, caller.organization_id)
        self._repository = SettingsRepository(ports.database, caller.organization_id)

    async def get(self) -> OrganizationSettings:
        """What holds now."""
        return self._shown(await self._repository.read())

    async def update(
        self, body: SettingsUpdate, *, expected_versions: list[int] | None
    ) -> OrganizationSettings:
        """Change what was sent; within 5 s it holds on every process.

        Raises:
            SettingsVersionMismatch: they are at none of the expected versions.
            UnknownModel: nobody serves the default model.
        """
        changes = body.model_dump(mode="json", exclude_unset=True, exclude={"provider_keys"})
        if body.default_model_id is not None:
            await self._models.resolve(body.default_model_id)
        if "provider_keys" in body.model_fields_set:
            given = {name: getattr(body.provider_keys, name) for name in PROVIDERS}
            changes["provider_keys"] = {
                name: given[name] and self._keys.sealed(name, given[name].get_secret_value())
                for name in body.provider_keys.model_fields_set
            }
        document = await self._repository.update(changes, expected_versions=expected_versions)
        await self._ports.cache.forget(cache_key(self._organization_id))
        return self._shown(document)

    def _shown(self, document: dict[str, Any]) -> OrganizationSettings:
        chosen = Chosen(document, self._ports.settings)
        limits = asdict(chosen.limits)
        return OrganizationSettings.model_validate(
            {
                "retention_days": {},
                "budgets": {},
                **document,
                "language": chosen.language,
                "timezone": chosen.timezone,
                "default_model_id": chosen.default_model_id,
                "default_temperature": chosen.default_temperature,
                "max_tokens": chosen.max_tokens,
                "conversation_history_limit": chosen.conversation_history_limit,
                "rate_limits": {
                    name: limits[name.removesuffix(PER_MINUTE)] for name in RateLimits.model_fields
                },
                "allowed_origins": chosen.allowed_origins,
                "provider_keys": {name: _mark(chosen.sealed_keys.get(name)) for name in PROVIDERS},
            }
        )


def _mark(kept: dict[str, str] | None) -> dict[str, Any]:
    return {"set": kept is not None, "last4": kept and kept.get("last4")}

"""Settings in the database."""

from typing import Any

from app.core.ids import OrganizationId
from app.features.settings.errors import SettingsVersionMismatch
from app.ports.store import Database


class SettingsRepository:
    """What one organization has set."""

    def __init__(self, database: Database, organization_id: OrganizationId) -> None:
        self._scope = database.scoped(organization_id)

    async def read(self) -> dict[str, Any]:
        """What it has set, and the version of that."""
        return await self._scope.call("settings_read_v1")

    async def update(
        self, changes: dict[str, Any], *, expected_versions: list[int] | None
    ) -> dict[str, Any]:
        """The same with changes merged into it."""
        result = await self._scope.call(
            "settings_update_v1", changes=changes, expected_versions=expected_versions
        )
        if result["outcome"] == "version_mismatch":
            raise SettingsVersionMismatch(
                f"They are at version {result['version']} now; read them again.",
                version=result["version"],
            )
        return result["settings"]

"""Models and prices in the database."""

from typing import Any

from app.core.ids import OrganizationId
from app.features.models.errors import (
    ModelAlreadyExists,
    ModelInUse,
    ModelNotFound,
    TooManyModels,
)
from app.ports.store import Database


class ModelRepository:
    """The models and prices of one organization."""

    def __init__(self, database: Database, organization_id: OrganizationId) -> None:
        self._scope = database.scoped(organization_id)

    async def read(self) -> dict[str, Any]:
        """All entries, and the prices that hold or will hold."""
        return await self._scope.call("models_read_v1")

    async def create(self, model: dict[str, Any], price: dict[str, Any] | None) -> None:
        _checked(await self._scope.call("model_create_v1", model=model, price=price))

    async def update(
        self, model_id: str, changes: dict[str, Any], price: dict[str, Any] | None
    ) -> None:
        _checked(
            await self._scope.call("model_update_v1", id=model_id, changes=changes, price=price)
        )

    async def delete(self, model_id: str) -> None:
        _checked(await self._scope.call("model_delete_v1", id=model_id))

    async def prices(self, model_id: str) -> list[dict[str, Any]]:
        """All prices that were set for a model, the latest first."""
        return await self._scope.call("model_prices_list_v1", model_id=model_id)

    async def set_price(self, model_id: str, price: dict[str, Any]) -> dict[str, Any]:
        result = await self._scope.call("model_price_set_v1", model_id=model_id, price=price)
        return _checked(result)["price"]

    async def delete_price(self, model_id: str, price_id: str) -> bool:
        return bool(await self._scope.call("model_price_delete_v1", model_id=model_id, id=price_id))


def _checked(result: dict[str, Any]) -> dict[str, Any]:
    match result["outcome"]:
        case "exists":
            raise ModelAlreadyExists("Change that one, or choose another id.")
        case "too_many":
            raise TooManyModels("Delete what is no longer needed first.")
        case "not_found":
            raise ModelNotFound
        case "in_use":
            raise ModelInUse(
                "Give these agents another model first.", agent_ids=result["agent_ids"]
            )
        case _:
            return result

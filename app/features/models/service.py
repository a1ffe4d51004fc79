"""What can be done with models."""

from typing import Any

from app.core.ids import new_id
from app.core.schemas import rfc3339
from app.features.models.errors import (
    BaseUrlNotSupported,
    ModelAlreadyExists,
    ModelBuiltIn,
    ModelNotFound,
    ModelPriceNotFound,
)
from app.features.models.known import KnownModels, OwnModels, cache_key
from app.features.models.repository import ModelRepository
from app.features.models.schemas import (
    Model,
    ModelCreate,
    ModelPrice,
    ModelUpdate,
    PriceCreate,
    PriceGiven,
)
from app.features.models.shown import shown_built_in, shown_own, shown_price
from app.ports import Ports
from app.ports.llm import CATALOGUE, ResolvedModel, UnknownModel
from app.web.auth import Caller


class ModelService:
    """Models of the caller's organization."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._ports = ports
        self._organization_id = caller.organization_id
        self._known = KnownModels(ports, caller.organization_id)
        self._repository = ModelRepository(ports.database, caller.organization_id)

    async def all(self, *, provider: str | None, available: bool | None) -> list[Model]:
        """All models, by id; the organization's own stand before built-in ones of the same id."""
        own = await self._fresh()
        models = {model.id: shown_built_in(model, self._known, own) for model in CATALOGUE.models}
        models |= {key: shown_own(entry, self._known, own) for key, entry in own.entries.items()}
        return [
            model
            for _, model in sorted(models.items())
            if provider in (None, model.provider) and available in (None, model.available)
        ]

    async def get(self, model_id: str) -> Model:
        """One model.

        Raises:
            ModelNotFound: there is none.
        """
        own = await self._fresh()
        if model_id in own.entries:
            return shown_own(own.entries[model_id], self._known, own)
        if model_id in CATALOGUE.by_id:
            return shown_built_in(CATALOGUE.by_id[model_id], self._known, own)
        raise ModelNotFound

    async def create(self, body: ModelCreate) -> Model:
        """A model of the organization's own.

        Raises:
            ModelAlreadyExists: the organization or the catalogue has one with this id.
            TooManyModels: it has as many as it can have.
            UnknownModel, BaseUrlNotSupported: nobody would serve it.
        """
        fields = self._fields(body, set(ModelCreate.model_fields))
        self._known.upstream(self._ports.models, fields)
        if body.id in CATALOGUE.by_id:
            raise ModelAlreadyExists("It is built in; set a price for it, or choose another id.")
        price = None if body.price is None else _kept(body.price, None)
        await self._repository.create(fields, price)
        return await self._changed(body.id)

    async def update(self, model_id: str, body: ModelUpdate) -> Model:
        """The sent fields; a price holds from now on.

        Raises:
            ModelNotFound, ModelBuiltIn: it is none of the organization's own.
            UnknownModel, BaseUrlNotSupported: nobody would serve it.
        """
        entry = await self._own_entry(model_id)
        fields = self._fields(body, body.model_fields_set)
        self._known.upstream(self._ports.models, entry | fields)
        price = None
        if "price" in body.model_fields_set:
            price = _kept(body.price, rfc3339(self._ports.clock.now()))
        await self._repository.update(model_id, fields, price)
        return await self._changed(model_id)

    async def delete(self, model_id: str) -> None:
        """Delete a model with its prices; what runs have cost stays as it was.

        Raises:
            ModelNotFound, ModelBuiltIn: it is none of the organization's own.
            ModelInUse: agents use it.
        """
        await self._own_entry(model_id)
        await self._repository.delete(model_id)
        await self._forget()

    async def resolved(self, model_id: str) -> ResolvedModel:
        """The model to be tried, also where it is switched off.

        Raises:
            ModelNotFound: there is none.
        """
        own = await self._fresh()
        try:
            entry = own.entries.get(model_id)
            return (
                own.models.resolve(model_id)
                if entry is None
                else self._known.upstream(own.models, entry)
            )
        except UnknownModel:
            raise ModelNotFound from None

    async def prices(self, model_id: str) -> list[ModelPrice]:
        """The prices that the organization has set for a model, the latest first.

        Raises:
            ModelNotFound: there is no such model.
        """
        await self.get(model_id)
        return [shown_price(row) for row in await self._repository.prices(model_id)]

    async def set_price(self, model_id: str, body: PriceCreate) -> ModelPrice:
        """What a model costs the organization from a moment on.

        Raises:
            ModelNotFound: there is no such model.
            TooManyModels: it has as many prices as it can have.
        """
        await self.get(model_id)
        begins = rfc3339(body.valid_from or self._ports.clock.now())
        row = await self._repository.set_price(model_id, _kept(body.price, begins))
        await self._forget()
        return shown_price(row)

    async def delete_price(self, model_id: str, price_id: str) -> None:
        """Take a price back; the one before it holds again.

        Raises:
            ModelNotFound, ModelPriceNotFound: there is none.
        """
        await self.get(model_id)
        if not await self._repository.delete_price(model_id, price_id):
            raise ModelPriceNotFound
        await self._forget()

    async def _fresh(self) -> OwnModels:
        return OwnModels.of(await self._repository.read(), await self._known.by_own_keys())

    async def _own_entry(self, model_id: str) -> dict[str, Any]:
        own = await self._fresh()
        if model_id in own.entries:
            return own.entries[model_id]
        if model_id in CATALOGUE.by_id:
            raise ModelBuiltIn(
                "Set a price of your own under its `/prices`, or add a model with another id."
            )
        raise ModelNotFound

    async def _changed(self, model_id: str) -> Model:
        await self._forget()
        return await self.get(model_id)

    async def _forget(self) -> None:
        await self._ports.cache.forget(cache_key(self._organization_id))

    @staticmethod
    def _fields(body: ModelCreate | ModelUpdate, sent: set[str]) -> dict[str, Any]:
        if body.base_url is not None:
            raise BaseUrlNotSupported(
                "Leave `base_url` out. The operator can set `VLLM_BASE_URL`, `OLLAMA_BASE_URL` or"
                " `OPENAI_BASE_URL`; then name the server in `upstream_model`: `vllm/llama-3`."
            )
        return body.model_dump(mode="json", by_alias=True, include=sent - {"price", "base_url"})


def _kept(price: PriceGiven | None, valid_from: str | None) -> dict[str, Any]:
    return {
        "id": new_id(),
        "valid_from": valid_from,
        "price": None if price is None else price.kept(),
    }

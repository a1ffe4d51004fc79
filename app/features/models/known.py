"""Which model an id means to an organization, and what it costs at the moment."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.core.ids import OrganizationId
from app.features.models.repository import ModelRepository
from app.features.organizations.known import KnownSettings
from app.ports import Ports
from app.ports.llm import (
    CATALOGUE,
    CatalogueModel,
    Models,
    Price,
    ProviderNotConfigured,
    Rates,
    ResolvedModel,
    UnknownModel,
)

CACHE_S = 60.0
FREE = "local"
# The provider of an entry whose `upstream_model` names the operator's server: `vllm/llama-3`.
COMPATIBLE = "openai_compatible"


def cache_key(organization_id: OrganizationId) -> str:
    """Where an organization's models and prices are cached."""
    return f"models:{organization_id}"


@dataclass(frozen=True, slots=True)
class OwnModels:
    """An organization's models and prices, as rows; `models` are asked by its own keys."""

    entries: Mapping[str, dict[str, Any]]
    prices: list[dict[str, Any]]
    models: Models

    @classmethod
    def of(cls, document: dict[str, Any], models: Models) -> "OwnModels":
        """As the database tells of them."""
        entries = {entry["id"]: entry for entry in document["entries"]}
        return cls(entries, document["prices"], models)

    def price_row(self, model_id: str, at: datetime) -> dict[str, Any] | None:
        """The price that holds at that moment; None where the organization has set none."""
        held = None
        for row in self.prices:
            if row["model_id"] == model_id and _has_begun(row["valid_from"], at):
                held = row
        return held


class KnownModels:
    """Models as one organization knows them: its own entries come first."""

    def __init__(self, ports: Ports, organization_id: OrganizationId) -> None:
        self._ports = ports
        self._organization_id = organization_id
        self._settings = KnownSettings(ports)

    async def own(self) -> OwnModels:
        """What the organization has of its own, as this process knows it."""
        repository = ModelRepository(self._ports.database, self._organization_id)
        key = cache_key(self._organization_id)
        document = await self._ports.cache.fetch(key, repository.read, ttl_s=CACHE_S)
        return OwnModels.of(document, await self.by_own_keys())

    async def by_own_keys(self) -> Models:
        """The models that anybody has, asked by the organization's own keys where it has some."""
        return await self._settings.models_of(self._organization_id)

    async def resolve(self, model_id: str) -> ResolvedModel:
        """Who serves the id, and what it costs now.

        Raises:
            UnknownModel: nobody does, or the organization has switched its model off.
        """
        own = await self.own()
        entry = own.entries.get(model_id)
        if entry is None:
            resolved = own.models.resolve(model_id)
        elif entry["is_active"]:
            resolved = self.upstream(own.models, entry)
        else:
            raise UnknownModel(f"The model {model_id!r} is switched off.")
        return replace(resolved, id=model_id, price=self.price(own, resolved, entry))

    async def usable(self, model_id: str) -> ResolvedModel:
        """As `resolve`, for a call that is about to be made.

        Raises:
            UnknownModel: nobody serves it.
            ProviderNotConfigured: its provider is not set up.
        """
        resolved = await self.resolve(model_id)
        if not resolved.provider.is_configured:
            raise ProviderNotConfigured(
                f"Set {resolved.provider.required_variable}, or a key of your own in the settings'"
                f" `provider_keys`, to use {model_id!r}; the model `local` needs no key."
            )
        return resolved

    async def usable_of(self, model_ids: list[str]) -> list[ResolvedModel]:
        """Those that can be asked, in this order: the first, and the others where it fails.

        Raises:
            UnknownModel, ProviderNotConfigured: none can; why, of the first.
        """
        usable: dict[str, ResolvedModel] = {}
        failures: list[UnknownModel | ProviderNotConfigured] = []
        for model_id in model_ids:
            try:
                usable.setdefault(model_id, await self.usable(model_id))
            except (UnknownModel, ProviderNotConfigured) as failure:
                failures.append(failure)
        if not usable:
            raise failures[0]
        return list(usable.values())

    def upstream(self, models: Models, entry: Mapping[str, Any]) -> ResolvedModel:
        """Who serves an entry of the organization's own.

        Raises:
            UnknownModel: nobody does.
        """
        provider, name = entry["provider"], entry["upstream_model"]
        resolved = models.resolve(name if provider == COMPATIBLE else f"{provider}/{name}")
        return replace(resolved, window=entry["context_window"])

    def price(
        self, own: OwnModels, resolved: ResolvedModel, entry: Mapping[str, Any] | None
    ) -> Price | None:
        """What a model costs now: as the organization says, else as the catalogue does."""
        now = self.now()
        listed = CATALOGUE.find(resolved.provider.name, resolved.model)
        model_id = entry["id"] if entry else listed.id if listed else ""
        row = own.price_row(model_id, now)
        if row is not None:
            return price_of(row["price"])
        # An entry stands for itself, wherever its provider's address leads; ours is always free.
        is_listed = entry is None or resolved.provider.name == FREE
        return listed.price(now) if listed and is_listed else None

    def now(self) -> datetime:
        """The moment at which prices are looked up."""
        return self._ports.clock.now()

    def served(self, models: Models, model: CatalogueModel) -> ResolvedModel | None:
        """Who serves a model of the catalogue; None where its provider is not there."""
        try:
            return models.resolve(f"{model.provider}/{model.id}")
        except UnknownModel:
            return None


def price_of(row: Mapping[str, int | None] | None) -> Price | None:
    """A price as it is kept."""
    if row is None:
        return None
    return Price(Rates(row["input"] or 0, row["output"] or 0, row["cached"]))


def _has_begun(valid_from: str | None, at: datetime) -> bool:
    return valid_from is None or datetime.fromisoformat(valid_from) <= at

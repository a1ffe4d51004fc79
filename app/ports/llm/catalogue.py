"""The models that the service knows of itself: `catalogue.json`, with its date and sources."""

from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from app.ports.llm.prices import Price, Rates, micro

FILE = Path(__file__).with_name("catalogue.json")


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Abilities(_Entry):
    """What a model can do besides writing."""

    tools: bool
    vision: bool
    json_: bool = Field(alias="json")


class _Usd(_Entry):
    input: Decimal
    output: Decimal
    cached: Decimal | None

    @property
    def rates(self) -> Rates:
        cached = None if self.cached is None else micro(self.cached)
        return Rates(micro(self.input), micro(self.output), cached)


class _LongUsd(_Usd):
    above: int


class _PricePeriod(_Usd):
    since: date | None = Field(alias="from")
    long: _LongUsd | None

    @cached_property
    def price(self) -> Price:
        if self.long is None:
            return Price(self.rates)
        return Price(self.rates, self.long.rates, self.long.above)

    def has_begun(self, day: date) -> bool:
        return self.since is None or self.since <= day


class CatalogueModel(_Entry):
    """A model as its provider describes and prices it; None is unknown."""

    id: str
    provider: str
    aliases: tuple[str, ...] = ()
    context_window: int | None
    max_output_tokens: int | None
    supports: Abilities
    prices: tuple[_PricePeriod, ...]

    def price(self, at: datetime) -> Price | None:
        """What it costs at that moment."""
        day = at.astimezone(UTC).date()
        begun = [period for period in self.prices if period.has_begun(day)]
        return begun[-1].price if begun else None


class Catalogue(_Entry):
    """All of them, found by provider and name."""

    date: date
    note: str
    sources: tuple[str, ...]
    # Windows of names that are not listed, by how they begin; the longest beginning holds.
    families: dict[str, dict[str, int]]
    models: tuple[CatalogueModel, ...]

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], CatalogueModel]:
        return {
            (model.provider, name): model
            for model in self.models
            for name in (model.id, *model.aliases)
        }

    @cached_property
    def by_id(self) -> dict[str, CatalogueModel]:
        """The models by their ids."""
        return {model.id: model for model in self.models}

    def find(self, provider: str, name: str) -> CatalogueModel | None:
        """The provider's model of that name; whatever `local` is called, it is one."""
        return self._by_name.get((provider, provider if provider == "local" else name))

    def window(self, provider: str, name: str) -> int | None:
        """How many tokens the model reads and writes in all, or those of its family."""
        model = self.find(provider, name)
        if model is not None and model.context_window is not None:
            return model.context_window
        windows = self.families.get(provider, {})
        known = [start for start in windows if name.startswith(start)]
        return windows[max(known, key=len)] if known else None


CATALOGUE = Catalogue.model_validate_json(FILE.read_bytes())

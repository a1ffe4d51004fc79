"""Models and prices as clients are shown them."""

from collections.abc import Mapping
from typing import Any

from app.features.models.known import KnownModels, OwnModels, price_of
from app.features.models.schemas import (
    LongPrice,
    Model,
    ModelPrice,
    ModelPriceShown,
    PriceShown,
    Supports,
)
from app.ports.llm import CatalogueModel, Price, ResolvedModel, UnknownModel


def shown_built_in(model: CatalogueModel, known: KnownModels, own: OwnModels) -> Model:
    """A model of the catalogue, with the price that the organization has set for it."""
    served = known.served(own.models, model)
    row = own.price_row(model.id, known.now())
    price = model.price(known.now()) if row is None else price_of(row["price"])
    return Model(
        id=model.id,
        provider=model.provider,
        upstream_model=model.id,
        context_window=model.context_window,
        max_output_tokens=model.max_output_tokens,
        supports=Supports.model_validate(model.supports.model_dump(by_alias=True)),
        price=_price(price),
        price_source=_source(price, is_own=row is not None),
        is_built_in=True,
        is_active=True,
        available=served is not None and served.provider.is_configured,
    )


def shown_own(entry: Mapping[str, Any], known: KnownModels, own: OwnModels) -> Model:
    """A model of the organization's own; without a price it costs what its upstream model does."""
    resolved: ResolvedModel | None = None
    price: Price | None = None
    try:
        resolved = known.upstream(own.models, entry)
        price = known.price(own, resolved, entry)
    except UnknownModel:
        pass  # its provider is not there any more
    return Model.model_validate(
        {
            **entry,
            "price": _price(price),
            "price_source": _source(
                price, is_own=own.price_row(entry["id"], known.now()) is not None
            ),
            "is_built_in": False,
            "available": entry["is_active"]
            and resolved is not None
            and resolved.provider.is_configured,
        }
    )


def shown_price(row: Mapping[str, Any]) -> ModelPrice:
    """A price that was set."""
    price = price_of(row["price"])
    return ModelPrice.model_validate(
        {**row, "price": None if price is None else PriceShown.of(price.rates)}
    )


def _price(price: Price | None) -> ModelPriceShown | None:
    if price is None:
        return None
    long = None
    if price.long is not None:
        long = LongPrice(**PriceShown.of(price.long).model_dump(), above=price.above)
    return ModelPriceShown(**PriceShown.of(price.rates).model_dump(), long=long)


def _source(price: Price | None, *, is_own: bool) -> Any:
    if is_own:
        return "organization"
    return None if price is None else "catalogue"

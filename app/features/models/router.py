"""Routes under /api/v2/models."""

from typing import Annotated

from fastapi import Depends, Path, Query, Response

from app.core.pagination import InvalidCursor, Page
from app.core.schemas import Id, TrueOrFalse
from app.features.models.errors import (
    BaseUrlNotSupported,
    ModelAlreadyExists,
    ModelBuiltIn,
    ModelInUse,
    ModelNotFound,
    ModelPriceNotFound,
    TooManyModels,
)
from app.features.models.schemas import (
    Model,
    ModelCreate,
    ModelPrice,
    ModelTest,
    ModelUpdate,
    PriceCreate,
    ProviderName,
)
from app.features.models.service import ModelService
from app.features.models.trial import tried
from app.ports.llm import UnknownModel
from app.web.auth import ModelsReader, ModelsWriter
from app.web.deadlines import at_its_own_pace
from app.web.deps import OpenPorts, PageCursor, PageLimit, cursors
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("models", prefix="/api/v2/models")
PathId = Annotated[
    str,
    Path(max_length=200, description="The model's id; it may hold slashes, as they are or as %2F."),
]


async def _readable(ports: OpenPorts, caller: ModelsReader) -> ModelService:
    return ModelService(ports, caller)


async def _writable(ports: OpenPorts, caller: ModelsWriter) -> ModelService:
    return ModelService(ports, caller)


Readable = Annotated[ModelService, Depends(_readable)]
Writable = Annotated[ModelService, Depends(_writable)]


@router.get("", summary="List models", responses=problems(InvalidCursor))
async def list_models(
    ports: OpenPorts,
    caller: ModelsReader,
    models: Readable,
    provider: Annotated[
        ProviderName | None, Query(description="Only those of this provider.")
    ] = None,
    available: Annotated[
        bool | None, Query(description="Only those that can be used, or cannot."), TrueOrFalse
    ] = None,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[Model]:
    """The models that the service knows and those of the organization, by id."""
    pages = cursors(ports, caller, "models", provider, available)
    after = pages.open(cursor)
    rows = await models.all(provider=provider, available=available)
    rows = [model for model in rows if after is None or model.id > after]
    return pages.page(rows, limit, lambda model: model.id)


@router.post(
    "",
    status_code=201,
    summary="Add a model",
    responses=problems(UnknownModel, BaseUrlNotSupported, ModelAlreadyExists, TooManyModels),
)
async def create_model(body: ModelCreate, models: Writable, response: Response) -> Model:
    """A model of the organization's own, under an id by which agents and chats can name it."""
    model = await models.create(body)
    response.headers["Location"] = f"/api/v2/models/{model.id}"
    return model


@router.post("/{model_id:path}/test", summary="Try a model", responses=problems(ModelNotFound))
@at_its_own_pace
async def test_model(model_id: PathId, ports: OpenPorts, models: Writable) -> ModelTest:
    """Asks the model for one token: how long it took, or what went wrong at its provider.

    The call costs what its tokens cost; it counts for no conversation and under no budget.
    """
    return await tried(await models.resolved(model_id), ports.clock)


@router.get(
    "/{model_id:path}/prices",
    summary="List a model's prices",
    responses=problems(ModelNotFound, InvalidCursor),
)
async def list_model_prices(
    model_id: PathId,
    ports: OpenPorts,
    caller: ModelsReader,
    models: Readable,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[ModelPrice]:
    """The prices that the organization has set, the latest first; then the catalogue's holds."""
    pages = cursors(ports, caller, "model_prices", model_id)
    after = pages.open(cursor)
    rows = await models.prices(model_id)
    start = next((place for place, row in enumerate(rows, 1) if row.id == after), 0)
    return pages.page(rows[start:], limit, lambda row: row.id)


@router.post(
    "/{model_id:path}/prices",
    status_code=201,
    summary="Set a model's price",
    responses=problems(ModelNotFound, TooManyModels),
)
async def create_model_price(
    model_id: PathId, body: PriceCreate, models: Writable, response: Response
) -> ModelPrice:
    """What a model costs the organization from a moment on, built in or of its own.

    A run costs what held when it began. Another price from the same moment is replaced.
    """
    price = await models.set_price(model_id, body)
    response.headers["Location"] = f"/api/v2/models/{model_id}/prices"
    return price


@router.delete(
    "/{model_id:path}/prices/{price_id}",
    status_code=204,
    summary="Take a model's price back",
    responses=problems(ModelNotFound, ModelPriceNotFound),
)
async def delete_model_price(
    model_id: PathId,
    price_id: Annotated[Id, Path(description="The price's id.")],
    models: Writable,
) -> None:
    """The price before it holds again. What runs have cost stays as it was."""
    await models.delete_price(model_id, price_id)


@router.get("/{model_id:model}", summary="Read a model", responses=problems(ModelNotFound))
async def get_model(model_id: PathId, models: Readable) -> Model:
    """One model, with what it costs now."""
    return await models.get(model_id)


@router.patch(
    "/{model_id:model}",
    summary="Change a model",
    responses=problems(ModelNotFound, ModelBuiltIn, UnknownModel, BaseUrlNotSupported),
)
async def update_model(model_id: PathId, body: ModelUpdate, models: Writable) -> Model:
    """The sent fields of a model of the organization's own. It holds everywhere within 5 s."""
    return await models.update(model_id, body)


@router.delete(
    "/{model_id:model}",
    status_code=204,
    summary="Delete a model",
    responses=problems(ModelNotFound, ModelBuiltIn, ModelInUse),
)
async def delete_model(model_id: PathId, models: Writable) -> None:
    """A model of the organization's own, with its prices."""
    await models.delete(model_id)


FEATURE = Feature("models", router)

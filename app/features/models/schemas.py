"""Models and prices as clients send and receive them."""

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from app.core.schemas import Body, Id, Moment, Resource, Text, Timestamp, example
from app.ports.llm import MICRO, Rates, micro

_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._:@-]*(/[a-zA-Z0-9][a-zA-Z0-9._:@-]*)*")
# Addresses below a model's own.
_TAKEN = {"test", "prices"}


def _own_id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise ValueError("is not a model's id, such as `vendas-rapido` or `minha-loja/gpt-4o`")
    if _TAKEN & set(text.split("/")[1:]):
        raise ValueError("must not have a part `test` or `prices`")
    return text


def _whole(usd: float) -> float:
    if abs(usd * MICRO - round(usd * MICRO)) > 0.001:
        raise ValueError("has more than six decimals")
    return usd


Usd = Annotated[float, Field(ge=0, le=100_000), AfterValidator(_whole)]
OwnId = Annotated[
    str, StringConstraints(min_length=1, max_length=200), AfterValidator(_own_id), Text
]
Tokens = Annotated[int, Field(ge=1, le=100_000_000)]
UpstreamName = Annotated[str, StringConstraints(min_length=1, max_length=200), Text]
ProviderName = Literal["openai", "anthropic", "google", "mistral", "openai_compatible", "local"]


class Supports(Body):
    """What the model can do; told to those who choose one, and not enforced."""

    tools: bool = True
    vision: bool = False
    json_: bool = Field(default=False, alias="json")


class PriceGiven(Body):
    """USD per million tokens."""

    input: Usd
    output: Usd
    cached: Usd | None = Field(
        default=None, description="Tokens from the provider's cache; by default as `input`."
    )

    def kept(self) -> dict[str, int | None]:
        """In whole micro-USD."""
        cached = None if self.cached is None else micro(Decimal(str(self.cached)))
        return {
            "input": micro(Decimal(str(self.input))),
            "output": micro(Decimal(str(self.output))),
            "cached": cached,
        }


class ModelCreate(Body):
    """A model of the organization's own."""

    model_config = example(
        id="vendas-rapido",
        provider="openai",
        upstream_model="gpt-6-luna",
        context_window=1_050_000,
        price={"input": 0.1, "output": 0.5, "cached": 0.01},
    )

    id: OwnId
    provider: ProviderName = Field(
        description="`openai_compatible` is a server that the operator has set up."
    )
    upstream_model: UpstreamName = Field(
        description="The provider's own name; `server/name` with `openai_compatible`, such as"
        " `vllm/llama-3`."
    )
    base_url: str | None = Field(default=None, description="Not supported yet; leave it out.")
    context_window: Tokens | None = None
    max_output_tokens: Tokens | None = None
    supports: Supports = Supports()
    price: PriceGiven | None = Field(
        default=None, description="Unknown when null: then what runs cost is null as well."
    )
    is_active: bool = True


class ModelUpdate(Body):
    """The fields to be changed; a price holds from now on, null makes it unknown from now on."""

    model_config = example(price={"input": 0.2, "output": 1, "cached": None})

    upstream_model: UpstreamName = ""
    base_url: str | None = None
    context_window: Tokens | None = None
    max_output_tokens: Tokens | None = None
    supports: Supports = Supports()
    price: PriceGiven | None = None
    is_active: bool = True


class PriceCreate(Body):
    """What a model costs from a moment on; null is unknown."""

    model_config = example(
        price={"input": 0.1, "output": 0.5, "cached": 0.01}, valid_from="2027-01-01"
    )

    price: PriceGiven | None
    valid_from: Moment | None = Field(default=None, description="By default now.")


class PriceShown(Resource):
    """USD per million tokens."""

    input: float
    output: float
    cached: float | None

    @classmethod
    def of(cls, rates: Rates) -> "PriceShown":
        """Rates in USD."""
        cached = None if rates.cached is None else rates.cached / MICRO
        return cls(input=rates.input / MICRO, output=rates.output / MICRO, cached=cached)


class LongPrice(PriceShown):
    """What all of an answer costs when more tokens than `above` go in."""

    above: int


class ModelPriceShown(PriceShown):
    """USD per million tokens; some providers charge more when much goes in."""

    long: LongPrice | None = None


class Model(Resource):
    """A model that agents can use."""

    model_config = example(
        id="gpt-6-luna",
        provider="openai",
        upstream_model="gpt-6-luna",
        base_url=None,
        context_window=1_050_000,
        max_output_tokens=128_000,
        supports={"tools": True, "vision": True, "json": True},
        price={
            "input": 0.1,
            "output": 0.5,
            "cached": 0.01,
            "long": {"input": 0.2, "output": 0.75, "cached": 0.02, "above": 272_000},
        },
        price_source="catalogue",
        is_built_in=True,
        is_active=True,
        available=True,
        created_at=None,
        updated_at=None,
    )

    id: str
    provider: str
    upstream_model: str
    base_url: str | None = None
    context_window: int | None
    max_output_tokens: int | None
    supports: Supports
    price: ModelPriceShown | None = Field(description="Null is unknown.")
    price_source: Literal["catalogue", "organization"] | None
    is_built_in: bool
    is_active: bool
    available: bool = Field(description="Whether its provider is set up, so that it can be used.")
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class ModelPrice(Resource):
    """A price that the organization has set for a model."""

    model_config = example(
        id="01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77",
        model_id="gpt-6-luna",
        price={"input": 0.1, "output": 0.5, "cached": 0.01},
        valid_from="2027-01-01T00:00:00.000Z",
        created_at="2026-11-26T02:00:00.000Z",
    )

    id: Id
    model_id: str
    price: PriceShown | None
    valid_from: Timestamp | None = Field(description="Null is from the beginning.")
    created_at: Timestamp


class TestError(Resource):
    """Why the provider did not answer."""

    code: str
    title: str
    detail: str | None


class ModelTest(Resource):
    """What came of a call of one token."""

    model_config = example(status="succeeded", latency_ms=412, error=None)

    status: Literal["succeeded", "failed"]
    latency_ms: int
    error: TestError | None

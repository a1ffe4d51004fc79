"""Who serves models, and which of them serves a given one."""

import random
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from app.core.clock import Clock, SystemClock
from app.core.settings import Settings
from app.ports.llm.failures import ProviderNotConfigured, UnknownModel
from app.ports.llm.prices import Price
from app.ports.llm.values import ChatEvent, ChatRequest
from app.ports.meter import SILENT


class Provider(Protocol):
    """Somebody who serves models."""

    @property
    def name(self) -> str:
        """The part before the slash in `provider/model`."""
        ...

    @property
    def is_configured(self) -> bool:
        """Whether it can be called: what it needs from the environment is there."""
        ...

    @property
    def required_variable(self) -> str | None:
        """The environment variable that sets it up; None where it needs none."""
        ...

    def recognises(self, model: str) -> bool:
        """Whether a bare model name is plainly one of this provider's own."""
        ...

    def context_window(self, model: str) -> int:
        """How many tokens the model reads and writes in all; a careful guess where unknown."""
        ...

    async def prepare(self) -> None:
        """Load what the first answer would have to wait for; if that fails, an answer tells."""
        ...

    def by_key(self, key: str) -> "Provider":
        """The same provider asked by another key; what happens to the one is no fault of the other.

        Where it needs no key it is itself. The same key gives the same one for as long as it is
        used, so that it can be left alone when it fails.
        """
        ...

    def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """The answer as it is written. Closing the generator closes the connection upstream.

        Raises:
            ProviderFailed: one of its kinds. Before the first token, shown or not, a failed call
                has been tried up to three times where that may help; after it, never again.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """How providers are called: how long they may be silent, when they are asked again."""

    clock: Clock = field(default_factory=SystemClock)
    # From 0 to below 1; spreads repeated calls, so that they do not come all at once.
    chance: Callable[[], float] = random.random
    connect_s: float = 5.0
    # For all attempts together; pauses between them are not counted.
    first_token_s: float = 30.0
    idle_s: float = 30.0
    # Once the model has said that it is done, how long usage and the end mark are waited for.
    tail_s: float = 5.0
    retries: int = 2
    pause_s: float = 0.5
    # A provider that asks for a longer pause is not waited for.
    longest_pause_s: float = 10.0
    # How long a provider that fails all the time is left alone.
    rest_s: float = 10.0
    # Told of every attempt: provider, `began` or the code of its failure, seconds until then.
    answered: Callable[[str, str, float], None] = SILENT.provider_answered
    # Told of every failure, before the first event or after it: provider, code.
    failed: Callable[[str, str], None] = SILENT.provider_failed


DialectName = Literal["chat_completions", "messages"]


@dataclass(frozen=True, slots=True)
class Wire:
    """How a provider is reached: its dialect, and the variables that say where and by which key."""

    dialect: DialectName
    base_url_variable: str
    key_variable: str


@dataclass(frozen=True, slots=True)
class ProviderAdapter:
    """One provider as the registry lists it; opening it connects to nothing."""

    name: str
    open: Callable[[Settings, Conduct], AbstractAsyncContextManager[Provider]]
    # None where no network is needed.
    wire: Wire | None = None


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model id that a provider serves; an organization's own entry may say more of it.

    `price` is the one at the moment of asking, None where it is unknown; `id` what was asked for.
    """

    provider: Provider
    model: str
    price: Price | None = None
    window: int | None = None
    id: str | None = None

    @property
    def context_window(self) -> int:
        """How many tokens it reads and writes in all."""
        return self.window or self.provider.context_window(self.model)


class Models:
    """All providers, asked by model id."""

    def __init__(self, providers: Mapping[str, Provider]) -> None:
        self._providers = providers

    @property
    def providers(self) -> tuple[Provider, ...]:
        """All of them."""
        return tuple(self._providers.values())

    def with_keys(self, keys: Mapping[str, str]) -> "Models":
        """The same providers, those named here asked by these keys."""
        given = {name: self._providers[name].by_key(key) for name, key in keys.items()}
        return Models({**self._providers, **given})

    def resolve(self, model_id: str) -> ResolvedModel:
        """Who serves this id: `provider/any-upstream-name`, or a name that one provider knows.

        Raises:
            UnknownModel: nobody does, or more than one might.
        """
        prefix, slash, rest = model_id.partition("/")
        if slash and rest and prefix in self._providers:
            return ResolvedModel(self._providers[prefix], rest)
        owners = [p for p in self._providers.values() if p.recognises(model_id)]
        if len(owners) == 1:
            return ResolvedModel(owners[0], model_id)
        raise UnknownModel(
            f"Nobody serves {model_id!r}. Use `local`, a provider's own model name such as"
            f" `gpt-4o-mini`, or `provider/model` with one of: {', '.join(self._providers)}."
        )

    def usable(self, model_id: str) -> ResolvedModel:
        """As `resolve`, for a call that is about to be made.

        Raises:
            UnknownModel: nobody serves it.
            ProviderNotConfigured: its provider is not set up.
        """
        resolved = self.resolve(model_id)
        if not resolved.provider.is_configured:
            raise ProviderNotConfigured(
                f"Set {resolved.provider.required_variable} to use {model_id!r},"
                " or give the agent the model `local`, which needs no key."
            )
        return resolved

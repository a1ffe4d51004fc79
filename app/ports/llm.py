"""Language models behind one stream of events, whoever serves them."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from app.core.errors import Conflict, InvalidRequest, Problem
from app.core.settings import Settings

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "content_filter"]


class UnknownModel(InvalidRequest):
    """No provider serves a model of that name."""


class ProviderNotConfigured(Conflict):
    """The model's provider has no key."""


class ProviderFailed(Problem):
    """The model's provider did not answer as it should."""

    status = 502
    retryable = True


class ProviderRateLimited(ProviderFailed):
    """The model's provider is limiting our requests."""

    status = 503


class ProviderOverloaded(ProviderFailed):
    """The model's provider is overloaded."""

    status = 503


class ProviderStalled(ProviderFailed):
    """The model's provider fell silent."""

    status = 504


class ProviderDisconnected(ProviderFailed):
    """The connection to the model's provider was lost before the answer was whole."""


class ProviderMalformed(ProviderFailed):
    """The model's provider sent something that is no answer."""


class ProviderRefusedKey(ProviderFailed):
    """The model's provider does not accept the configured key."""

    retryable = False


class ProviderRefusedRequest(ProviderFailed):
    """The model's provider does not accept the request."""

    retryable = False


class ContextTooLong(ProviderRefusedRequest):
    """The conversation is longer than the model can read."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of what the model reads."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Passage:
    """What the knowledge base has on the question; the answer cites it as `[index]`."""

    index: int
    name: str
    heading: str
    content: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One answer to be written.

    `messages` hold everything a model needs as text, passages included. `passages` repeat those as
    data for a provider that works on them, and `question` is the user's last message.
    """

    model: str
    messages: tuple[Message, ...]
    question: str
    language: str = "pt-BR"
    passages: tuple[Passage, ...] = ()
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer; what arrived together comes as one."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counts them; the last report holds."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer is whole. A stream without this event did not finish."""

    reason: FinishReason


ChatEvent = TextDelta | Usage | Finished


class Provider(Protocol):
    """Somebody who serves models."""

    @property
    def name(self) -> str:
        """The part before the slash in `provider/model`."""
        ...

    @property
    def is_configured(self) -> bool:
        """Whether it can be called: it has its key, or needs none."""
        ...

    @property
    def key_variable(self) -> str | None:
        """The environment variable that holds its key; None where it needs none."""
        ...

    def recognises(self, model: str) -> bool:
        """Whether a bare model name is plainly one of this provider's own."""
        ...

    def context_window(self, model: str) -> int:
        """How many tokens the model reads and writes in all; a careful guess where unknown."""
        ...

    def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """The answer as it is written. Closing the generator closes the connection upstream.

        Raises:
            ProviderFailed: one of its kinds. Before the first piece of text a failed call has been
                tried up to three times where that may help; after it, never again.
        """
        ...


@dataclass(frozen=True, slots=True)
class ProviderAdapter:
    """One provider as the registry lists it; opening it connects to nothing."""

    name: str
    open: Callable[[Settings], AbstractAsyncContextManager[Provider]]


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model id that a provider serves."""

    provider: Provider
    model: str


class Models:
    """All providers, asked by model id."""

    def __init__(self, providers: Mapping[str, Provider]) -> None:
        self._providers = providers

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
            ProviderNotConfigured: its provider has no key.
        """
        resolved = self.resolve(model_id)
        if not resolved.provider.is_configured:
            raise ProviderNotConfigured(
                f"Set {resolved.provider.key_variable} to use {model_id!r},"
                " or give the agent the model `local`, which needs no key."
            )
        return resolved

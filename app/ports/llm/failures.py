"""What can go wrong with a model or with whoever serves it."""

import math

from app.core.errors import Conflict, InvalidRequest, Problem


class UnknownModel(InvalidRequest):
    """No provider serves a model of that name."""


class ProviderNotConfigured(Conflict):
    """The model's provider is not set up."""


class ProviderFailed(Problem):
    """The model's provider did not answer as it should."""

    status = 502
    retryable = True

    def __init__(
        self, detail: str | None = None, *, retry_after_s: float | None = None, **members: object
    ) -> None:
        headers: dict[str, str] = {}
        if retry_after_s is not None:
            headers["Retry-After"] = str(max(1, math.ceil(retry_after_s)))
        super().__init__(detail, headers=headers, **members)
        self.retry_after_s = retry_after_s


class ProviderRateLimited(ProviderFailed):
    """The model's provider is limiting our requests."""

    status = 503


class ProviderOverloaded(ProviderFailed):
    """The model's provider is overloaded."""

    status = 503


class ProviderPaused(ProviderFailed):
    """The model's provider has failed too often of late and is not called for a moment."""

    status = 503


class ProviderStalled(ProviderFailed):
    """The model's provider fell silent."""

    status = 504


class ProviderDisconnected(ProviderFailed):
    """The connection to the model's provider was lost before the answer was whole."""


class ProviderMalformed(ProviderFailed):
    """The model's provider sent something that is no answer."""


class EmptyAnswer(ProviderFailed):
    """The model ended its answer without having written anything."""


class ProviderDeclined(ProviderFailed):
    """The model or its provider declined to answer this."""

    retryable = False


class ProviderRefusedKey(ProviderFailed):
    """The model's provider does not accept the configured key."""

    retryable = False


class ProviderOutOfCredit(ProviderFailed):
    """The account at the model's provider has no credit left."""

    retryable = False


class ProviderRefusedRequest(ProviderFailed):
    """The model's provider does not accept the request."""

    retryable = False


class ContextTooLong(ProviderRefusedRequest):
    """The conversation is longer than the model can read."""

    # What was sent is too much, wherever that is noticed: the service and the provider are well.
    status = 413

"""What goes wrong between us and a provider, as the port's failures; its wording never leaks."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2

from app.ports.llm import (
    ContextTooLong,
    ProviderDisconnected,
    ProviderFailed,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderRefusedRequest,
    ProviderStalled,
)

_BY_STATUS: Mapping[int, type[ProviderFailed]] = {
    401: ProviderRefusedKey,
    403: ProviderRefusedKey,
    408: ProviderStalled,
    429: ProviderRateLimited,
}
_TOO_LONG = ("context_length_exceeded", "maximum context length", "context window")
_OVERLOADED = ("overloaded", "server_error", "unavailable")
MAX_RETRY_AFTER_S = 3600


@contextmanager
def translated_failures() -> Generator[None]:
    """Wrapped round the call and round every chunk of its answer."""
    try:
        yield
    except ProviderFailed:
        raise
    except httpx2.TimeoutException as error:
        raise ProviderStalled("The provider did not answer in time.") from error
    except (httpx2.HTTPError, OSError) as error:
        raise ProviderDisconnected("The provider could not be reached.") from error
    except Exception as error:
        raise _from_sdk(error) from error


def _from_sdk(error: Exception) -> Exception:
    # By name and not by class: importing an SDK only to name its exceptions would cost every start
    # the half second that its lazy import saves.
    names = {kind.__name__ for kind in type(error).__mro__}
    if "APITimeoutError" in names:
        return ProviderStalled("The provider did not answer in time.")
    if "APIConnectionError" in names:
        return ProviderDisconnected("The provider could not be reached; see its base URL.")
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return _from_status(
            status, str(getattr(error, "body", "")), getattr(error, "response", None)
        )
    return error


def _from_status(status: int, body: str, response: Any) -> ProviderFailed:
    said = body.lower()
    if status < 500 and any(sign in said for sign in _TOO_LONG):
        return ContextTooLong("Send a shorter conversation, or use a model with a larger window.")
    if status == 429:
        return ProviderRateLimited(headers=_retry_after(response))
    if status >= 500:
        return ProviderOverloaded(f"The provider answered with status {status}.")
    kind = _BY_STATUS.get(status, ProviderRefusedRequest)
    return kind(f"The provider answered with status {status}.")


def _retry_after(response: Any) -> dict[str, str]:
    given = response.headers.get("retry-after", "") if response is not None else ""
    if given.replace(".", "", 1).isdigit():
        return {"Retry-After": str(min(max(1, round(float(given))), MAX_RETRY_AFTER_S))}
    return {}


def from_error_object(error: object) -> ProviderFailed:
    """The failure that an `{"error": …}` within a stream tells."""
    said = str(error).lower()
    if any(sign in said for sign in _TOO_LONG):
        return ContextTooLong()
    if "rate_limit" in said or "rate limit" in said:
        return ProviderRateLimited()
    if any(sign in said for sign in _OVERLOADED):
        return ProviderOverloaded("The provider ended the answer with an error.")
    return ProviderFailed("The provider ended the answer with an error.")

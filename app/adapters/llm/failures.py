"""What goes wrong between us and a provider, as the port's failures; its wording never leaks."""

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2
import structlog

from app.ports.llm import (
    ContextTooLong,
    FinishReason,
    ProviderDisconnected,
    ProviderFailed,
    ProviderMalformed,
    ProviderOutOfCredit,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderRefusedRequest,
    ProviderStalled,
)

log = structlog.get_logger(__name__)

Signs = Mapping[str, type[ProviderFailed]]

MAX_RETRY_AFTER_S = 3600.0
MAX_BODY_CHARS = 64 * 1024
# Words of an error's body, in lower case, that tell more than its status does.
_SIGNS: Signs = {
    "context_length_exceeded": ContextTooLong,
    "maximum context length": ContextTooLong,
    "context window": ContextTooLong,
    "insufficient_quota": ProviderOutOfCredit,
}
# Words of an error that comes within a stream and so has no status.
_SIGNS_IN_STREAM: Signs = {
    "rate_limit": ProviderRateLimited,
    "rate limit": ProviderRateLimited,
    "overloaded": ProviderOverloaded,
    "server_error": ProviderOverloaded,
    "unavailable": ProviderOverloaded,
    "api_error": ProviderOverloaded,
    "internal": ProviderOverloaded,
    "authentication": ProviderRefusedKey,
    "invalid_request": ProviderRefusedRequest,
}
_BY_STATUS: Mapping[int, type[ProviderFailed]] = {
    401: ProviderRefusedKey,
    402: ProviderOutOfCredit,
    403: ProviderRefusedKey,
    408: ProviderStalled,
    413: ContextTooLong,
    429: ProviderRateLimited,
}
_DETAILS: Mapping[type[ProviderFailed], str] = {
    ContextTooLong: "Send a shorter conversation, or use a model with a larger window.",
    ProviderOutOfCredit: "Add credit to the account that the key belongs to.",
}
# What programs compare, such as `model_not_found`; no key has this form.
_LABEL = re.compile(r"['\"](?:type|code|status)['\"]: ['\"]([A-Za-z_]{3,48})['\"]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How one provider tells its faults, beyond what all do."""

    provider: str
    signs: Signs = field(default_factory=dict[str, type[ProviderFailed]])
    # Finds, in the body in lower case, the seconds to wait.
    retry_after: re.Pattern[str] | None = None

    def of_status(self, status: int, body: object, headers: Mapping[str, str]) -> ProviderFailed:
        """The failure that an answer with an error status tells."""
        said = str(body)[:MAX_BODY_CHARS].lower()
        kind = _find({**self.signs, **_SIGNS}, said)
        if status >= 500:
            # Some say so of what is too long; of nothing else are words better than the status.
            kind = kind if kind is ContextTooLong else ProviderOverloaded
        kind = kind or _BY_STATUS.get(status, ProviderRefusedRequest)
        log.info("provider_refused", provider=self.provider, status=status, labels=_labels(body))
        detail = _DETAILS.get(kind, f"The provider answered with status {status}.")
        return kind(detail, retry_after_s=self._retry_after_s(said, headers))

    def of_error(self, error: object) -> ProviderFailed:
        """The failure that an `{"error": …}` within a stream, or in its place, tells."""
        status = _status(error.get("code")) if isinstance(error, dict) else 0
        if status >= 400:
            return self.of_status(status, error, {})
        said = str(error)[:MAX_BODY_CHARS].lower()
        kind = _find({**self.signs, **_SIGNS, **_SIGNS_IN_STREAM}, said) or ProviderFailed
        log.info("provider_broke_off", provider=self.provider, labels=_labels(error))
        return kind(_DETAILS.get(kind, "The provider ended the answer with an error."))

    def of_page(self, page: object) -> ProviderFailed:
        """The failure that an answer is which is no stream, although its status is a good one."""
        told = page[0] if isinstance(page, list) and page else page  # Google's is in a list
        error = told.get("error") if isinstance(told, dict) else None
        if error:
            return self.of_error(error)
        return ProviderMalformed("The provider answered with something other than a stream.")

    def unknown_reason(self, said: str) -> FinishReason:
        """An end for a reason that nobody knows may be none: it is told as what it is."""
        log.warning("provider_ended_strangely", provider=self.provider, reason=_label(said))
        return "unknown"

    def _retry_after_s(self, said: str, headers: Mapping[str, str]) -> float | None:
        in_body = self.retry_after.search(said) if self.retry_after else None
        given = _seconds(in_body[1]) if in_body else _asked_pause_s(headers)
        return None if given is None else min(max(0.0, given), MAX_RETRY_AFTER_S)


def _labels(body: object) -> list[str]:
    return sorted(set(_LABEL.findall(str(body)[:MAX_BODY_CHARS])))[:8]


def _label(said: str) -> str:
    return re.sub(r"[^A-Za-z_:. -]", "?", said)[:64]


def _find(signs: Signs, said: str) -> type[ProviderFailed] | None:
    return next((kind for sign, kind in signs.items() if sign in said), None)


def _asked_pause_s(headers: Mapping[str, str]) -> float | None:
    milliseconds = _seconds(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    given = headers.get("retry-after", "")
    seconds = _seconds(given)
    if seconds is not None or not given:
        return seconds
    try:
        # By the sender's own clock, which need not agree with ours; or else by ours.
        sent = headers.get("date")
        now = parsedate_to_datetime(sent) if sent else datetime.now(UTC)
        pause_s = (parsedate_to_datetime(given) - now).total_seconds()
    except (TypeError, ValueError):
        return None
    return pause_s if pause_s >= 0 else None


def _seconds(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else None


def _status(code: object) -> int:
    """The status that an error's code is; 0 where it is none."""
    if isinstance(code, str) and re.fullmatch(r"[1-5][0-9]{2}", code):
        return int(code)
    return code if isinstance(code, int) else 0


class Refused(Exception):
    """The provider has answered with an error status; its words never leave the adapters."""

    def __init__(self, status: int, body: object, headers: Mapping[str, str]) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers


@contextmanager
def translated_failures(faults: Faults) -> Generator[None]:
    """Wrapped round the call and round every chunk of its answer."""
    try:
        yield
    except ProviderFailed:
        raise
    except Refused as refused:
        # Its body holds the provider's words, which may repeat our key.
        raise faults.of_status(refused.status, refused.body, refused.headers) from None
    except httpx2.TimeoutException:
        raise ProviderStalled("The provider did not answer in time.") from None
    except httpx2.DecodingError:
        raise ProviderMalformed("The provider sent bytes that cannot be decoded.") from None
    except httpx2.ConnectError:
        raise ProviderDisconnected("The provider could not be reached; see its base URL.") from None
    except (httpx2.HTTPError, OSError):
        raise ProviderDisconnected("The connection to the provider was lost.") from None

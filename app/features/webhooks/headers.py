"""Headers that an endpoint wants with every delivery: which are taken, and which are shown."""

import re
from collections.abc import Mapping
from typing import Final

from app.core.addresses import origin_of
from app.ports.fetch import HeadersRefused

MAX_HEADERS = 20
HIDDEN: Final = "[hidden]"
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,4094}[\x21-\x7e])?")
# Ours, or the connection's.
_RESERVED = frozenset(
    {
        "accept-encoding", "connection", "content-encoding", "content-length", "content-type",
        "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
        "user-agent",
    }
)  # fmt: skip
_RESERVED_PREFIXES = ("webhook-", "svix-", "proxy-", "sec-")
_SECRET = re.compile(
    "auth|token|secret|key|password|cookie|signature|credential|session", re.IGNORECASE
)


def checked_headers(headers: dict[str, str]) -> dict[str, str]:
    """The same headers, once they may be sent as they are.

    Raises:
        ValueError: one is reserved, no header at all, or given twice.
    """
    if len(headers) > MAX_HEADERS:
        raise ValueError(f"holds more than {MAX_HEADERS} headers")
    if len({name.lower() for name in headers}) != len(headers):
        raise ValueError("holds a header twice")
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise ValueError("holds a name that no header can have")
        if name.lower() in _RESERVED or name.lower().startswith(_RESERVED_PREFIXES):
            raise ValueError(f"must not set `{name}`, which is set with each delivery")
        if not _VALUE.fullmatch(value):
            raise ValueError(f"`{name}` must be 1 to 4096 printable ASCII characters")
    return headers


def shown(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers without the values of those that sound like secrets."""
    return {name: HIDDEN if _SECRET.search(name) else value for name, value in headers.items()}


def kept(given: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    """The given headers, with the values that were hidden when they were read.

    What was read may be sent back: a hidden value stays what it is.

    Raises:
        HeadersRefused: there was no such header.
    """
    known = {name.lower(): value for name, value in before.items()}
    for name, value in given.items():
        if value == HIDDEN and name.lower() not in known:
            raise HeadersRefused(
                errors=[{"pointer": "/headers", "detail": f"`{name}` has no value that is hidden"}]
            )
    return {
        name: known[name.lower()] if value == HIDDEN else value for name, value in given.items()
    }


def check_move(
    url: str, before_url: str, *, sent: Mapping[str, str] | None, now: Mapping[str, str]
) -> None:
    """Let no secret go to another server unseen: whoever moves a webhook sends its secrets again.

    `sent` are the headers of the request as they came, `None` where it has none and all stay; `now`
    are those that the webhook has.

    Raises:
        HeadersRefused: a hidden value would go to another scheme, host or port.
    """
    hidden = {name.lower() for name, value in shown(now).items() if value == HIDDEN}
    if sent is not None:  # what is not sent is dropped
        hidden &= {name.lower() for name, value in sent.items() if value == HIDDEN}
    left = sorted(hidden)
    if left and origin_of(url) != origin_of(before_url):
        names = ", ".join(f"`{name}`" for name in left)
        raise HeadersRefused(
            errors=[{"pointer": "/url", "detail": f"send {names} again, for another server"}]
        )

"""Which headers a request may carry, and how it is written."""

import re
from collections.abc import Mapping

from app import __version__
from app.adapters.fetch.urls import Target
from app.ports.fetch import HeadersRefused, Outgoing

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
USER_AGENT = f"AgentesDeConversao/{__version__}"
MAX_HEADERS = 100
MAX_NAME = 256
MAX_VALUE = 8192
MAX_ALL = 32_768
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
# Of the connection and the framing, which are ours; and what opens the metadata of clouds.
_OURS = frozenset(
    {
        "accept-encoding", "connection", "content-length", "expect", "host", "http2-settings",
        "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
_OF_METADATA = frozenset({"metadata", "metadata-flavor", "metadata-token", "x-metadata-token"})
# Who calls, as proxies tell it: servers believe it of whom they trust, so it is nobody's to claim.
_OF_PROXIES = frozenset(
    {"cf-connecting-ip", "forwarded", "true-client-ip", "x-client-ip", "x-real-ip"}
)
_REFUSED = _OURS | _OF_METADATA | _OF_PROXIES
_PREFIXES = ("proxy-", "x-aws-ec2-metadata-", "x-forwarded-", "x-google-metadata-")
# A redirect to another host keeps these; whatever else was given could be a secret.
_KEPT_ACROSS_HOSTS = frozenset({"accept", "accept-language", "user-agent"})


def check_headers(headers: Mapping[str, str]) -> None:
    """Refuse what would break the request's framing or open what is not the caller's.

    Raises:
        HeadersRefused: naming the header; its value is not told.
    """
    size = 0
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
            raise HeadersRefused("A header has a name that is none.")
        lower = name.lower()
        if lower in _REFUSED or lower.startswith(_PREFIXES):
            raise HeadersRefused(f"The header {name} is not for you to set.")
        if not _VALUE.fullmatch(value) or len(value) > MAX_VALUE:
            raise HeadersRefused(
                f"The value of the header {name} holds a line break or another character"
                f" beyond visible ASCII, or is longer than {MAX_VALUE}."
            )
        size += len(name) + len(value)
    if len(headers) > MAX_HEADERS or size > MAX_ALL:
        raise HeadersRefused(f"More than {MAX_HEADERS} headers, or {MAX_ALL} bytes of them.")


def written(target: Target, request: Outgoing) -> bytes:
    """The request as it goes out; `check_headers` has taken its headers."""
    lines = [
        f"{request.method} {target.path} HTTP/1.1",
        f"Host: {target.authority}",
        "Accept-Encoding: identity",
    ]
    names = {name.lower() for name in request.headers}
    if "user-agent" not in names:
        lines.append(f"User-Agent: {USER_AGENT}")
    if "accept" not in names:
        lines.append("Accept: */*")
    if request.content or request.method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(request.content)}")
    lines += [f"{name}: {value.strip()}" for name, value in request.headers.items()]
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + request.content


def kept_across_hosts(headers: Mapping[str, str]) -> dict[str, str]:
    """Those that may go on to another host."""
    return {name: value for name, value in headers.items() if name.lower() in _KEPT_ACROSS_HOSTS}

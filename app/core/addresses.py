"""Whether an operator's addresses are well-formed, told without repeating them."""

import re
from urllib.parse import SplitResult, urlsplit

_UNFIT = re.compile(r"[\s\x00-\x1f\x7f\\]")
# Several hosts, and a folder of sockets, are PostgreSQL's own: `a:5432,b:5433`, `%2Frun`.
_POSTGRES_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\[\]:/@]*)(:([0-9]{1,5})?)?")


def web_address(text: str) -> str:
    """An `http` or `https` address without its trailing slash.

    Raises:
        ValueError: it is none, or it carries a query, a fragment or credentials.
    """
    parts = _split(text)
    if parts.scheme not in ("http", "https"):
        raise ValueError("must begin with http:// or https://")
    if not _has_host(parts):
        raise ValueError("has no host, or a port that is none")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must be host, port and path only")
    return text.rstrip("/")


def web_origin(text: str) -> str:
    """An origin as browsers send it: scheme, host and port, in lower case.

    Raises:
        ValueError: it is none. `*` is none either: whose pages may call is to be said.
    """
    if text == "*":
        raise ValueError("`*` is not taken: name the origins, e.g. https://app.example.com")
    if urlsplit(web_address(text)).path:
        raise ValueError("an origin has no path, e.g. https://app.example.com")
    return text.rstrip("/").lower()


def postgres_address(text: str) -> str:
    """A connection string for PostgreSQL.

    Raises:
        ValueError: it cannot be read as one.
    """
    if not text.startswith(("postgres://", "postgresql://")):
        raise ValueError("must begin with postgresql://")
    hosts = _split(text).netloc.rpartition("@")[2].split(",")
    if not all(_is_postgres_host(host) for host in hosts):
        raise ValueError(
            "has a host or port that is none; in a user name or password, write"
            " / ? # @ : % as %2F %3F %23 %40 %3A %25"
        )
    return text


def _split(text: str) -> SplitResult:
    if _UNFIT.search(text):
        raise ValueError("holds a space, a backslash or a control character")
    try:
        return urlsplit(text)
    except ValueError:
        raise ValueError("is not an address") from None


def _has_host(parts: SplitResult) -> bool:
    try:
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # its message would repeat the port, which may be half a password
        return False


def _is_postgres_host(host: str) -> bool:
    match = _POSTGRES_HOST.fullmatch(host)
    return match is not None and 0 < int(match[3] or 5432) <= 65535

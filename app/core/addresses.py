"""Whether an operator's addresses are well-formed, told without repeating them."""

import base64
import re
from urllib.parse import SplitResult, urlsplit

_UNFIT = re.compile(r"[\s\x00-\x1f\x7f\\]")
_PUBLISHABLE = re.compile(r"pk_(?:live|test)_([A-Za-z0-9+/=]+)")
_CLERK_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+\$")
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


def origin_of(url: object) -> str:
    """Scheme, host and port of an address, alike for those who are the same; else empty."""
    try:
        parts = urlsplit(str(url or ""))
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.hostname else ""


def issuer_address(text: str) -> str:
    """The address of a sign-in service: its keys decide who gets in, so they come encrypted.

    Raises:
        ValueError: it is no https address; http is taken for this machine only.
    """
    url = web_address(text)
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise ValueError("must begin with https://; http:// is for this machine only")
    if parts.path:
        raise ValueError("is the instance's Frontend API address, which has no path")
    return url


def issuer_of(publishable_key: str) -> str:
    """The Clerk instance that a publishable key names: `pk_live_` and its host in base64.

    Raises:
        ValueError: it is no such key.
    """
    match = _PUBLISHABLE.fullmatch(publishable_key)
    try:
        padded = match[1] + "=" * (-len(match[1]) % 4) if match else ""
        host = base64.b64decode(padded, validate=True).decode("ascii")
    except ValueError:
        host = ""
    if not _CLERK_HOST.fullmatch(host):
        raise ValueError("must be like pk_live_… or pk_test_…, as Clerk's dashboard shows it")
    return f"https://{host.removesuffix('$')}"


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

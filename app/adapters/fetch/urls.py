"""The one reading of a URL: the string that is checked is the string that is called."""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, urljoin

from app.adapters.fetch.deny_list import Address
from app.adapters.fetch.hosts import Unfit, canonical_host

MAX_LENGTH = 8192
_DEFAULT_PORTS = {"https": 443, "http": 80}
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)"
    r"(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?(#.*)?"
)
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^\[\]:@]+)(:(?P<port>[0-9]*))?")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_ODD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# What RFC 3986 lets stand; the rest is percent-encoded as UTF-8.
_IN_PATH = "/%:@!$&'()*+,;=~"
_IN_QUERY = _IN_PATH + "?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a request goes. `host` is as in the URL; `literal` is set if it is an IP address."""

    scheme: str
    host: str
    port: int
    literal: Address | None
    path: str

    @property
    def authority(self) -> str:
        """What the `Host` header says."""
        is_default = self.port == _DEFAULT_PORTS[self.scheme]
        return self.host if is_default else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """What shares credentials and connections, and nothing else does."""
        return self.scheme, self.host, self.port


@lru_cache(maxsize=256)
def read_url(url: str) -> Target:
    """Read an absolute http or https URL; its fragment is dropped.

    Raises:
        Unfit: it is none, or one that programs read differently.
    """
    _check_characters(url)
    match = _URL.fullmatch(url)
    if match is None:
        raise Unfit("must begin with https:// and name a host")
    scheme = match["scheme"].lower()
    if scheme not in _DEFAULT_PORTS:
        raise Unfit("must begin with https://")
    host, literal, port = _read_authority(match["authority"])
    path = _encoded(match["path"] or "/", _IN_PATH) + _encoded(match["query"] or "", _IN_QUERY)
    return Target(
        scheme=scheme,
        host=host,
        port=_DEFAULT_PORTS[scheme] if port is None else port,
        literal=literal,
        path=path,
    )


def read_location(base: Target, location: str) -> Target:
    """Where a redirect leads.

    Raises:
        Unfit: nowhere that could be called.
    """
    # Before joining: the library drops line breaks and tabs in silence, and takes `https:///x`
    # and `https:x` for paths where others see hosts.
    _check_characters(location)
    if location.startswith("//"):
        location = f"{base.scheme}:{location}"
    if _SCHEME.match(location):
        return read_url(location)
    return read_url(urljoin(base.url, location))


def _check_characters(url: str) -> None:
    if len(url) > MAX_LENGTH:
        raise Unfit(f"is longer than {MAX_LENGTH} characters")
    if "\\" in url or " " in url or not url.isprintable():
        raise Unfit("holds a space, a backslash or a control character")


def _read_authority(authority: str) -> tuple[str, Address | None, int | None]:
    if "@" in authority:
        raise Unfit("must not hold a user name or password")
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise Unfit("has no host, or one that is none")
    host, literal = canonical_host(match["host"])
    port = match["port"]
    if port is None:
        return host, literal, None
    if not _PORT.fullmatch(port) or int(port) > 65535:
        raise Unfit("has a port that is none")
    return host, literal, int(port)


def _encoded(text: str, kept: str) -> str:
    if _ODD_PERCENT.search(text):
        raise Unfit("has a % that is not followed by two hexadecimal digits: write it as %25")
    return quote(text, safe=kept)

"""Whether an operator's addresses are well-formed, told without repeating them."""

import base64
import re
from urllib.parse import SplitResult, parse_qsl, urlsplit

ENCODED = "in a user name or password, write / ? # @ : % as %2F %3F %23 %40 %3A %25"
_UNFIT = re.compile(r"[\s\x00-\x1f\x7f\\]")
_PUBLISHABLE = re.compile(r"pk_(?:live|test)_([A-Za-z0-9+/=]+)")
_CLERK_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+\$")
# Several hosts, and a folder of sockets, are PostgreSQL's own: `a:5432,b:5433`, `%2Frun`.
_SENTRY_PROJECT = re.compile(r"/[0-9]+\Z")
_REDIS_DATABASE = re.compile(r"/?[0-9]{0,4}")
_SWITCH = "(?i:true|false|yes|no|1|0)"
# What a client of Redis may be told by its address; the rest is this service's to say.
_REDIS_OPTIONS = {
    "client_name": r"[\x21-\x7e]+",
    "db": "[0-9]{1,4}",
    "health_check_interval": "[0-9]{1,5}",
    "password": ".+",
    "socket_keepalive": _SWITCH,
    "username": ".+",
}
_REDIS_TLS_OPTIONS = {
    "ssl_ca_certs": ".+",
    "ssl_ca_path": ".+",
    "ssl_cert_reqs": "none|optional|required",
    "ssl_certfile": ".+",
    "ssl_check_hostname": _SWITCH,
    "ssl_keyfile": ".+",
}
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
    parts = _split(text)
    hosts = parts.netloc.rpartition("@")[2].split(",")
    # A password with one of / ? # in it ends the host's part, and leaves its @ behind.
    beyond = (parts.path, parts.query.partition("=")[0], parts.fragment)
    if not all(_is_postgres_host(host) for host in hosts) or "@" in "".join(beyond):
        raise ValueError(f"has a host or port that is none; {ENCODED}")
    return text


def redis_address(text: str) -> str:
    """An address of Redis, whose options are those that this service leaves to it.

    Raises:
        ValueError: it cannot be read, or its client would not know what to do with it.
    """
    try:
        parts = urlsplit(text)
        # Reading the port is what refuses one that is no number.
        where = parts.path if parts.scheme == "unix" else parts.hostname and parts.port != 0
    except ValueError:
        parts, where = SplitResult("", "", "", "", ""), None
    if parts.scheme not in ("redis", "rediss", "unix") or not where:
        raise ValueError(f"must be like redis://host:6379/0, rediss://… or unix:///path; {ENCODED}")
    if parts.scheme != "unix" and not _REDIS_DATABASE.fullmatch(parts.path):
        raise ValueError("ends with the number of a database, as in redis://host:6379/0")
    known = _REDIS_OPTIONS | (_REDIS_TLS_OPTIONS if parts.scheme == "rediss" else {})
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in known or not re.fullmatch(known[name], value):
            raise ValueError(
                "has an option that is not known, or a value that is none; known are "
                + ", ".join(sorted(known))
            )
    return text


def sentry_address(text: str) -> str:
    """A DSN, as Sentry shows it among a project's client keys.

    Raises:
        ValueError: it is none.
    """
    try:
        parts = _split(text)
        is_whole = _has_host(parts) and parts.username and _SENTRY_PROJECT.search(parts.path)
    except ValueError:
        parts, is_whole = SplitResult("", "", "", "", ""), None
    if parts.scheme not in ("http", "https") or not is_whole:
        raise ValueError("must be like https://<key>@<host>/<number of the project>")
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

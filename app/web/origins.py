"""Origins of pages: whole ones, and `https://*.example.com` for whatever lies below a domain."""

import re
from urllib.parse import urlsplit

_HOST = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_ORIGIN = re.compile(r"https?://[a-z0-9-]+(\.[a-z0-9-]+)*(:[0-9]{1,5})?")
MAX_CHARS = 300
_LOCAL = ("localhost", "127.0.0.1")
_SCHEMES = {"https": 443, "http": 80}
# Where anybody can have a name of their own: `*.com.br` would be everyone's pages in Brazil. Rules
# of thumb for the public suffix list, which is 200 KB and changes daily.
_SHARED_LABELS = frozenset(
    [
        "ac",
        "adv",
        "art",
        "blog",
        "co",
        "com",
        "dev",
        "eco",
        "edu",
        "gob",
        "gov",
        "gouv",
        "ind",
        "info",
        "inf",
        "ltd",
        "med",
        "me",
        "mil",
        "ne",
        "net",
        "nom",
        "org",
        "plc",
        "pro",
        "sch",
        "srv",
        "tv",
        "web",
    ]
)
_SHARED_HOSTS = frozenset(
    [
        "amplifyapp.com",
        "appspot.com",
        "azurewebsites.net",
        "azurestaticapps.net",
        "blogspot.com",
        "cloudfront.net",
        "fly.dev",
        "framer.app",
        "github.io",
        "gitlab.io",
        "herokuapp.com",
        "hostinger.site",
        "lovable.app",
        "myshopify.com",
        "netlify.app",
        "ngrok.app",
        "ngrok.io",
        "ngrok-free.app",
        "nuvemshop.com.br",
        "onrender.com",
        "pages.dev",
        "railway.app",
        "replit.app",
        "run.app",
        "firebaseapp.com",
        "trycloudflare.com",
        "vercel.app",
        "web.app",
        "webflow.io",
        "wixsite.com",
        "wordpress.com",
        "workers.dev",
        "up.railway.app",
    ]
)


def listed_origin(text: str) -> str:
    """An origin as it is kept in a list, in lower case and without the scheme's own port.

    Raises:
        ValueError: it is none, which never repeats it. http is taken for pages of one's own machine
            only, and a wildcard not where anybody can have a name.
    """
    try:
        parts = urlsplit(text.strip().lower())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("is no origin such as https://www.example.com") from None
    if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("is scheme, host and port only, e.g. https://www.example.com")
    if not _HOST.fullmatch(host) or (host.startswith("*.") and host.count(".") < 2):
        raise ValueError("has no host such as www.example.com or *.example.com")
    if host.startswith("*.") and _is_shared(host.removeprefix("*.")):
        raise ValueError("stands for pages of many owners; name a domain of yours")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOCAL):
        raise ValueError("begins with https:// (http:// for localhost only)")
    shown = "" if port in (None, _SCHEMES[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{shown}"


def _is_shared(domain: str) -> bool:
    labels = domain.split(".")
    is_of_a_country = len(labels) == 2 and len(labels[1]) == 2
    return domain in _SHARED_HOSTS or (is_of_a_country and labels[0] in _SHARED_LABELS)


def is_listed(origin: str | None, listed: list[str]) -> bool:
    """Whether a browser's `Origin` header names one of the listed origins."""
    if origin is None:
        return False
    return any(_fits(origin, one) for one in listed)


def listings(origin: str) -> list[str]:
    """All that a list may hold to name this origin; empty where it is no page's origin."""
    scheme, _, host = origin.partition("://")
    if len(origin) > MAX_CHARS or not _ORIGIN.fullmatch(origin):
        return []
    parts = host.split(".")
    above = [".".join(parts[place:]) for place in range(1, len(parts) - 1)]
    return [origin, *(f"{scheme}://*.{domain}" for domain in above)]


def _fits(origin: str, listed: str) -> bool:
    scheme, _, host = listed.partition("://")
    if not host.startswith("*."):
        return origin == listed
    prefix, suffix = f"{scheme}://", host[1:]
    name = origin.removeprefix(prefix).removesuffix(suffix)
    return origin == f"{prefix}{name}{suffix}" and _HOST.fullmatch(name) is not None

"""One form for each address, so that equal ones are equal texts."""

import re
from urllib.parse import unquote

import idna

# A country's and an area's digits may be written or left out; what is left tells who it is.
LOCAL_DIGITS = 8
_BRAZIL = "55"
_CLIMBS = re.compile(r"(?:^|/)\.{1,2}(?:/|$)")


def host_of(text: str) -> str:
    """A host, in the letters of DNS."""
    host = text.casefold().rstrip(".").removeprefix("www.")
    if host.isascii():
        return host
    try:
        return idna.encode(host, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        return host


def address_of(host: str, rest: str) -> str:
    """Host, path and query of a web address; no more than the host where there is no path."""
    path = unquote(rest.replace("\\", "/").partition("#")[0], errors="replace")
    return (host_of(host) + path).rstrip("/?&")


def email_of(local: str, host: str) -> str:
    """An e-mail address."""
    return f"{local.casefold()}@{host_of(host)}"


def number_of(text: str) -> str:
    """The digits of a telephone number, without Brazil's own code or the 0 of long distance."""
    digits = "".join(char for char in text if char.isdecimal()).removeprefix("00")
    if digits.startswith(_BRAZIL) and len(digits) in (12, 13):
        return digits.removeprefix(_BRAZIL)
    return digits.removeprefix("0") if len(digits) in (11, 12) else digits


def is_covered(place: str, trusted: set[str]) -> bool:
    """Whether somebody who is trusted has named the place, or all of what it is a part of."""
    if place in trusted:
        return True
    if place.isdecimal():
        return any(_same_number(place, each) for each in trusted if each.isdecimal())
    if "@" in place or ":" in place:
        return False
    host, _, path = place.partition("/")
    if not path and "?" not in place:
        return any(each.startswith(f"{place}/") for each in trusted)
    if (host := host.partition("?")[0]) in trusted:
        return True
    return not _CLIMBS.search(path) and any(
        _is_under(place, each) for each in trusted if each.startswith(f"{host}/")
    )


def _is_under(place: str, trusted: str) -> bool:
    return place.startswith(tuple(trusted + sign for sign in ("&" if "?" in trusted else "/?")))


def _same_number(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return len(short) >= LOCAL_DIGITS and long.endswith(short)

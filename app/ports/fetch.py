"""Requests to addresses that a user gave: tools, webhooks, documents by URL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from app.core.errors import InvalidRequest, Problem


class AddressRefused(InvalidRequest):
    """This address is not one that the service may call."""


class HeadersRefused(InvalidRequest):
    """These headers are not ones that may be sent."""


class FetchFailed(Problem):
    """The other server did not answer as it should."""

    status = 502


class FetchTimedOut(FetchFailed):
    """The other server took too long."""

    status = 504


class FetchUnreachable(FetchFailed):
    """The other server could not be reached."""


class HostUnknown(FetchUnreachable):
    """The name of the other server is not known."""


class CertificateInvalid(FetchUnreachable):
    """The other server's certificate does not hold for its name."""


class AnswerBroken(FetchFailed):
    """The other server's answer broke off, or was none."""


class ResponseTooLarge(FetchFailed):
    """The other server's answer is larger than is taken."""


class RedirectRefused(FetchFailed):
    """The other server answered with a redirect, and none is followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One request. `total_s` covers everything from the name look-up to the last byte.

    A body above `max_bytes` is `ResponseTooLarge`, or cut there and marked if `cuts_body`; so is
    one that is not whole by then, after a head that is.
    `redirects` is how many may be followed, each address checked anew; a redirect beyond that is
    `RedirectRefused` if some were allowed, else the answer. Another host gets neither the body nor
    the headers, but for what is accepted. No cookies are kept.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    content: bytes = b""
    total_s: float = 15.0
    max_bytes: int = 1_048_576
    cuts_body: bool = False
    redirects: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The answer; header names are lower case, `url` is where it came from in the end."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    url: str
    was_cut: bool = False


class Fetch(Protocol):
    """The only way to an address that a user gave; nothing private is ever reached by it."""

    def canonical(self, url: str) -> str:
        """The one form in which the address is checked, kept and called. Looks nothing up.

        Raises:
            AddressRefused: it can be told already that it would never be called.
        """
        ...

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """Whether they may be sent: not those of the connection, nor with line breaks.

        Raises:
            HeadersRefused: naming the header; its value is not told.
        """
        ...

    async def send(self, request: Outgoing) -> Answered:
        """The answer, whatever its status. Cancelling it closes the connection.

        Raises:
            AddressRefused: the address is, or leads to, one that may not be called. Nothing was
                sent there.
            HeadersRefused: as from `check_headers`. Nothing was sent.
            FetchFailed: one of its kinds; what arrived is not told.
        """
        ...

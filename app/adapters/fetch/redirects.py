"""Where a redirect leads, and what may go along."""

from dataclasses import replace

from app.adapters.fetch.headers import kept_across_hosts
from app.adapters.fetch.hosts import Unfit
from app.adapters.fetch.urls import Target, read_location
from app.ports.fetch import Answered, Outgoing, RedirectRefused

_REDIRECTS = (301, 302, 303, 307, 308)
_KEEPING_THE_METHOD = (307, 308)


def is_redirect(answer: Answered) -> bool:
    """Whether it names another address to ask."""
    return answer.status in _REDIRECTS and "location" in answer.headers


def onward(target: Target, request: Outgoing, answer: Answered) -> tuple[Target, Outgoing]:
    """The next target, not yet admitted, and the request to it.

    Raises:
        RedirectRefused: it leads nowhere, to an unencrypted address, or would take the body to
            another host.
    """
    try:
        onward = read_location(target, _text(answer.headers["location"]))
    except Unfit as unfit:
        raise RedirectRefused(f"The redirect's address {unfit}.") from None
    if target.scheme == "https" and onward.scheme != "https":
        raise RedirectRefused("The redirect leads from https to an unencrypted address.")
    if answer.status not in _KEEPING_THE_METHOD and request.method != "HEAD":
        headers = {
            name: value
            for name, value in request.headers.items()
            if not name.lower().startswith("content-")
        }
        request = replace(request, method="GET", content=b"", headers=headers)
    if onward.origin != target.origin:
        if request.content:
            raise RedirectRefused("The redirect would take the body to another host.")
        request = replace(request, headers=kept_across_hosts(request.headers))
    return onward, request


def _text(location: str) -> str:
    # Headers are read as Latin-1; addresses that are not percent-encoded come as UTF-8.
    try:
        return location.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return location

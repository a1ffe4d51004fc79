"""The connection beneath a request, for the one thing that ASGI has no word for: hanging up."""

from collections.abc import Callable
from typing import Any

from starlette.types import Receive, Scope, Send


def transport_of(receive: Receive) -> object:
    """The transport behind the server's own `receive`, as uvicorn has it; None of other servers."""
    return getattr(getattr(receive, "__self__", None), "transport", None)


def peer_of(scope: Scope) -> str:
    """The address at the other end of the connection, or "" where it has none.

    A server that takes proxies' words by itself (uvicorn does of those on its own machine) writes
    what they say into the scope; its transport knows better.
    """
    transport = scope.get("state", {}).get("transport")
    ask: Callable[[str], Any] | None = getattr(transport, "get_extra_info", None)
    match ask("peername") if ask is not None else scope.get("client"):
        case [str() as host, *_]:
            return host
        case _:
            return ""


def own_send(receive: Receive) -> Send | None:
    """The server's `send` beside its own `receive`, as uvicorn has it; None of other servers."""
    return getattr(getattr(receive, "__self__", None), "send", None)


def hang_up(transport: object) -> None:
    """Cut the connection now; what the client has not taken yet is dropped.

    A polite end waits until the client has taken everything, which one that reads nothing never
    does: it would hold its connection and its buffers for ever.
    """
    abort = getattr(transport, "abort", None)
    if callable(abort):
        abort()

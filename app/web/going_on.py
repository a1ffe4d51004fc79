"""Responses that go on after their handler has returned, so that nothing of it is kept."""

from collections.abc import Awaitable, Callable

from starlette.types import Scope

Rest = Callable[[], Awaitable[None]]


async def go_on(scope: Scope, rest: Rest) -> None:
    """Leave the rest of a response to who called the handler; where nobody asks for it, do it here.

    A handler that waits keeps a dozen coroutines and all that the request was made of: half of
    the memory of an open stream.
    """
    state = scope["state"]
    if "rest" in state:
        state["rest"] = rest
    else:
        await rest()


def ask_for_rest(scope: Scope) -> None:
    """Before the handler is called."""
    scope["state"]["rest"] = None


async def done(scope: Scope) -> None:
    """After the handler has returned: do the rest, if it has left one."""
    rest: Rest | None = scope["state"].pop("rest", None)
    if rest is not None:
        await rest()

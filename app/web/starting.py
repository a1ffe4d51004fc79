"""What keeps the service from starting, told as one message instead of a traceback."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import CannotStart, Problem
from app.core.settings import Settings


class StartReport:
    """Hands the server a message that says what to do, where Starlette would hand it a traceback.

    The server logs the message and exits with an error code. A failure that nobody foresaw keeps
    its traceback.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        failures: list[Message] = []

        async def keep_failure(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                failures.append(message)
            else:
                await send(message)

        try:
            await self._app(scope, receive, keep_failure)
        except Exception as error:
            if not failures:
                raise
            told = explanation(error, scope["app"].state.settings)
            await send({"type": "lifespan.startup.failed", "message": told or _traceback(failures)})


def _traceback(failures: list[Message]) -> str:
    return str(failures[0].get("message", ""))


def explanation(error: Exception, settings: Settings) -> str | None:
    """What happened and what to do about it; None for what is a mistake of our own."""
    match error:
        case CannotStart():
            return str(error)
        case Problem():
            return f"The service cannot start: {error} {error.__cause__ or ''}".rstrip()
        case OSError(filename=str() as path, strerror=str() as reason):
            return (
                f"The service cannot start: {path}: {reason}. Let this user read and write"
                f" DATA_DIR ({settings.data_dir.absolute()}), or set another DATA_DIR."
            )
        case _:
            return None

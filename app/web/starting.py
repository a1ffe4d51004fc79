"""What keeps the service from starting, told as one message instead of a traceback."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import CannotStart, Problem
from app.core.settings import Settings, SettingsInvalid

_ADVICE = (
    "Start what is needed, or correct the variable that names it (DATABASE_URL and the like);"
    " without such variables, everything needed is started with the service."
)


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


def _said(problem: Problem) -> str:
    """What a port says of itself, or else what its driver said when it was first used."""
    if problem.detail:
        return problem.detail
    cause = problem.__cause__
    # A ValueError is about a value, and may repeat it: an address with its password.
    is_telling = cause is not None and not isinstance(cause, ValueError)
    return f"{problem} {cause or 'There was no answer'}." if is_telling else str(problem)


def explanation(error: Exception, settings: Settings) -> str | None:
    """What happened and what to do about it; None for what is a mistake of our own."""
    match error:
        case CannotStart() | SettingsInvalid():
            return str(error)
        case Problem():
            # A driver's own words end without a full stop.
            return f"The service cannot start: {_said(error).rstrip('.')}. {_ADVICE}"
        case FileNotFoundError(filename=None, strerror=str() as reason):
            return (
                f"The service cannot start: {reason}. Give this user a folder for temporary files,"
                " and name it in TMPDIR."
            )
        case OSError(filename=str() as path, strerror=str() as reason):
            return (
                f"The service cannot start: {path}: {reason}. Let this user read and write"
                f" DATA_DIR ({settings.data_dir.absolute()}), or set another DATA_DIR."
            )
        case _:
            return None

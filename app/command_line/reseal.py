"""The command that seals everything anew under the newest ENCRYPTION_KEY."""

import asyncio
from collections.abc import Callable, Coroutine

import typer

from app.core.errors import CannotStart, Problem
from app.core.logging import configure_logging
from app.core.settings import Settings, SettingsInvalid, load_settings

SHOWN = 20


def reseal_with(
    reseal: Callable[[Settings], Coroutine[None, None, tuple[int, int, tuple[str, ...]]]],
) -> Callable[[], None]:
    """The command, given what reseals a database.

    It returns how many values were under the newest key, how many were sealed anew, and the places
    of those that no key opens.
    """

    def command() -> None:
        """Seal all secrets anew under the first key of ENCRYPTION_KEY; the others may go then."""
        try:
            settings = load_settings()
            configure_logging(settings.model_copy(update={"log_level": "warning"}))
            kept, resealed, lost = asyncio.run(reseal(settings))
        except SettingsInvalid as error:
            raise _ended(str(error), 2) from None
        except (Problem, CannotStart) as problem:
            raise _ended(" ".join(str(problem).split()), 1) from None
        typer.echo(f"Sealed anew: {resealed}. Under the newest key already: {kept}.")
        if lost:
            raise _ended(
                f"No key opens these {len(lost)}, which stay as they are; add the key that sealed"
                f" them to ENCRYPTION_KEY: {', '.join(lost[:SHOWN])}",
                1,
            )

    return command


def _ended(message: str, code: int) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(code)

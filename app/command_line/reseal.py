"""The command that seals everything anew under the newest ENCRYPTION_KEY."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Protocol

import typer

from app.command_line.endings import ended
from app.core.errors import CannotStart, Problem
from app.core.logging import configure_logging
from app.core.misspelt_settings import tell_misspelt
from app.core.settings import Settings, SettingsInvalid, load_settings

SHOWN = 20
_RENEW = (
    "Also make the key of visitors' tokens anew, where the old ENCRYPTION_KEY is known to others or"
    " lost: visitors of widgets become strangers, and every process has to be restarted."
)


class Reseals(Protocol):
    """What reseals a database.

    It returns how many values were under the newest key, how many were sealed anew, and the places
    of those that no key opens.
    """

    async def __call__(
        self, settings: Settings, *, new_lasting_key: bool
    ) -> tuple[int, int, tuple[str, ...]]: ...


def reseal_with(reseal: Reseals) -> Callable[..., None]:
    """The command, given what reseals a database."""

    def command(
        *,
        new_lasting_key: Annotated[bool, typer.Option("--new-lasting-key", help=_RENEW)] = False,
    ) -> None:
        """Seal all secrets anew under the first key of ENCRYPTION_KEY; the others may go then."""
        try:
            settings = load_settings()
            configure_logging(settings.model_copy(update={"log_level": "warning"}))
            tell_misspelt(settings.misspelt)
            kept, resealed, lost = asyncio.run(reseal(settings, new_lasting_key=new_lasting_key))
        except SettingsInvalid as error:
            raise ended(str(error), 2) from None
        except (Problem, CannotStart) as problem:
            raise ended(" ".join(str(problem).split()), 1) from None
        typer.echo(f"Sealed anew: {resealed}. Under the newest key already: {kept}.")
        if lost:
            raise ended(
                f"No key opens these {len(lost)}, which stay as they are; add the key that sealed"
                f" them to ENCRYPTION_KEY: {', '.join(lost[:SHOWN])}",
                1,
            )

    return command

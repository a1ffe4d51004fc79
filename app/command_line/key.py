"""The command that makes an API key for whoever runs the service."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from app.command_line.endings import ended
from app.core.errors import CannotStart, Problem
from app.core.logging import configure_logging
from app.core.misspelt_settings import tell_misspelt
from app.core.schemas import Name
from app.core.settings import Settings, SettingsInvalid, load_settings

KeyMaker = Callable[[Settings, str, timedelta | None], Coroutine[None, None, str]]
_HELP = (
    "Make an API key with all scopes for the organization `local`, and print it this once.\n\n"
    "It is kept in the database that the settings name, as a hash. Over the embedded one it may be"
    " made while the service runs.\n\n"
    "With Clerk, organizations come from Clerk and make their own keys"
    " (POST /api/v2/settings/api-keys). This key sees none of them: it is for what was made before"
    " Clerk was set up, and for trying the service out."
)


def key_with(make_key: KeyMaker) -> Callable[..., None]:
    """The command, given what makes a key of a name that lasts so long, and returns it."""

    def command(
        *,
        name: Annotated[
            str, typer.Option(help="What it is listed as.")
        ] = "Made at the command line",
        expires_in_days: Annotated[
            int | None, typer.Option(min=1, max=36500, help="By default it never expires.")
        ] = None,
    ) -> None:
        lasts = None if expires_in_days is None else timedelta(days=expires_in_days)
        try:
            settings = load_settings()
            configure_logging(settings.model_copy(update={"log_level": "warning"}))
            tell_misspelt(settings.misspelt)
            key = asyncio.run(make_key(settings, _listed(name), lasts))
        except SettingsInvalid as error:
            raise ended(str(error), 2) from None
        except (Problem, CannotStart) as problem:
            raise ended(" ".join(str(problem).split()), 1) from None
        typer.echo(key)

    command.__doc__ = _HELP
    return command


def _listed(name: str) -> str:
    try:
        return TypeAdapter[str](Name).validate_python(name)
    except ValidationError as error:
        told = error.errors(include_url=False)[0]["msg"]
        raise typer.BadParameter(told, param_hint="--name") from None

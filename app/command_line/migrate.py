"""The command that brings a database of one's own to the newest schema."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated

import typer

from app.command_line.endings import ended
from app.core.errors import Problem
from app.core.logging import configure_logging
from app.core.misspelt_settings import tell_misspelt
from app.core.settings import Settings, SettingsInvalid, load_settings

NO_DATABASE = (
    "DATABASE_URL is not set: it names the database to migrate, as in"
    " postgresql://postgres:<password>@<host>:5432/postgres. A linked Supabase project can also be"
    " migrated by `supabase db push`; the embedded database is migrated by starting the service."
)


def migrate_with(
    migrate: Callable[[Settings], Coroutine[None, None, list[str]]],
) -> Callable[..., None]:
    """The command, given what migrates a database and returns the names of what it applied."""

    def command(
        *,
        if_configured: Annotated[
            bool,
            typer.Option("--if-configured", help="Without DATABASE_URL there is nothing to do."),
        ] = False,
    ) -> None:
        """Bring the database at DATABASE_URL to the newest schema."""
        try:
            settings = load_settings()
        except SettingsInvalid as error:
            raise ended(str(error), 2) from None
        configure_logging(settings.model_copy(update={"log_level": "warning"}))
        tell_misspelt(settings.misspelt)
        if settings.database_url is None and if_configured:
            typer.echo("DATABASE_URL is not set: nothing to migrate from here.")
            return
        if settings.database_url is None:
            raise ended(NO_DATABASE, 2)
        try:
            applied = asyncio.run(migrate(settings))
        except Problem as problem:
            raise ended(" ".join(str(problem).split()), 1) from None
        for name in applied:
            typer.echo(f"applied {name}")
        typer.echo(f"The schema is the newest; migrations applied: {len(applied)}.")

    return command

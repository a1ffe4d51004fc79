"""The command that dumps the embedded database, for a backup or the way to a server."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated

import typer

from app.command_line.endings import ended
from app.core.errors import CannotStart
from app.core.logging import configure_logging
from app.core.misspelt_settings import tell_misspelt
from app.core.settings import Settings, SettingsInvalid, load_settings

NOT_EMBEDDED = (
    "DATABASE_URL or SUPABASE_URL is set, and this dumps the embedded database in DATA_DIR. For the"
    ' database at DATABASE_URL: pg_dump --format=custom --file=agentes.dump "$DATABASE_URL". For'
    " the embedded one, run this without those variables."
)


def dump_with(
    dump: Callable[[Settings, Path], Coroutine[None, None, None]],
) -> Callable[[Path], None]:
    """The command, given what writes the embedded database into a file."""

    def command(
        file: Annotated[Path, typer.Argument(help="What to write; pg_restore reads it.")],
    ) -> None:
        """Dump the embedded database in DATA_DIR, while the service runs or not."""
        try:
            settings = load_settings()
        except SettingsInvalid as error:
            raise ended(str(error), 2) from None
        if settings.database_url is not None or settings.supabase_url is not None:
            raise ended(NOT_EMBEDDED, 2)
        configure_logging(settings.model_copy(update={"log_level": "warning"}))
        tell_misspelt(settings.misspelt)
        try:
            asyncio.run(dump(settings, file.absolute()))
        except CannotStart as error:
            raise ended(str(error), 1) from None
        typer.echo(f"The embedded database is in {file} ({file.stat().st_size} bytes).")

    return command

"""The commands and their options."""

from importlib import import_module
from typing import Annotated

import typer

commands = typer.Typer(help="Agentes de Conversão API", no_args_is_help=True, add_completion=False)


@commands.command()
def demo() -> None:
    """Start a service of its own, teach it a document, ask it questions, watch every event."""
    # Each command loads its own: the service would start a tenth of a second later with this one.
    raise typer.Exit(import_module("app.command_line.demo").run_demo())


@commands.command()
def serve(
    *,
    reload: Annotated[bool, typer.Option("--reload", help="Restart when a file changes.")] = False,
) -> None:
    """Serve the API on HOST and PORT until Ctrl-C."""
    import_module("app.command_line.serve").serve_until_stopped(reload=reload)

"""How a command ends that cannot do what it was asked for."""

import typer


def ended(message: str, code: int) -> typer.Exit:
    """What to raise: the message is told on standard error, and the process ends with the code."""
    typer.echo(message, err=True)
    return typer.Exit(code)

"""`python -m app.command_line` and a command."""

import sys
from importlib import import_module

INTERRUPTED = 130  # as shells have it


def main() -> None:
    """Do what the arguments say.

    Raises:
        SystemExit: at the end, with a code of other than zero where it was not done.
    """
    if sys.argv[1:] != ["serve"]:
        import_module("app.command_line.commands").commands(prog_name="python -m app.command_line")
    # Here is nothing to read, and what reads commands takes time and memory of every start.
    try:
        import_module("app.command_line.serve").serve_until_stopped(reload=False)
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


if __name__ == "__main__":
    main()

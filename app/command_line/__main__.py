"""`python -m app.command_line` and a command."""

import sys
from importlib import import_module

if sys.argv[1:] == ["serve"]:
    # Here is nothing to read, and what reads commands takes time and memory of every start.
    import_module("app.command_line.serve").serve_until_stopped(reload=False)
else:
    import_module("app.command_line.commands").commands(prog_name="python -m app.command_line")

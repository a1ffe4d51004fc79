"""`python -m app.command_line`: what a person runs; it speaks HTTP like any client."""

"""How a call of the port is written as SQL."""

from functools import lru_cache


def plain_names(*names: str) -> None:
    """Refuse whatever is not a plain name: functions and arguments are named by our own code.

    Raises:
        ValueError: a name holds something else than letters, digits and underscores.
    """
    if not all(name.isidentifier() for name in names):
        raise ValueError("a function or an argument is not a plain name")


@lru_cache(maxsize=1024)
def statement(function: str, names: tuple[str, ...]) -> str:
    """The statement that calls `function` with values for `names` in their order."""
    plain_names(function, *names)
    arguments = ", ".join(f"p_{name} => ${place}" for place, name in enumerate(names, 1))
    return f"select public.{function}({arguments})"

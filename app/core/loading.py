"""How a process that serves loads its modules: without what it does not need, or not yet."""

import gc
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module


def begin_loading() -> None:
    """Call it before anything else is imported, and `settle` when all is loaded."""
    # What is loaded now stays: looking through it for garbage takes a tenth of the start.
    gc.disable()
    # It would load Rich for tracebacks on terminals, which we do not have it draw.
    with _absent("rich"):
        import_module("structlog")
    # FastAPI would check the address of whom an OpenAPI document names, which is ours.
    with _absent("email_validator"), _models_made_when_used():
        import_module("fastapi")


def load_the_rest() -> None:
    """Load what was put off, so that no request has to."""
    # Some hundredths of a start each, and only who checks a field of one kind needs them.
    import_module("email_validator")
    import_module("phonenumbers")


@contextmanager
def _absent(name: str) -> Generator[None]:
    """Have libraries go without a module that they can do without."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # pyright: ignore[reportArgumentType] (to import it is an error)
    try:
        yield
    finally:
        del sys.modules[name]


@contextmanager
def _models_made_when_used() -> Generator[None]:
    """Have pydantic make the validators of models when something is first validated."""
    from pydantic import BaseModel

    config = BaseModel.model_config
    config["defer_build"] = True
    try:
        yield
    finally:
        del config["defer_build"]

"""What a process that serves asks of Python and of the system; tests and tools leave it alone."""

import gc
import multiprocessing
import re
import sys

from app.core.errors import CannotStart
from app.core.settings import Settings

# A request makes some thousand objects; Python's 700 would have it look through them in between.
YOUNG_OBJECTS = 10_000


def settle() -> None:
    """Call it once, when all modules are loaded."""
    # Modules, routes and models stay: looking through all of them takes 0.1 s, in which nobody is
    # served.
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
    _allow_open_files()


def refuse_workers_apart(settings: Settings) -> None:
    """Processes of one server share what only Redis can share: streams, limits, messages.

    Two of them without it would each let through a whole limit, and lose streams to each other.

    Raises:
        CannotStart: uvicorn has been told to start more than one, and there is no Redis.
    """
    count = _workers(settings.web_concurrency)
    if count > 1 and settings.redis_url is None:
        raise CannotStart(
            f"{count} workers need a Redis that they share: set REDIS_URL, and DATABASE_URL or a"
            " Supabase project; or leave --workers and WEB_CONCURRENCY at 1. One process serves"
            " thousands of streams."
        )


def _workers(by_default: int) -> int:
    """How many processes uvicorn's supervisor keeps: its command line says, or WEB_CONCURRENCY."""
    if multiprocessing.parent_process() is None or "--reload" in sys.argv:
        return 1
    said = re.search(r"--workers[= ](\d+)", " ".join(sys.argv))
    return int(said[1]) if said else by_default


def _allow_open_files() -> None:
    """As many as the system lets us: each chat takes two, and 1,024 is the usual limit."""
    if sys.platform == "win32":
        return
    import resource

    now, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now != allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, allowed))

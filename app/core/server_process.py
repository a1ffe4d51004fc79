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
    gc.enable()
    _allow_open_files()


def refuse_workers_apart(settings: Settings) -> None:
    """Processes of one server share what only Redis can share: streams, limits, messages.

    Two of them without it would each let through a whole limit, and lose streams to each other;
    and the embedded database is for one process.

    Raises:
        CannotStart: uvicorn has been told to start more than one, and there is nothing to share.
    """
    count = count_of_workers(settings.web_concurrency)
    if count == 1:
        return
    missing = [
        what
        for what, is_set in (
            ("a Redis that they share: set REDIS_URL", settings.redis_url),
            (
                "a database that they share: set DATABASE_URL, or SUPABASE_URL and"
                " SUPABASE_SERVICE_KEY",
                settings.database_url or settings.supabase_url,
            ),
        )
        if not is_set
    ]
    if missing:
        raise CannotStart(
            f"{count} workers need {'; and '.join(missing)}; or leave --workers and"
            " WEB_CONCURRENCY at 1. One process serves thousands of streams."
        )


def count_of_workers(by_default: int) -> int:
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

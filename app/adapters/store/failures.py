"""What PostgreSQL's error codes mean to the port, however the code arrived."""

from app.core.errors import Problem
from app.ports.store import StoreConflict, StoreRefused, StoreUnavailable

UNIQUE_VIOLATION = "23505"
CONNECTION_FAILURE = "08006"
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_PASSING = (
    "08",  # the connection
    "25006",  # read-only: a replica, or a primary that has just been replaced
    "40",  # rolled back: a deadlock or a lost race
    "53",  # out of connections, memory or disk
    "55P03",  # a lock was not to be had
    "57014",  # cancelled, as by a statement timeout
    "57P",  # starting up, shutting down or crashed
    "58",  # the server's own system: a disk that cannot be read
)


def unavailable(retry_after_s: int = 1) -> StoreUnavailable:
    """A failure that may be gone at the next try."""
    return StoreUnavailable(headers={"Retry-After": str(retry_after_s)})


def failure_of(sqlstate: str | None) -> Problem:
    """The port's failure for an error code; nothing of the driver's wording reaches a client."""
    if sqlstate == UNIQUE_VIOLATION:
        return StoreConflict()
    if sqlstate and sqlstate.startswith(_PASSING):
        return unavailable()
    return StoreRefused()

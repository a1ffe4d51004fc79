"""What can go wrong with the embedded PostgreSQL, told with what to do about it."""

from app.core.errors import CannotStart

_ADVICE = (
    ("No space left on device", "Free disk space and start again"),
    ("Disk quota exceeded", "Free disk space and start again"),
    ("Permission denied", "Let this user read and write that folder and start again"),
    ("Read-only file system", "Choose a DATA_DIR on a file system that can be written"),
    ("could not look up effective user ID", "Give this user id an entry in /etc/passwd"),
    ("shared memory", "End the old postgres processes of that folder and start again"),
)
_GENERAL_ADVICE = (
    "Read the lines above; if the folder is damaged, put a backup in its place, or move it away "
    "to begin with an empty database"
)
OWN_DATABASE = "or set DATABASE_URL to use a PostgreSQL of your own"


class EmbeddedPostgresFailed(CannotStart):
    """The embedded PostgreSQL cannot run; the message says what happened and what to do."""


class PlatformUnsupported(EmbeddedPostgresFailed):
    """This system lacks something that the embedded PostgreSQL needs."""


class DataFolderInUse(EmbeddedPostgresFailed):
    """Another process runs the PostgreSQL of this data folder."""


class DataFolderUnusable(EmbeddedPostgresFailed):
    """The data folder cannot be written, or what lies in it is not a cluster of ours."""


class AccountUnavailable(EmbeddedPostgresFailed):
    """There is no unprivileged user that PostgreSQL could run as."""


class ServerNotStarted(EmbeddedPostgresFailed):
    """Initdb or postgres ended with an error."""


def server_not_started(what: str, said: str) -> ServerNotStarted:
    """Tell what failed, what the server said, and what to do about just that."""
    advice = next((advice for sign, advice in _ADVICE if sign in said), _GENERAL_ADVICE)
    return ServerNotStarted(f"{what} It said:\n{said or '(nothing)'}\n{advice}, {OWN_DATABASE}.")

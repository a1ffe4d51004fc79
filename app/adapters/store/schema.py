"""The schema that this code needs, and what mends a database that has less."""

from app.adapters.store.migrations import read_migrations
from app.core.errors import CannotStart

# From this migration on, each writes its version into the database; it stands for all before it.
FIRST_RECORDED = "20261124001100"
LIST_FUNCTION = "migrations_list_v1"
STRAYED_FUNCTION = "functions_strayed_v1"


class SchemaOutdated(CannotStart):
    """The database lacks migrations; the message says which, and the command that applies them."""


class FunctionsStrayed(CannotStart):
    """Functions run as another role than they are meant to; the message says what mends that."""


def require_newest(recorded: list[str] | None, *, variable: str) -> None:
    """Return when a database has all that this code needs; one with more than that is fine.

    Args:
        recorded: what `migrations_list_v1` returned; None where there is no such function.
        variable: the setting that names the database.

    Raises:
        SchemaOutdated: it has less.
    """
    needed = [m.version for m in read_migrations() if m.version >= FIRST_RECORDED]
    missing = [version for version in needed if version not in (recorded or ())]
    if not missing:
        return
    lacks = (
        "has no schema of this service, or one from before it recorded its migrations"
        if recorded is None
        else f"lacks the migrations {', '.join(missing)}"
    )
    raise SchemaOutdated(
        f"The database of {variable} {lacks}. Run `supabase db push` in this folder (after"
        " `supabase link`), or `python main.py migrate` with DATABASE_URL set to the connection"
        " string of the database's owner; then start again."
    )


def require_none_strayed(count: int, *, variable: str) -> None:
    """Return when every function runs as its role; else it might see past row-level security.

    Args:
        count: what `functions_strayed_v1` returned, which a database at the newest schema has.
        variable: the setting that names the database.

    Raises:
        FunctionsStrayed: some do not, as a restore without owners leaves them.
    """
    if count:
        raise FunctionsStrayed(
            f"The database of {variable} has functions ({count}) that belong to whoever restored"
            " it, and not to the roles that they run as: one organization could see another's rows."
            " Run `make migrate` (in the container `python main.py migrate`) with DATABASE_URL set"
            " to the connection string of the database's owner; then start again."
        )

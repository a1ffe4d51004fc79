"""Brings a database to the newest schema, in step with the Supabase CLI's own record of it."""

from dataclasses import dataclass
from pathlib import Path

import asyncpg
import structlog

from app.core.errors import CannotStart

FOLDER = Path(__file__).resolve().parents[3] / "supabase" / "migrations"
# Any constant will do; all processes of all versions have to use the same one.
LOCK = 7_262_110_425
HAND_BACK = "agentes.functions_hand_back()"
log = structlog.get_logger(__name__)


class MigrationFailed(CannotStart):
    """The database could not be brought to the newest schema."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of the folder `supabase/migrations`."""

    version: str
    name: str
    sql: str


def read_migrations(folder: Path = FOLDER) -> list[Migration]:
    """All migrations, oldest first."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        version, _, name = path.stem.partition("_")
        found.append(Migration(version, name, path.read_text(encoding="utf-8")))
    return found


async def migrate(connection: asyncpg.Connection, migrations: list[Migration]) -> list[str]:
    """Apply what is missing, all of it or nothing; returns the names of those that were.

    Processes that start together wait for each other, and each migration runs once. Functions that
    a restored backup has left with its restorer go back to the roles that they run as.

    Raises:
        MigrationFailed: with the migration that failed and why.
    """
    applied: list[str] = []
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", LOCK)
        await connection.execute(
            "create schema if not exists supabase_migrations;"
            "create table if not exists supabase_migrations.schema_migrations"
            " (version text primary key, statements text[], name text)"
        )
        rows = await connection.fetch("select version from supabase_migrations.schema_migrations")
        known = {row["version"] for row in rows}
        for migration in migrations:
            if migration.version not in known:
                await _apply(connection, migration)
                applied.append(f"{migration.version}_{migration.name}")
        await _hand_functions_back(connection)
    if applied:
        log.info("database_migrated", migrations=applied)
    return applied


async def _hand_functions_back(connection: asyncpg.Connection) -> None:
    # Run by their restorer, they would see past row-level security.
    if not await connection.fetchval("select to_regprocedure($1) is not null", HAND_BACK):
        return  # not all migrations are applied
    count = await connection.fetchval(f"select {HAND_BACK}")
    if count:
        log.warning("functions_handed_back", count=count)


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    try:
        await connection.execute(migration.sql)
    except asyncpg.PostgresError as error:
        raise MigrationFailed(
            f"Migration {migration.version}_{migration.name} failed: {error}. Nothing was changed."
        ) from error
    await connection.execute(
        "insert into supabase_migrations.schema_migrations (version, statements, name)"
        " values ($1, $2, $3)",
        migration.version,
        [migration.sql],
        migration.name,
    )

"""A dump of a running cluster by the `pg_dump` that comes with it."""

import asyncio
import tempfile
from pathlib import Path

from app.adapters.store.bundled.binaries import installed
from app.adapters.store.bundled.children import run
from app.adapters.store.bundled.cluster import Cluster
from app.adapters.store.bundled.failure import EmbeddedPostgresFailed

# Nobody waits for longer; a dump of some gigabytes takes minutes.
TIMEOUT_S = 24 * 3600.0


class DumpFailed(EmbeddedPostgresFailed):
    """`pg_dump` did not end well; the message is its own."""


async def dump(cluster: Cluster, database: str, file: Path) -> None:
    """Write a dump that `pg_restore` reads; a file of that name is replaced once it is whole.

    Args:
        cluster: one that runs.
        database: its database.
        file: an absolute path.

    Raises:
        DumpFailed: it could not be made or written.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as folder:
            draft = Path(folder, file.name)
            # As ourselves, whose file it is to be: only the server refuses to run as root.
            done = await run(
                str(installed(cluster.major_version).bin / "pg_dump"),
                *("--format=custom", f"--file={draft}", f"--username={cluster.superuser}"),
                *(f"--host={cluster.socket_dir}", f"--port={cluster.port}", database),
                timeout_s=TIMEOUT_S,
            )
            if not done.ok:
                raise DumpFailed(f"The embedded database was not dumped: {done.output}")
            await asyncio.to_thread(draft.replace, file)
    except OSError as error:
        raise DumpFailed(f"{file} cannot be written: {error.strerror}.") from error

"""A real transaction pooler before the cluster of the tests: Debian's `pgbouncer`."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from app.adapters.store.bundled import Cluster
from tests.support.lacking import program
from tests.support.service import free_port

USERS = ("postgres", "agentes_app")
# Nothing is ignored or reset, so whatever a client leaves in a session, the next one would meet.
CONFIGURATION = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 200
"""


@asynccontextmanager
async def running_pgbouncer(cluster: Cluster, *, pool_size: int = 5) -> AsyncIterator[int]:
    """Yields the port; every database of the cluster has `pool_size` sessions for all clients."""
    pgbouncer = program("pgbouncer")
    listen_port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        Path(folder, "users").write_text("".join(f'"{user}" ""\n' for user in USERS))
        file = Path(folder, "pgbouncer.ini")
        file.write_text(
            CONFIGURATION.format(
                host=cluster.socket_dir,
                port=cluster.port,
                listen_port=listen_port,
                folder=folder,
                pool_size=pool_size,
            )
        )
        # It refuses to be root, and only the socket's owner may enter the socket's folder.
        owner = {"user": cluster.socket_dir.stat().st_uid} if os.geteuid() == 0 else {}
        process = await asyncio.create_subprocess_exec(pgbouncer, "--quiet", str(file), **owner)
        try:
            await _answering(process, listen_port)
            yield listen_port
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _answering(process: asyncio.subprocess.Process, port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            assert process.returncode is None, "pgbouncer did not start"
            try:
                connection = await asyncpg.connect(
                    host="127.0.0.1", port=port, user="postgres", database="postgres"
                )
            except OSError:
                await asyncio.sleep(0.02)
                continue
            await connection.close()
            return

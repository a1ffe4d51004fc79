"""The service keeps to its OpenAPI document: some 2,500 requests, valid and not, made from it.

`make fuzz` asks each operation a hundred ways, of what exists and of what does not, and follows
what one answer says into the next request.
"""

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.service import AS_MAKE_RUN_DOES, Service, running_service
from tests.support.tenants import Tenant

pytestmark = pytest.mark.anyio
CONFIG = Path(__file__).with_name("schemathesis.toml")
ST = Path(sys.executable).with_name("st")
OPTIONS = ("--mode=all", "--continue-on-failure", "--generation-database=none", "--no-color")
SHORT = ("--phases=examples,coverage,fuzzing", "--max-examples=5")
LONG = ("--max-examples=100",)
# What is deleted is not there for the next request.
OF_WHAT_EXISTS = ("--phases=examples,coverage,fuzzing", "--exclude-method=DELETE", *LONG)
# The version that exists stands in for an invalid one too, and is then rightly taken.
FIXED_VERSION = """
[[operations]]
include-path-regex = ".*/{version}(/restore)?$"
checks.negative_data_rejection.enabled = false
"""


async def ask(service: Service, seed: int, config: Path, *options: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(ST, "--config-file", config, "run", f"{service.url}/openapi.json", *OPTIONS, *options),
        *("--seed", str(seed), "--header", f"Authorization: Bearer {service.key}"),
        cwd=service.log.parent,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert "Traceback" not in service.log.read_text()


async def naming_what_exists(service: Service) -> Path:
    """The configuration, with an id of each kind of thing in the place of made-up ones."""
    async with service.client() as client:
        tenant = Tenant(client, "fuzz")
        await tenant.furnish()
    ids = "".join(f'"path.{name}" = {json.dumps(id)}\n' for name, id in tenant.ids.items())
    path = service.log.parent / "existing.toml"
    path.write_text(f"[parameters]\n{ids}\n{CONFIG.read_text()}{FIXED_VERSION}")
    return path


@pytest.mark.once
async def test_requests_made_from_the_document_are_answered_as_it_says(request):
    is_long, seed = request.config.getoption("long"), request.config.getoption("seed")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # under root, PostgreSQL runs as another user
        # Routes are asked again without a valid credential, far more often than is let pass.
        patience = {"LOG_LEVEL": "warning", "AUTH_FAILURES_PER_MINUTE": "1000000"}
        data_dir = Path(folder, "data")
        async with running_service(data_dir, AS_MAKE_RUN_DOES, **patience) as service:
            if not is_long:
                await ask(service, seed, CONFIG, *SHORT)
                return
            await ask(service, seed, await naming_what_exists(service), *OF_WHAT_EXISTS)
            await ask(service, seed, CONFIG, *LONG)

"""The service keeps to its OpenAPI document: some 2,500 requests, valid and not, made from it."""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.service import running_service

pytestmark = pytest.mark.anyio
CONFIG = Path(__file__).with_name("schemathesis.toml")
ST = Path(sys.executable).with_name("st")
OPTIONS = (
    "--phases=examples,coverage,fuzzing",
    "--mode=all",
    "--max-examples=5",
    "--continue-on-failure",
    "--seed=20261123",
    "--generation-database=none",
    "--no-color",
)


@pytest.mark.once
async def test_requests_made_from_the_document_are_answered_as_it_says():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # under root, PostgreSQL runs as another user
        async with running_service(Path(folder, "data"), LOG_LEVEL="warning") as service:
            process = await asyncio.create_subprocess_exec(
                *(ST, "--config-file", CONFIG, "run", f"{service.url}/openapi.json", *OPTIONS),
                *("--header", f"Authorization: Bearer {service.key}"),
                cwd=folder,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            output, _ = await process.communicate()
            assert process.returncode == 0, output.decode()
            assert "Traceback" not in service.log.read_text()

"""The image builds step by step in a clean root folder, and what it starts serves."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from app.command_line.serve import STOPPED_WITHIN_S
from tests.support.dockerfile import Builder, Stage, made_base
from tests.support.lacking import lacking, program
from tests.support.loopback_only import PLAIN_HTTP
from tests.support.service import ROOT, free_port

pytestmark = [pytest.mark.anyio, pytest.mark.once]


@pytest.fixture(scope="module")
def image() -> Iterator[Stage]:
    if os.geteuid():
        lacking("carrying out a Dockerfile's steps takes root")
    program("mmdebstrap")
    # On the disk: it takes 1 GB.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        os.chmod(folder, 0o755)
        base = made_base(Path(folder), "bookworm", "python3")
        yield Builder(ROOT, base).build(ROOT / "Dockerfile")


def test_the_linter_has_nothing_to_say():
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", ["deploy.sh", ".ci/run"])
def test_the_shell_scripts_are_clean(name):
    linter = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([linter, ROOT / name], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", ["README.md", "README.pt-BR.md", "Dockerfile"])
def test_docker_is_told_to_wait_until_the_service_has_ended(name):
    runs = re.findall(r"docker run ([^`]*)", (ROOT / name).read_text())
    assert runs
    for options in runs:
        (patience,) = re.findall(r"--stop-timeout (\d+)", options)
        assert int(patience) >= STOPPED_WITHIN_S + 5


def test_nothing_but_the_service_is_in_the_image(image):
    service = image.root / "service"
    names = {path.name for path in service.iterdir()}
    names.discard("__pycache__")
    assert names == {"LICENSE", "app", "examples", "main.py", "requirements.txt", "supabase"}
    assert not list(service.rglob("*.env"))


def test_its_user_owns_nothing_but_the_data_folder(image):
    assert image.user == "10001:10001"
    owned = [path for path in (image.root / "service").rglob("*") if path.stat().st_uid]
    assert owned == []
    places = "/service /opt/venv /etc /data"
    probe = f"for place in {places}; do touch $place/x 2>/dev/null && echo $place; done"
    done = subprocess.run(image.started("/bin/sh", "-c", probe), capture_output=True, text=True)
    assert done.stdout == "/data\n"


async def test_it_serves_at_port_is_healthy_and_stops_when_told(image):
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *image.started(*image.command, PORT=str(port)),
        stdout=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx2.AsyncClient(base_url=url, verify=PLAIN_HTTP, timeout=20) as client:
            await _until_ready(client, process)
            health = await asyncio.create_subprocess_exec(
                *image.started(*image.health, PORT=str(port))
            )
            assert await health.wait() == 0
            key = (image.root / "data/api_key").read_text().strip()
            created = await client.post(
                "/api/v2/agents",
                headers={"Authorization": f"Bearer {key}"},
                json={"name": "Loja"},
            )
            assert created.status_code == 201
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 30)
    assert not await healthy(image, port)


async def healthy(image: Stage, port: int) -> bool:
    asked = image.started(*image.health, PORT=str(port))
    quiet = asyncio.subprocess.DEVNULL
    return await (await asyncio.create_subprocess_exec(*asked, stderr=quiet)).wait() == 0


async def _until_ready(client: httpx2.AsyncClient, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(60):
        while True:
            assert process.returncode is None, "the service ended"
            try:
                if (await client.get("/health/ready")).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.1)

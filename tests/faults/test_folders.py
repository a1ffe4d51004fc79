"""DK-2, and DK-1 for temporary files: their folder is read-only, full, or not there at all."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.ids import new_id
from tests.support.lacking import lacking
from tests.support.service import AS_MAKE_RUN_DOES, ROOT, running_service, started
from tests.support.stories import a_base, indexed

pytestmark = pytest.mark.anyio
UPLOAD = "/api/v2/knowledge/upload"
LARGE = "O prazo de entrega é de 8 dias úteis. ".encode() * 100_000
# All places in which a temporary file could lie, read-only for one process.
WITHOUT_TEMPORARY = """
for folder in /tmp /var/tmp /usr/tmp "$PWD"; do
  if [ -d "$folder" ]; then mount --bind "$folder" "$folder"; mount -o remount,ro,bind "$folder"; fi
done
exec "$0" -m app.command_line serve
"""


@pytest.fixture
def mounted(folder: Path) -> Iterator[Path]:
    """A file system of 1 MB, of its own."""
    place = folder / f"mount-{new_id()}"
    place.mkdir()
    _mount("-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", str(place))
    yield place
    subprocess.run(("umount", "--lazy", str(place)), check=True)


def _mount(*arguments: str) -> None:
    if subprocess.run(("mount", *arguments), capture_output=True, check=False).returncode:
        lacking("a file system cannot be mounted here (it takes root)")


async def test_dk2_a_data_folder_that_cannot_be_written_is_told_in_one_line(mounted: Path):
    data, log = mounted / "data", mounted.parent / f"{new_id()}.log"
    data.mkdir()
    _mount("-o", "remount,ro", str(mounted))
    process = await started(data, 8996, log, AS_MAKE_RUN_DOES)
    assert await process.wait() != 0
    told = log.read_text()
    assert "Read-only file system. Let this user read and write DATA_DIR" in told
    assert "Traceback" not in told


def test_dk2_without_a_folder_for_temporary_files_the_service_says_so():
    place = Path("/dev/shm") / new_id()
    place.mkdir()
    done = subprocess.run(
        ("unshare", "--mount", "sh", "-c", WITHOUT_TEMPORARY, sys.executable),
        cwd=ROOT,
        env={"DATA_DIR": str(place / "data"), "PORT": "8996", "PATH": "/usr/bin:/bin:/sbin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    place.rmdir()
    if "Operation not permitted" in done.stderr:
        lacking("a process cannot have mounts of its own here (it takes root)")
    told = done.stdout + done.stderr
    assert done.returncode != 0
    assert "name it in TMPDIR" in told
    assert "Traceback" not in told


async def test_dk1_where_temporary_files_have_no_room_uploads_wait_and_all_else_goes_on(
    folder: Path, mounted: Path
):
    async with (
        running_service(folder / new_id() / "data", TMPDIR=str(mounted)) as service,
        service.client() as client,
    ):
        base = await a_base(client)
        form = {"data": {"knowledge_base_id": base}, "files": {"file": ("prazo.txt", LARGE)}}
        for headers in ({}, {"Idempotency-Key": "k-1"}):
            refused = await client.post(UPLOAD, headers=headers, **form)
            assert (refused.status_code, refused.json()["code"]) == (503, "no_room_for_upload")
            assert int(refused.headers["retry-after"]) > 0
        body = {"knowledge_base_id": base, "name": "Trocas", "text": "Trocas em 30 dias."}
        made = await client.post("/api/v2/knowledge/documents", json=body)
        await indexed(client, made.json()["id"])
        _mount("-o", "remount,size=64m", str(mounted))
        taken = await client.post(UPLOAD, headers={"Idempotency-Key": "k-1"}, **form)
        assert taken.status_code == 202, taken.text
        await indexed(client, taken.json()["data"][0]["id"])
        assert "Traceback" not in service.log.read_text()

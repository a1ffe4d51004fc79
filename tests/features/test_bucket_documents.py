"""Documents whose originals lie in Supabase Storage, the rest in the same project's database."""

import asyncio
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr

from app.core.settings import Settings
from tests.conftest import serving
from tests.support.loopback_only import PLAIN_HTTP
from tests.support.storage_server import storage_server
from tests.support.stories import POLICY, a_base, a_document, indexed
from tests.support.supabase_lite import SECRET_KEY

pytestmark = [pytest.mark.anyio, pytest.mark.once]
BUCKET = "originais"


async def test_an_original_lies_in_the_bucket_until_its_document_is_deleted(
    supabase_url: str, tmp_path: Path
):
    async with storage_server(SECRET_KEY, rest=supabase_url) as storage:
        settings = Settings(
            supabase_url=storage.url,
            supabase_service_key=SecretStr(SECRET_KEY),
            supabase_bucket=BUCKET,
            data_dir=tmp_path,
            log_level="error",
        )
        async with serving(settings) as url:
            key = (tmp_path / "api_key").read_text().strip()
            headers = {"Authorization": f"Bearer {key}"}
            async with httpx2.AsyncClient(
                verify=PLAIN_HTTP, base_url=url, headers=headers, timeout=20
            ) as client:
                await _live_and_die(client, storage.objects(BUCKET))
        # A service that starts again removes what was deleted before it stopped.
        async with serving(settings), asyncio.timeout(10):
            while storage.objects(BUCKET):
                await asyncio.sleep(0.05)


async def _live_and_die(client: httpx2.AsyncClient, objects: dict[str, bytes]) -> None:
    document = await a_document(client, await a_base(client))
    await indexed(client, document["id"])
    address = f"/api/v2/knowledge/documents/{document['id']}"
    content = (await client.get(f"{address}/content")).content
    assert list(objects.values()) == [content]
    assert POLICY.encode() in content
    assert (await client.delete(address)).status_code == 204
    assert (await client.get(f"{address}/content")).status_code == 404

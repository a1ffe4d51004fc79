"""How a file would be cut, over HTTP."""

import pytest

from tests.support.stories import POLICY, a_base

pytestmark = pytest.mark.anyio
MARKDOWN = POLICY.encode()
PREVIEW = "/api/v2/knowledge/preview"


async def preview(client, content=MARKDOWN, name="a.md", **fields):
    return await client.post(PREVIEW, files={"file": (name, content)}, data=fields)


async def test_a_preview_shows_the_chunks_with_their_sections_and_keeps_nothing(client):
    answer = await preview(client, size="50")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["content_type"] == "text/markdown"
    assert found["chunk_count"] == len(found["data"]) > 1
    assert "Loja Teste > Trocas e devoluções" in [chunk["heading"] for chunk in found["data"]]
    assert max(chunk["token_count"] for chunk in found["data"]) <= 50
    assert (await client.get("/api/v2/knowledge/documents")).json()["data"] == []


async def test_a_preview_is_cut_as_the_base_cuts(client):
    base = await a_base(client, chunking={"size": 60, "overlap": 0})
    found = (await preview(client, knowledge_base_id=base)).json()
    assert found["chunk_count"] > 1
    assert (await preview(client)).json()["chunk_count"] == 1


@pytest.mark.once
async def test_what_could_not_be_uploaded_cannot_be_previewed(client):
    assert (await preview(client, b"\x89PNG\r\n\x1a\n")).status_code == 415
    assert (await preview(client, b"")).status_code == 422
    assert (await preview(client, b"%PDF-1.4 nonsense", "a.pdf")).status_code == 422
    assert (await preview(client, size="60", overlap="60")).status_code == 422

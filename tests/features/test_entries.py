"""Texts, addresses, questions with answers; indexing anew."""

import asyncio

import httpx2
import pytest

from tests.conftest import serving
from tests.features.test_knowledge import KNOWLEDGE, search, upload
from tests.support.documents import pdf_with
from tests.support.receiver import Receiver, answering, receiving
from tests.support.stories import POLICY, a_base, a_document, indexed

pytestmark = pytest.mark.anyio
PAGE = "<html><h1>Trocas</h1><p>Aceitamos devoluções em até {} dias.</p></html>"


@pytest.fixture
async def site():
    """A website on loopback; what it answers may be changed."""
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def client(settings):
    """Of a service that may call loopback."""
    allowed = {"outbound_allow_private_cidrs": ("127.0.0.0/8",)}
    async with serving(type(settings).model_validate({**dict(settings), **allowed})) as url:
        key = (settings.data_dir / "api_key").read_text().strip()
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=20) as opened:
            yield opened


def shows(site: Receiver, days: int, **headers: str) -> None:
    site.behave = answering(200, PAGE.format(days).encode(), **headers)


async def add(client, base, **fields):
    body = {"knowledge_base_id": base, **fields}
    return await client.post(f"{KNOWLEDGE}/documents", json=body)


async def reindex(client, document_id):
    return await client.post(f"{KNOWLEDGE}/documents/{document_id}/reindex")


async def test_an_address_becomes_a_document_and_is_asked_again_with_its_mark(client, site):
    base = await a_base(client)
    shows(site, 30, ETag='"v1"', Content_Type="application/pdf")
    answer = await add(client, base, url=site.url)
    assert answer.status_code == 202, answer.text
    document = await indexed(client, answer.json()["id"])
    assert (document["status"], document["content_type"]) == ("ready", "text/html")
    assert (document["name"], document["source_url"]) == ("hook", site.url)
    assert document["fetched_at"] >= document["created_at"]
    assert "source_etag" not in document

    site.behave = answering(304)
    answer = await reindex(client, document["id"])
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert site.arrived[-1].headers["if-none-match"] == '"v1"'
    assert (await indexed(client, document["id"]))["sha256"] == document["sha256"]

    shows(site, 45, ETag='"v2"')
    await reindex(client, document["id"])
    changed = await indexed(client, document["id"])
    assert changed["sha256"] != document["sha256"]
    found = (await search(client, base, "devoluções")).json()["data"]
    assert ["45 dias" in hit["content"] for hit in found] == [True]
    content = await client.get(f"{KNOWLEDGE}/documents/{document['id']}/content")
    assert b"45 dias" in content.content


async def test_an_address_sent_again_is_the_same_document(client, site):
    base = await a_base(client)
    shows(site, 30)
    first = (await add(client, base, url=site.url)).json()
    again = await add(client, base, url=site.url)
    assert (again.status_code, again.json()["id"]) == (200, first["id"])
    assert again.json()["duplicate"] is True
    shows(site, 31)
    changed = await add(client, base, url=site.url)
    assert (changed.status_code, changed.json()["id"]) == (202, first["id"])
    assert changed.json()["duplicate"] is False
    listed = (await client.get(f"{KNOWLEDGE}/documents")).json()["data"]
    assert [one["id"] for one in listed] == [first["id"]]


@pytest.mark.once
async def test_an_address_that_could_not_be_read_is_tried_anew_though_it_has_not_changed(
    client, site
):
    base = await a_base(client)
    site.behave = answering(200, b"%PDF-1.4 nonsense")
    sent = (await add(client, base, url=site.url)).json()
    assert (await indexed(client, sent["id"]))["status"] == "failed"
    again = await add(client, base, url=site.url)
    assert (again.status_code, again.json()["id"]) == (202, sent["id"])
    assert (again.json()["status"], again.json()["duplicate"]) == ("queued", False)


async def test_five_at_once_for_one_address_make_one_document(client, site):
    base = await a_base(client)
    shows(site, 30)
    answers = await asyncio.gather(*(add(client, base, url=site.url) for _ in range(5)))
    assert len({answer.json()["id"] for answer in answers}) == 1
    document = await indexed(client, answers[0].json()["id"])
    chunks = (await client.get(f"{KNOWLEDGE}/documents/{document['id']}/chunks")).json()["data"]
    assert len(chunks) == 1


@pytest.mark.once
async def test_an_address_that_now_gives_another_document_is_refused(client, site):
    base = await a_base(client)
    shows(site, 30)
    document = (await add(client, base, url=site.url)).json()
    await upload(client, base, ("x.html", PAGE.format(60).encode()))
    shows(site, 60)
    answer = await reindex(client, document["id"])
    assert (answer.status_code, answer.json()["code"]) == (409, "document_duplicated")


@pytest.mark.once
@pytest.mark.parametrize(
    ("behave", "status", "code"),
    [
        (answering(404), 502, "source_failed"),
        (answering(200), 502, "source_failed"),
        (answering(200, b"GIF89a\x00\x00"), 415, "format_not_supported"),
        (answering(200, bytes(26 * 1024 * 1024)), 502, "response_too_large"),
        (answering(302, Location="http://169.254.169.254/"), 422, "address_refused"),
    ],
)
async def test_an_address_without_a_document_says_why(client, site, behave, status, code):
    site.behave = behave
    answer = await add(client, await a_base(client), url=site.url)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.once
@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/", "file:///etc/passwd", "https://[fd00:ec2::254]/"]
)
async def test_an_address_within_is_never_asked(client, url):
    answer = await add(client, await a_base(client), url=url)
    assert (answer.status_code, answer.json()["code"]) == (422, "address_refused")


async def test_a_question_is_found_by_its_own_words_and_kept_with_its_answer(client):
    base = await a_base(client)
    fields = {"question": "Vocês entregam\naos sábados?", "answer": "Só na capital, até as 13h."}
    answer = await add(client, base, **fields, metadata={"por": "ana"})
    document = await indexed(client, answer.json()["id"])
    assert (document["status"], document["question"]) == ("ready", fields["question"])
    assert document["name"] == "Vocês entregam aos sábados?"
    (hit,) = (await search(client, base, "entrega no sábado")).json()["data"]
    assert "Só na capital" in hit["content"]
    assert (await add(client, base, **fields)).status_code == 200


@pytest.mark.once
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"question": "Abrem?"},
        {"answer": "Sim."},
        {"text": "a", "url": "https://aurora.example/"},
        {"text": "a", "question": "b", "answer": "c"},
        {"text": "a", "source_url": "https://aurora.example/"},
    ],
)
async def test_a_document_comes_in_one_way_only(client, fields):
    answer = await add(client, await a_base(client), **fields)
    assert answer.status_code == 422


async def test_a_document_indexed_anew_is_cut_as_its_base_says_now(client):
    base = await a_base(client)
    text = "\n\n".join(f"Parágrafo {n}. " + "palavra " * 60 for n in range(12))
    document = await a_document(client, base, text)
    sizes = {"chunking": {"size": 60, "overlap": 0}}
    await client.patch(f"{KNOWLEDGE}/bases/{base}", json=sizes)
    answer = await reindex(client, document["id"])
    assert (answer.status_code, answer.json()["progress"]) == (202, 0)
    anew = await indexed(client, document["id"])
    assert anew["chunk_count"] > document["chunk_count"]
    chunks = await client.get(f"{KNOWLEDGE}/documents/{document['id']}/chunks?limit=100")
    ordinals = [chunk["ordinal"] for chunk in chunks.json()["data"]]
    assert ordinals == list(range(anew["chunk_count"]))
    missing = await reindex(client, base)
    assert missing.json()["code"] == "document_not_found"


@pytest.mark.once
async def test_an_old_version_is_searched_while_the_new_one_cannot_be_read(client, site):
    base = await a_base(client)
    shows(site, 30)
    document = (await add(client, base, url=site.url)).json()
    await indexed(client, document["id"])
    site.behave = answering(200, pdf_with(""))
    await reindex(client, document["id"])
    failed = await indexed(client, document["id"])
    assert (failed["status"], failed["error"]["code"]) == ("failed", "document_without_text")
    assert (await search(client, base, "devoluções")).json()["total_results"] == 1


@pytest.mark.once
async def test_a_text_without_a_name_is_named_after_its_first_line(client):
    answer = await add(client, await a_base(client), text=POLICY)
    assert answer.json()["name"] == "Loja Teste"

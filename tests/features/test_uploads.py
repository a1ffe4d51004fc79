"""PDF and HTML from the upload to the answer, over HTTP."""

import asyncio
import random

import pytest

from tests.features.test_knowledge import KNOWLEDGE, search, upload
from tests.support.documents import encrypted_pdf, pdf_of_shared_content, pdf_with
from tests.support.office_files import (
    PAGE,
    docx_with,
    paragraph,
    pptx_with,
    sheet,
    slide,
    xlsx_with,
)
from tests.support.service import ROOT
from tests.support.stories import a_base, an_agent, asking, indexed, stream, text_of

pytestmark = [pytest.mark.anyio, pytest.mark.once]
ANSWER = "A garantia da cadeira Lume é de 24 meses."
DECK = pptx_with(
    slide("Loja Aurora", "Móveis"), slide("Frete", "R$ 19,90"), slide("Garantia", ANSWER)
)
WORD = docx_with(
    paragraph("Loja Aurora", style="Ttulo1")
    + paragraph("Frete", before=PAGE)
    + paragraph("Garantia", style="Ttulo2", before=PAGE)
    + paragraph(ANSWER)
)
EXAMPLE = ROOT / "examples" / "aurora-clube.pdf"


async def kept(client, base, name, content):
    answer = await upload(client, base, (name, content))
    assert answer.status_code == 202, answer.text
    return await indexed(client, answer.json()["data"][0]["id"])


async def test_a_pdf_is_found_with_its_page_and_comes_back_as_an_attachment(client):
    base = await a_base(client)
    document = await kept(client, base, "clube.txt", EXAMPLE.read_bytes())
    assert (document["status"], document["content_type"]) == ("ready", "application/pdf")
    hit = (await search(client, base, "franquia do Aurora Proteção")).json()["data"][0]
    assert hit["page"] == 3
    assert "R$ 40,00" in hit["content"]
    chunks = (await client.get(f"{KNOWLEDGE}/documents/{document['id']}/chunks")).json()["data"]
    assert [chunk["page"] for chunk in chunks] == sorted(chunk["page"] for chunk in chunks)
    original = await client.get(f"{KNOWLEDGE}/documents/{document['id']}/content")
    assert original.content == EXAMPLE.read_bytes()
    assert original.headers["content-type"] == "application/pdf"
    assert original.headers["content-disposition"].startswith("attachment")
    assert original.headers["content-security-policy"] == "sandbox"


async def test_an_answer_from_a_pdf_names_the_page(client):
    base = await a_base(client)
    await kept(client, base, "clube.pdf", EXAMPLE.read_bytes())
    agent = await an_agent(client, knowledge_base_ids=[base])
    events = await stream(client, agent["id"], asking("Qual é a franquia do Aurora Proteção?"))
    source = next(event["data"] for event in events if event["event"] == "source")
    assert (source["index"], source["page"]) == (1, 3)
    assert "R$ 40,00" in text_of(events)


@pytest.mark.parametrize(("name", "content"), [("deck", DECK), ("manual", WORD)])
async def test_a_source_opens_at_its_slide_or_page_and_in_its_document(client, name, content):
    base = await a_base(client)
    await kept(client, base, "outro.md", b"# Frete\n\nO frete custa R$ 19,90.")
    document = await kept(client, base, name, content)
    agent = await an_agent(client, knowledge_base_ids=[base])
    events = await stream(client, agent["id"], asking("Qual é a garantia da cadeira Lume?"))
    source = next(event["data"] for event in events if event["event"] == "source")
    assert (source["document_id"], source["page"]) == (document["id"], 3)
    assert "24 meses" in text_of(events)


async def test_a_bomb_fails_with_a_code_and_its_neighbours_do_not(client):
    base = await a_base(client)
    far = sheet(["a", "b"]).replace('"B1"', '"XFD1048576"')
    bombs = {
        "a.docx": docx_with("", **{"word/document.xml": bytes(50 * 1024 * 1024)}),
        "b.xlsx": xlsx_with({"A": far}),
        "c.json": b"[" * 100_000 + b"]" * 100_000,
    }
    files = [*bombs.items(), ("d.docx", WORD), ("e.pptx", DECK)]
    answer = await upload(client, base, *files)
    documents = [await indexed(client, one["id"]) for one in answer.json()["data"]]
    assert [one["status"] for one in documents] == ["failed"] * 3 + ["ready"] * 2
    assert {one["error"]["code"] for one in documents[:3]} == {"document_too_complex"}


async def test_a_page_of_html_is_searched_by_its_rows_and_headings(client):
    base = await a_base(client)
    page = (
        "<html><h2>Frete</h2><table><tr><th>Região<th>Valor<tr><td>Sul<td>R$ 19,90"
        "<tr><td>Norte<td>R$ 34,90</table><script>ignorado()</script>"
    )
    document = await kept(client, base, "frete.md", page.encode())
    assert (document["status"], document["content_type"]) == ("ready", "text/html")
    hit = (await search(client, base, "frete para o Norte")).json()["data"][0]
    assert (hit["heading"], hit["page"]) == ("Frete", None)
    assert "Região: Norte — Valor: R$ 34,90" in hit["content"]
    assert (await search(client, base, "ignorado")).json()["total_results"] == 0


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.pdf", encrypted_pdf(b"segredo"), "document_encrypted"),
        ("b.pdf", pdf_with(""), "document_without_text"),
        ("c.pdf", pdf_with("Oi")[:200], "document_unreadable"),
        ("d.html", b"<html><p> </p>", "document_empty"),
    ],
)
async def test_a_file_that_cannot_be_read_says_why(client, name, content, code):
    document = await kept(client, await a_base(client), name, content)
    assert (document["status"], document["error"]["code"]) == ("failed", code)
    assert document["error"]["detail"]
    assert document["chunk_count"] == 0


async def test_pictures_are_refused_whatever_they_are_called(client):
    answer = await upload(client, await a_base(client), ("foto.pdf", b"GIF89a" + b"\x00" * 50))
    assert (answer.status_code, answer.json()["code"]) == (415, "format_not_supported")
    assert ".pdf" in answer.json()["detail"]


async def test_a_heavy_document_holds_up_neither_requests_nor_other_documents(client):
    base, other = await a_base(client), await a_base(client)
    answer = await upload(client, base, ("bomba.pdf", pdf_of_shared_content(8)))
    heavy = f"{KNOWLEDGE}/documents/{answer.json()['data'][0]['id']}"
    while (await client.get(heavy)).json()["status"] == "queued":
        await asyncio.sleep(0.02)
    light = await kept(client, other, "leve.md", b"# Oi\n\nUm documento leve.")
    assert light["status"] == "ready"
    answered = 0
    while (await client.get(heavy)).json()["status"] == "processing":
        assert (await client.get("/health/live")).status_code == 200
        answered += 1
    assert answered >= 3


async def test_a_large_file_passes_in_pieces_and_comes_back_as_it_was(client):
    picture = random.Random(5).randbytes(5 * 1024 * 1024)
    content = docx_with(paragraph("Oi"), **{"word/media/image1.png": picture})
    document = await kept(client, await a_base(client), "grande.docx", content)
    assert document["status"] == "ready"
    original = await client.get(f"{KNOWLEDGE}/documents/{document['id']}/content")
    assert original.content == content


async def test_nobodys_file_is_read_before_it_is_known_who_sends_it(client):
    """The head alone is answered; of the body not a byte has been sent."""
    host, port = client.base_url.host, client.base_url.port
    made = await client.post(
        "/api/v2/settings/api-keys", json={"name": "CRM", "scopes": ["agents:read"]}
    )
    reader_only = f"Authorization: Bearer {made.json()['key']}\r\n"
    for path, credential, status in (
        ("/api/v2/knowledge/upload", "", b"401"),
        ("/api/v2/knowledge/upload", "Authorization: Bearer ac_live_x\r\n", b"401"),
        ("/api/v2/knowledge/upload", reader_only, b"403"),
        ("/api/v2/knowledge/preview", "", b"401"),
        ("/api/v2/knowledge/preview", reader_only, b"413"),
        ("/api/v2/agents", "", b"401"),
        ("/api/v2/webhooks/clerk", "", b"413"),
        ("/api/v2/agents", reader_only, b"413"),
    ):
        reader, writer = await asyncio.open_connection(host, port)
        size = 90_000_000 if status != b"401" or "upload" in path else 900_000
        head = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n{credential}"
            "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        )
        writer.write(head.encode())
        async with asyncio.timeout(5):
            assert (await reader.readline()).split()[1] == status, path
        writer.close()

"""Knowledge over HTTP."""

import hashlib
import json

import pytest

from app.core.ids import new_id
from tests.support.stories import POLICY, a_base, a_document, indexed

pytestmark = pytest.mark.anyio
KNOWLEDGE = "/api/v2/knowledge"


async def upload(client, base, *files, **fields):
    parts = [("file", (name, content)) for name, content in files]
    data = {"knowledge_base_id": base, **fields}
    return await client.post(f"{KNOWLEDGE}/upload", files=parts, data=data)


async def search(client, base, query, **fields):
    body = {"query": query, "knowledge_base_id": base, **fields}
    return await client.post(f"{KNOWLEDGE}/search", json=body)


async def test_an_uploaded_file_can_be_searched_and_downloaded(client):
    base = await a_base(client)
    answer = await upload(client, base, ("políticas.md", POLICY.encode()))
    assert answer.status_code == 202
    document = await indexed(client, answer.json()["data"][0]["id"])
    assert (document["status"], document["progress"]) == ("ready", 100)
    assert document["sha256"] == hashlib.sha256(POLICY.encode()).hexdigest()
    content = await client.get(f"{KNOWLEDGE}/documents/{document['id']}/content")
    assert content.content == POLICY.encode()
    assert content.headers["content-disposition"].startswith("attachment")
    chunks = (await client.get(f"{KNOWLEDGE}/documents/{document['id']}/chunks")).json()["data"]
    assert [chunk["ordinal"] for chunk in chunks] == list(range(document["chunk_count"]))


@pytest.mark.parametrize(
    "query", ["devolução", "devolucoes", "DEVOLUÇÕES", "entrega no nordeste", "frete grátis"]
)
async def test_plurals_accents_and_case_make_no_difference(client, query):
    base = await a_base(client)
    await a_document(client, base)
    found = (await search(client, base, query)).json()
    assert found["data"][0]["score"] > 0.3
    assert found["mode_used"] == "lexical"


@pytest.mark.parametrize("query", ["devolusão", "nordset", "entergas", "hoorário"])
async def test_a_typing_error_is_forgiven(client, query):
    base = await a_base(client)
    await a_document(client, base)
    assert (await search(client, base, query)).json()["data"][0]["score"] > 0.2


async def test_a_word_of_the_same_family_is_found_behind_the_word_itself(client):
    base = await a_base(client)
    for text in ("O cancelamento é gratuito.", "Para cancelar, escreva à loja.", "Outra coisa."):
        await a_document(client, base, text)
    found = (await search(client, base, "cancelável")).json()["data"]
    assert len(found) == 2


async def test_a_rare_word_of_the_family_does_not_outweigh_the_word_that_was_asked_for(client):
    base = await a_base(client)
    for number in range(12):
        await a_document(client, base, f"Tabela número {number} com colunas e linhas.")
    await a_document(client, base, "O tabelião assina no tabelionato.")
    found = (await search(client, base, "tabela")).json()["data"]
    assert found[0]["content"].startswith("Tabela")


async def test_a_deleted_base_leaves_nothing_in_the_index(client, connection):
    base = await a_base(client)
    await a_document(client, base)
    assert (await client.delete(f"{KNOWLEDGE}/bases/{base}")).status_code == 204
    for table in ("postings", "terms", "base_totals", "chunks"):
        assert await connection.fetchval(f"select count(*) from agentes.{table}") == 0


async def test_several_bases_are_searched_as_one(client):
    bases = [await a_base(client), await a_base(client), await a_base(client)]
    await a_document(client, bases[0], "A loja de Recife abre cedo.")
    await a_document(client, bases[1], "A loja de Natal abre tarde.")
    await a_document(client, bases[2], "A loja de Manaus não abre.")
    body = {"query": "loja abre", "knowledge_base_ids": bases[:2]}
    found = (await client.post(f"{KNOWLEDGE}/search", json=body)).json()
    assert {hit["knowledge_base_id"] for hit in found["data"]} == set(bases[:2])
    assert found["total_results"] == 2


@pytest.mark.parametrize("query", ["?!", "de da do", "😀", ":*&|!()'\\", "x" * 2000, "a' or 1=1"])
async def test_odd_queries_are_answered(client, query):
    base = await a_base(client)
    await a_document(client, base)
    assert (await search(client, base, query)).status_code == 200


async def test_the_same_bytes_are_recognised(client):
    base = await a_base(client)
    first = (await upload(client, base, ("a.md", POLICY.encode()))).json()["data"][0]
    again = await upload(client, base, ("b.md", POLICY.encode()))
    assert again.status_code == 200
    assert again.json()["data"][0]["id"] == first["id"]
    assert again.json()["data"][0]["duplicate"] is True
    assert again.json()["data"][0]["name"] == "a.md"


async def test_bytes_that_failed_are_tried_anew_as_they_are_sent_now(client):
    base, content = await a_base(client), b'{"preco": 19,90 reais'
    sent = (await upload(client, base, ("a.json", content))).json()["data"][0]
    failed = await indexed(client, sent["id"])
    assert failed["status"] == "failed"
    again = await upload(client, base, ("b.txt", content), metadata='{"team": "loja"}')
    assert again.status_code == 202
    document = again.json()["data"][0]
    assert (document["id"], document["status"]) == (sent["id"], "queued")
    assert (document["duplicate"], document["error"]) == (False, None)
    assert (document["name"], document["metadata"]) == ("b.txt", {"team": "loja"})
    assert (await indexed(client, sent["id"]))["status"] == "ready"
    found = (await search(client, base, "preco", filters={"team": "loja"})).json()["data"]
    assert [hit["name"] for hit in found] == ["b.txt"]


@pytest.mark.once
async def test_an_original_that_was_lost_is_kept_again_when_it_is_sent_again(client, connection):
    base = await a_base(client)
    document = await a_document(client, base)
    path = f"{KNOWLEDGE}/documents/{document['id']}"
    await connection.execute("delete from agentes.files")
    await client.post(f"{path}/reindex")
    assert (await indexed(client, document["id"]))["error"]["code"] == "original_lost"
    assert (await a_document(client, base))["id"] == document["id"]
    assert (await client.get(path)).json()["status"] == "ready"
    assert (await client.get(f"{path}/content")).text == POLICY
    assert await connection.fetchval("select count(*) from agentes.files") == 1


async def test_one_bad_file_keeps_all_of_an_upload_out(client):
    base = await a_base(client)
    answer = await upload(client, base, ("a.md", b"# Oi\n\ntexto"), ("b.md", b"\x89PNG\r\n\x1a\n"))
    assert (answer.status_code, answer.json()["code"]) == (415, "format_not_supported")
    assert (await client.get(f"{KNOWLEDGE}/documents")).json()["data"] == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [("../../etc/passwd", "passwd"), ("a\u202etxt.md", "atxt.md"), ("..\\..\\x.md", "x.md")],
)
async def test_hostile_names_are_made_harmless(client, name, shown):
    base = await a_base(client)
    answer = await upload(client, base, (name, b"texto simples"))
    assert answer.json()["data"][0]["name"] == shown


async def test_a_deleted_document_is_found_no_more(client):
    base = await a_base(client)
    document = await a_document(client, base)
    assert (await search(client, base, "nordeste")).json()["total_results"] == 1
    answer = await client.delete(f"{KNOWLEDGE}/documents/{document['id']}")
    assert answer.status_code == 204
    assert (await search(client, base, "nordeste")).json()["total_results"] == 0


async def test_metadata_filters_the_search(client):
    base = await a_base(client)
    for city in ("Recife", "Natal"):
        text = f"A loja de {city} abre aos domingos."
        answer = await upload(
            client, base, (f"{city}.txt", text.encode()), metadata=f'{{"city": "{city}"}}'
        )
        await indexed(client, answer.json()["data"][0]["id"])
    found = (await search(client, base, "domingos", filters={"city": "Natal"})).json()["data"]
    assert [hit["metadata"]["city"] for hit in found] == ["Natal"]


async def test_statistics_stay_equal_to_the_chunks(client, connection):
    base = await a_base(client)
    first = await a_document(client, base)
    await a_document(client, base, POLICY.replace("Nordeste", "Sul"))
    await client.delete(f"{KNOWLEDGE}/documents/{first['id']}")
    differing = await connection.fetchval(
        """select count(*) from (
             select term, chunk_count::bigint as n from agentes.terms
             except select t, count(*)
               from agentes.chunks, unnest(tsvector_to_array(terms)) t group by t
           ) d"""
    )
    assert differing == 0
    unlike = await connection.fetchval(
        """select count(*) from (
             (select term, (block << 11) + (e >> 8) from agentes.postings, unnest(entries) e
              except select t, number from agentes.chunks, unnest(tsvector_to_array(terms)) t)
             union all
             (select t, number from agentes.chunks, unnest(tsvector_to_array(terms)) t
              except select term, (block << 11) + (e >> 8) from agentes.postings, unnest(entries) e)
           ) d"""
    )
    assert unlike == 0
    assert await connection.fetchval(
        "select chunk_count = (select count(*) from agentes.chunks) from agentes.base_totals"
    )


async def test_semantic_search_without_an_embedder_is_a_conflict(client):
    base = await a_base(client)
    answer = await search(client, base, "x", mode="semantic")
    assert (answer.status_code, answer.json()["code"]) == (409, "embedder_not_configured")


async def test_latin_1_and_utf_16_are_read(client):
    base = await a_base(client)
    text = "Promoção válida até sábado, não perca. " * 5
    for encoding in ("latin-1", "utf-16"):
        answer = await upload(client, base, (f"{encoding}.txt", text.encode(encoding)))
        document = await indexed(client, answer.json()["data"][0]["id"])
        assert document["status"] == "ready", document
    assert (await search(client, base, "promocao")).json()["total_results"] == 2


async def test_another_organizations_base_holds_nothing_whoever_names_it(client, connection):
    base = await a_base(client)
    await a_document(client, base)
    found = await connection.fetchval(
        "select knowledge_search_v2($1, $2::jsonb, 'prazo de entrega', 10)",
        new_id(),
        json.dumps([base]),
    )
    assert json.loads(found)["data"] == []

"""What a search finds, and how it shows it."""

import json

import pytest

from app.adapters.store.migrations import read_migrations
from tests.features.test_knowledge import KNOWLEDGE, search, upload
from tests.support.stories import a_base, a_document, indexed

pytestmark = pytest.mark.anyio
PLURALS = {
    "mãe": "mães",
    "mão": "mãos",
    "rã": "rãs",
    "lã": "lãs",
    "voo": "voos",
    "céu": "céus",
    "ano": "anos",
    "dia": "dias",
    "lei": "leis",
    "pai": "pais",
    "país": "países",
    "chá": "chás",
    "museu": "museus",
    "rua": "ruas",
    "olho": "olhos",
    "útil": "úteis",
    "pão": "pães",
    "animal": "animais",
    "hotel": "hotéis",
    "lençol": "lençóis",
    "armazém": "armazéns",
    "devolução": "devoluções",
}


async def hits(client, base, query, **fields):
    answer = await search(client, base, query, **fields)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_a_plural_is_found_and_marked_by_its_singular_and_back(client):
    base = await a_base(client)
    for word in (*PLURALS, *PLURALS.values()):
        await a_document(client, base, f"Trata de {word} e mais nada.")
    for one, many in PLURALS.items():
        for query in (one, many):
            found = await hits(client, base, query)
            shown = {hit["content"]: hit["highlights"] for hit in found if hit["score"] > 0.8}
            for text in (f"Trata de {one} e mais nada.", f"Trata de {many} e mais nada."):
                assert shown.get(text) == [text], (query, shown)


async def test_a_hand_is_no_mother(client):
    base = await a_base(client)
    await a_document(client, base, "Presentes para mães.")
    await a_document(client, base, "Creme para as mãos.")
    assert [hit["content"] for hit in await hits(client, base, "mão")] == ["Creme para as mãos."]
    assert [hit["content"] for hit in await hits(client, base, "mãe")] == ["Presentes para mães."]


async def test_what_is_marked_shows_the_word_however_long_its_sentence_is(client):
    base = await a_base(client)
    await a_document(client, base, f"Aqui {'vem muita coisa ' * 60} e enfim os animais na praça")
    (hit,) = await hits(client, base, "animal")
    (shown,) = hit["highlights"]
    assert "animais" in shown
    assert len(shown) <= 200


async def test_copies_of_one_text_leave_room_for_others(client):
    base = await a_base(client)
    text = (
        "O frete grátis vale para todos os pedidos feitos no sítio da loja durante a semana"
        " inteira, para qualquer lugar do país, sem valor mínimo e sem cadastro, desde"
    )
    await client.patch(f"{KNOWLEDGE}/bases/{base}", json={"chunking": {"size": 50}})
    await a_document(client, base, "\n\n".join(f"{text} {number}." for number in range(120)))
    for word in ("caneca", "mesa", "cadeira", "lustre", "tapete", "cortina"):
        await a_document(client, base, f"Sobre {word} há frete também.")
    found = await hits(client, base, "frete grátis", top_k=5)
    assert len(found) == 5
    assert sum("semana inteira" in hit["content"] for hit in found) == 1


async def test_neighbours_leave_room_for_others(client):
    base = await a_base(client)
    await client.patch(f"{KNOWLEDGE}/bases/{base}", json={"chunking": {"size": 50}})
    await a_document(
        client, base, "\n\n".join(f"Frete grátis {f'{word} ' * 20}." for word in PLURALS)
    )
    for word in ("caneca", "mesa", "cadeira"):
        await a_document(client, base, f"Sobre {word} há frete também.")
    assert len(await hits(client, base, "frete grátis", top_k=3)) == 3


async def test_a_title_that_stands_alone_is_no_result(client):
    base = await a_base(client)
    await client.patch(f"{KNOWLEDGE}/bases/{base}", json={"chunking": {"size": 50}})
    body = "Pedidos saem do depósito na mesma tarde quando o pagamento é confirmado cedo. " * 8
    document = await a_document(client, base, f"# Prazo de entrega\n\n{body}\n\n# Horários: 9h")
    chunks = (await client.get(f"{KNOWLEDGE}/documents/{document['id']}/chunks")).json()["data"]
    assert chunks[0]["content"] == "# Prazo de entrega"
    found = await hits(client, base, "prazo de entrega")
    assert found
    assert chunks[0]["id"] not in {id_ for hit in found for id_ in hit["chunk_ids"]}
    assert all(hit["heading"].startswith("Prazo de entrega") for hit in found)
    (last,) = await hits(client, base, "horários")
    assert last["content"].endswith("# Horários: 9h")


async def test_a_chunk_of_several_sections_names_them_all(client):
    base = await a_base(client)
    await a_document(client, base, "# Loja\n\n## Trocas\n\nEm 7 dias.\n\n## Frete\n\nGrátis.")
    (hit,) = await hits(client, base, "frete")
    assert hit["heading"] == "Loja · Trocas · Frete"


async def test_chinese_and_japanese_are_found_by_parts_of_sentences(client):
    base = await a_base(client)
    for text in ("退货政策：您可以在七天内退货。", "送料は全国一律五百円です。", "Sem nada disso."):
        await a_document(client, base, text)
    for query, text in (
        ("退货", "退货政策：您可以在七天内退货。"),
        ("送料", "送料は全国一律五百円です。"),
    ):
        (hit,) = await hits(client, base, query)
        assert hit["content"] == text
        assert hit["highlights"]


async def test_what_was_indexed_before_is_found_by_new_stems(client, connection):
    steps = {step.name: step.sql for step in read_migrations()}
    start = "create function agentes.portuguese_endings"
    before = steps["create_search"].partition(start)[2].partition("comment")[0]
    await connection.execute(f"create or replace function agentes.portuguese_endings{before}")
    base = await a_base(client)
    for word in PLURALS.values():
        await a_document(client, base, f"Trata de {word} e mais nada.")
    answer = await upload(client, base, ("a.txt", b"Os voos saem cedo."))
    await indexed(client, answer.json()["data"][0]["id"])
    assert await hits(client, base, "voo") == []
    await connection.execute(steps["know_short_plurals"])
    for one in PLURALS:
        assert (await hits(client, base, one))[0]["score"] > 0.8
    wrong = await connection.fetchval(
        """select count(*) from (select term, count(*) from agentes.chunks c,
             unnest(tsvector_to_array(c.terms)) term group by term) s
             full join agentes.terms t using (term) where t.chunk_count is distinct from s.count"""
    )
    assert wrong == 0
    totals = await connection.fetchval(
        """select t.term_count = (select sum(c.term_count) from agentes.chunks c)
             from agentes.base_totals t"""
    )
    assert totals


async def test_another_organization_marks_nothing(client, connection):
    base = await a_base(client)
    await a_document(client, base)
    found = await hits(client, base, "prazo")
    marked = "select chunks_mark_v1($1, $2, '[\"praz\"]')"
    ids = json.dumps([found[0]["id"]])
    owner = await connection.fetchval("select organization_id from agentes.knowledge_bases")
    assert json.loads(await connection.fetchval(marked, owner, ids))
    assert json.loads(await connection.fetchval(marked, base, ids)) == {}


async def test_a_document_in_another_language_than_its_base_is_found_in_its_own(client):
    base = await a_base(client)
    english = "The shipping policies of our stores: parcels are delivered within three days."
    body = {"knowledge_base_id": base, "text": english, "language": "en"}
    made = (await client.post(f"{KNOWLEDGE}/documents", json=body)).json()
    assert made["language"] == "en"
    await indexed(client, made["id"])
    portuguese = "As políticas de frete das nossas lojas: as encomendas chegam em três dias."
    await a_document(client, base, portuguese)
    hit, *others = await hits(
        client, base, "What is the policy on delivering a parcel of the store?"
    )
    assert (hit["content"], hit["highlights"]) == (english, [english])
    assert hit["score"] > 0.8 > 0.3 > max((one["score"] for one in others), default=0)
    hit, *others = await hits(client, base, "Qual é a política de frete da loja para a encomenda?")
    assert hit["content"] == portuguese
    assert hit["score"] > 0.8 > 0.3 > max((one["score"] for one in others), default=0)


async def test_an_upload_may_say_its_language_and_a_wrong_one_is_refused(client):
    base = await a_base(client)
    data = {"knowledge_base_id": base, "language": "en"}
    files = {"file": ("a.txt", b"Two policies.", "text/plain")}
    answer = await client.post(f"{KNOWLEDGE}/upload", data=data, files=files)
    (made,) = answer.json()["data"]
    assert made["language"] == "en"
    await indexed(client, made["id"])
    (hit,) = await hits(client, base, "policy")
    assert hit["document_id"] == made["id"]
    wrong = await client.post(f"{KNOWLEDGE}/upload", data=data | {"language": "x"}, files=files)
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/language")


async def test_documents_in_other_languages_change_no_score_of_a_question(client):
    alone, beside = await a_base(client), await a_base(client)
    text = "As políticas de frete das nossas lojas: as encomendas chegam em três dias."
    for base in (alone, beside):
        await a_document(client, base, text)
    body = {"knowledge_base_id": beside, "text": "Nothing of the kind.", "language": "en"}
    await indexed(client, (await client.post(f"{KNOWLEDGE}/documents", json=body)).json()["id"])
    for query in ("qual a política de frete das lojas", "encomendas chegam quando"):
        scores = [(await hits(client, base, query))[0]["score"] for base in (alone, beside)]
        assert abs(scores[0] - scores[1]) < 0.1


async def test_a_word_of_several_parts_counts_with_all_of_them_in_several_languages(client):
    base = await a_base(client)
    body = {"knowledge_base_id": base, "text": "Nothing of the kind.", "language": "en"}
    await indexed(client, (await client.post(f"{KNOWLEDGE}/documents", json=body)).json()["id"])
    await a_document(client, base, "東京の店は九時に開きます。")
    await a_document(client, base, "東北の天気。")
    hit, *others = await hits(client, base, "東京の店は九時に開きますか")
    assert hit["content"] == "東京の店は九時に開きます。"
    assert hit["score"] > 0.8 > 0.5 > max((one["score"] for one in others), default=0)


async def test_what_another_language_leaves_out_is_looked_up_where_it_stands(client):
    base = await a_base(client)
    body = {"knowledge_base_id": base, "text": "Nada de eso.", "language": "es"}
    await indexed(client, (await client.post(f"{KNOWLEDGE}/documents", json=body)).json()["id"])
    await a_document(client, base, "Entregamos em todo o estado.")
    await a_document(client, base, "Entregamos em dois dias.")
    hit, *_ = await hits(client, base, "estado")
    assert hit["content"] == "Entregamos em todo o estado."

"""Ranking by words over documents of many chunks, before the planner has statistics of them."""

import pytest

from tests.features.test_knowledge import KNOWLEDGE, search, upload
from tests.support.stories import a_base, a_document, indexed

pytestmark = pytest.mark.anyio
QUESTION = "Qual o prazo de entrega e devolução do pedido com nota fiscal?"
ALIKE = "\n\n".join(
    f"## Item {number}\n\nO prazo de entrega do pedido {number} é de cinco dias úteis depois do "
    "pagamento, e a devolução pode ser pedida em até trinta dias com a nota fiscal. "
    + "A garantia vale por doze meses contados da compra, salvo mau uso do produto. "
    * 8
    for number in range(2_000)
)


async def test_thousands_of_like_paragraphs_are_searched_as_soon_as_they_are_indexed(
    client, connection
):
    base = await a_base(client)
    answer = await upload(client, base, ("a.md", ALIKE.encode()))
    document = await indexed(client, answer.json()["data"][0]["id"])
    assert document["chunk_count"] >= 2_000
    assert (await search(client, base, QUESTION)).status_code == 200
    await client.post(f"{KNOWLEDGE}/documents/{document['id']}/reindex")
    assert (await indexed(client, document["id"]))["chunk_count"] == document["chunk_count"]
    for query, top in ((QUESTION, 0.5), ("entrega do pedido 1500", 0.8)):
        answer = await search(client, base, query)
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"][0]["score"] > top
    assert "pedido 1500 " in answer.json()["data"][0]["content"]
    unordered = await connection.fetchval(
        """select count(*) from agentes.postings
            where entries <> array(select e from unnest(entries) e order by e)"""
    )
    assert unordered == 0


async def test_what_is_looked_up_is_what_lists_sum_up_to(client, connection):
    base = await a_base(client)
    words = ["frete", "troca", "garantia", "loja"]
    for number in range(1, 30):
        said = [word for place, word in enumerate(words) if number % (place + 2) == 0]
        await a_document(client, base, f"Nota {number}: {' '.join(said * (1 + number % 3))}.")
    terms = await connection.fetchval(
        "select array_agg(term order by chunk_count) from agentes.terms where term <> 'not'"
    )
    weights = [1 / (1 + place) for place in range(len(terms))]
    ranked = "select numbers, scores from agentes.rank_words($1, $2, $3, $4, $5, null, 50, 0)"
    org = await connection.fetchval("select organization_id from agentes.knowledge_bases")
    whole = await connection.fetchrow(ranked, org, base, terms, weights, len(terms))
    assert len(whole["numbers"]) == 29
    for first in range(1, len(terms)):
        partly = await connection.fetchrow(ranked, org, base, terms, weights, first)
        expected = dict(zip(whole["numbers"], whole["scores"], strict=True))
        for number, score in zip(partly["numbers"], partly["scores"], strict=True):
            assert score == pytest.approx(expected[number])


async def test_filters_do_not_use_up_what_is_read_of_common_words(client, connection):
    base = await a_base(client)
    aside = "O prazo é outro. " * 30
    texts = {
        "rare": f"Frete para todo o país. {aside}",
        "common": "Garantia, garantia e garantia: a garantia vale por doze meses.",
    }
    for name, text in texts.items():
        await kept_apart(client, base, f"{name}.md", text, shop="a")
    others = "\n\n".join(f"## Item {n}\n\nGarantia do item {n}. {aside}" for n in range(40))
    await kept_apart(client, base, "others.md", others, shop="b")
    await connection.execute(
        "create or replace function agentes.candidate_cap() returns int language sql immutable"
        " as 'select 10'"
    )

    async def found(**fields: object) -> set[str]:
        answer = await search(client, base, "frete garantia", top_k=10, **fields)
        return {hit["name"] for hit in answer.json()["data"]}

    assert await found() == {"rare.md"}
    assert await found(filters={"shop": "a"}) == {"rare.md", "common.md"}
    # Nor where nothing is let through in the larger of two bases.
    beside = await a_base(client, "Ao lado")
    await kept_apart(client, beside, "beside.md", texts["common"], shop="c")
    both = {"knowledge_base_id": None, "knowledge_base_ids": [base, beside]}
    assert await found(**both, filters={"shop": "c"}) == {"beside.md"}


async def kept_apart(client, base, name, text, **metadata):
    answer = await client.post(
        f"{KNOWLEDGE}/documents",
        json={"knowledge_base_id": base, "name": name, "text": text, "metadata": metadata},
    )
    assert (await indexed(client, answer.json()["id"]))["status"] == "ready"

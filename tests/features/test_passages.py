"""How what was found is made fit to be read."""

import itertools

from app.core.ids import new_id
from app.features.knowledge.passages import hit_of, places, without_copies
from app.features.knowledge.schemas import Passage, Scores

DOCUMENT = new_id()


def passage(content, ordinal, *, document=DOCUMENT, start=None, score=0.5, heading=""):
    start = ordinal * 1000 if start is None else start
    return Passage(
        id=new_id(),
        document_id=document,
        knowledge_base_id=DOCUMENT,
        name="a.md",
        content=content,
        heading=heading,
        page=None,
        ordinal=ordinal,
        char_start=start,
        char_end=start + len(content),
        score=score,
        scores=Scores(lexical=score),
        metadata={},
    )


def hits_of(found, marked=None):
    return [hit_of(place, marked or {}) for place in places(found)]


def test_neighbours_are_joined_in_the_order_of_their_document():
    found = [
        passage("dois", 2, score=0.9),
        passage("sete", 7),
        passage("um", 1),
        passage("três", 3),
    ]
    first, second = hits_of(found)
    assert first.content == "um\n\ndois\n\ntrês"
    assert (first.id, first.score) == (found[0].id, 0.9)
    assert first.chunk_ids == [found[2].id, found[0].id, found[3].id]
    assert second.content == "sete"


def test_what_neighbours_share_is_there_once():
    found = [passage("abcdef", 0, start=0), passage("defghi", 1, start=3)]
    assert hits_of(found)[0].content == "abcdefghi"


def test_neighbours_of_another_document_stay_apart():
    found = [passage("um", 1), passage("dois", 2, document=new_id())]
    assert len(hits_of(found)) == 2


def test_a_document_is_not_joined_into_one_hit():
    found = [passage("palavra " * 200 + str(n), n) for n in range(8)]
    found = [passage(f"{n} " * 900, n, start=n * 2000) for n in range(8)]
    assert all(len(hit.content) <= 6000 for hit in hits_of(found))


def test_neighbours_are_joined_in_whichever_order_they_were_found():
    parts = [passage("um", 1), passage("dois", 2), passage("três", 3)]
    for found in itertools.permutations(parts):
        (hit,) = hits_of(found)
        assert (hit.id, hit.content) == (found[0].id, "um\n\ndois\n\ntrês")


def test_a_hit_names_the_sections_of_all_its_parts_once():
    found = [
        passage("b", 2, heading="Loja > Trocas · Prazo"),
        passage("a", 1, heading="Loja > Trocas"),
        passage("c", 3, heading="Loja > Prazo"),
    ]
    assert [hit.heading for hit in hits_of(found)] == ["Loja > Trocas · Prazo"]


def test_a_copy_is_left_out_and_another_passage_takes_its_place():
    text = "A loja abre de segunda a sexta das nove às dezoito horas menos em feriados"
    found = [passage(text, 1), passage(text.upper(), 5, document=new_id()), passage("outra", 9)]
    assert without_copies(found, limit=2) == [found[0], found[2]]


def test_sentences_that_are_marked_in_several_parts_are_shown_once():
    found = [passage("Um. Dois.", 1), passage("Dois. Três. Cinco.", 2)]
    marked = {found[0].id: ["Um.", "Dois."], found[1].id: ["Dois.", "Três.", "Cinco."]}
    assert hits_of(found, marked)[0].highlights == ["Um.", "Dois.", "Três."]

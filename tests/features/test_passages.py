"""How what was found is made fit to be read."""

from app.core.ids import new_id
from app.features.knowledge.passages import hits_of
from app.features.knowledge.schemas import Passage, Scores

DOCUMENT = new_id()


def passage(content, ordinal, *, document=DOCUMENT, start=None, score=0.5):
    start = ordinal * 1000 if start is None else start
    return Passage(
        id=new_id(),
        document_id=document,
        knowledge_base_id=DOCUMENT,
        name="a.md",
        content=content,
        heading="",
        page=None,
        ordinal=ordinal,
        char_start=start,
        char_end=start + len(content),
        score=score,
        scores=Scores(lexical=score),
        metadata={},
    )


def test_neighbours_are_joined_in_the_order_of_their_document():
    found = [
        passage("dois", 2, score=0.9),
        passage("sete", 7),
        passage("um", 1),
        passage("três", 3),
    ]
    first, second = hits_of(found, stems=[], limit=5)
    assert first.content == "um\n\ndois\n\ntrês"
    assert (first.id, first.score) == (found[0].id, 0.9)
    assert first.chunk_ids == [found[2].id, found[0].id, found[3].id]
    assert second.content == "sete"


def test_what_neighbours_share_is_there_once():
    found = [passage("abcdef", 0, start=0), passage("defghi", 1, start=3)]
    assert hits_of(found, stems=[], limit=5)[0].content == "abcdefghi"


def test_neighbours_of_another_document_stay_apart():
    found = [passage("um", 1), passage("dois", 2, document=new_id())]
    assert len(hits_of(found, stems=[], limit=5)) == 2


def test_a_document_is_not_joined_into_one_hit():
    found = [passage("palavra " * 200 + str(n), n) for n in range(8)]
    found = [passage(f"{n} " * 900, n, start=n * 2000) for n in range(8)]
    assert all(len(hit.content) <= 6000 for hit in hits_of(found, stems=[], limit=5))


def test_a_copy_is_left_out_and_another_passage_takes_its_place():
    text = "A loja abre de segunda a sexta das nove às dezoito horas menos em feriados"
    found = [passage(text, 1), passage(text.upper(), 5, document=new_id()), passage("outra", 9)]
    assert [hit.content for hit in hits_of(found, stems=[], limit=2)] == [text, "outra"]


def test_sentences_that_answer_are_highlighted():
    text = "A loja é azul. O prazo de devolução é de 7 dias. Frete não é devolvido!\nFim."
    hit = hits_of([passage(text, 0)], stems=["devol", "7"], limit=1)[0]
    assert hit.highlights == ["O prazo de devolução é de 7 dias.", "Frete não é devolvido!"]

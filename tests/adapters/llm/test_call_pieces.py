"""Tool calls from pieces, in the odd ways in which servers send them."""

import pytest

from app.adapters.llm.call_pieces import MAX_CHARS, CallPieces
from app.ports.llm import ProviderMalformed


def names(pieces):
    return [(call.id, call.name, call.arguments) for call in pieces.whole()]


def test_parallel_calls_that_all_have_the_number_0_are_told_apart_by_their_ids():
    pieces = CallPieces()
    for n in range(2):
        pieces.add(index=0, call_id=f"c{n}", name="stock", arguments='{"n":')
        pieces.add(index=0, arguments=f"{n}}}")
    assert names(pieces) == [("c0", "stock", '{"n":0}'), ("c1", "stock", '{"n":1}')]


@pytest.mark.parametrize("index", [0, None])
@pytest.mark.parametrize("call_id", ["", "c"])
def test_parallel_calls_of_one_number_and_one_id_are_told_apart_by_their_ends(index, call_id):
    pieces = CallPieces()
    for n in range(3):
        pieces.add(index=index, call_id=call_id, name="stock", arguments=f'{{"n":{n}}}')
    assert [call.arguments for call in pieces.whole()] == ['{"n":0}', '{"n":1}', '{"n":2}']


def test_so_they_are_where_their_arguments_come_after_their_names():
    pieces = CallPieces()
    for n, name in enumerate(("stock", "price")):
        pieces.add(index=0, call_id="", name=name, arguments="")
        for piece in ('{"n"', f":{n}", "}"):
            pieces.add(index=0, arguments=piece)
    calls = [(call.name, call.arguments) for call in pieces.whole()]
    assert calls == [("stock", '{"n":0}'), ("price", '{"n":1}')]


def test_a_name_that_is_repeated_with_every_piece_is_one_call():
    pieces = CallPieces()
    for piece in ('{"a":{}', ',"b":"}', '"}', ""):
        pieces.add(index=0, call_id="c", name="stock", arguments=piece)
    assert names(pieces) == [("c", "stock", '{"a":{},"b":"}"}')]


def test_an_id_is_one_that_can_be_kept_and_sent():
    pieces = CallPieces()
    for n, call_id in enumerate(("c\ud8001", "c\x002", "c" * 5000, "\x00")):
        pieces.add(index=n, call_id=call_id, name="stock", arguments="{}")
    half, nul, long, nothing = [call.id for call in pieces.whole()]
    assert (half, nul, len(long)) == ("c\ufffd1", "c2", 500)
    assert nothing.startswith("call_")


def test_an_id_that_is_repeated_with_every_piece_is_one_call():
    pieces = CallPieces()
    for part in ('{"n"', ":1}"):
        pieces.add(index=0, call_id="c", name="stock", arguments=part)
    assert names(pieces) == [("c", "stock", '{"n":1}')]


def test_pieces_without_a_number_follow_their_id_or_else_the_last_call():
    pieces = CallPieces()
    pieces.add(call_id="a", name="stock", arguments="{")
    pieces.add(call_id="b", name="price", arguments="{")
    pieces.add(call_id="a", arguments='"a":1}')
    pieces.add(arguments="}")
    assert names(pieces) == [("a", "stock", '{"a":1}'), ("b", "price", "{}")]


def test_calls_without_ids_are_given_some():
    pieces = CallPieces()
    pieces.add(name="stock", arguments="{}")
    pieces.add(name="stock", arguments="{}")
    first, second = pieces.whole()
    assert first.id
    assert first.id != second.id


def test_a_call_without_a_name_is_malformed():
    pieces = CallPieces()
    pieces.add(index=0, call_id="a", arguments="{}")
    with pytest.raises(ProviderMalformed):
        pieces.whole()


@pytest.mark.parametrize("arguments", ["x" * 65_536, ""])
def test_calls_without_end_are_malformed(arguments):
    pieces = CallPieces()

    def add_on_and_on():
        for n in range(MAX_CHARS):
            pieces.add(index=n, name="stock", arguments=arguments)

    with pytest.raises(ProviderMalformed):
        add_on_and_on()

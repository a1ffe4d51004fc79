"""The reader of answers, byte by byte and against nonsense."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.fetch.answer import AnswerReader
from app.ports.fetch import FetchFailed, ResponseTooLarge

PIECES = (
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.0 404 No\r\n", b"\r\n",
    b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: gzip\r\n", b"Connection: close\r\n", b"Upgrade: x\r\n", b"X: y\r\n",
    b"5\r\n", b"hello", b"0\r\n\r\n", b"\x1f\x8b\x08\x00", b"\x00", b" ", b"\n",
    b"HTTP/1.1 304 N\r\n",
)  # fmt: skip


def read(pieces: list[bytes], method: str = "GET") -> tuple[object, ...]:
    """What comes of an answer that arrives so, before the connection is closed."""
    reader = AnswerReader(method, max_bytes=100, cuts_body=False)
    try:
        for piece in pieces:
            if not reader.is_done:
                reader.feed(piece)
        if not reader.is_done:
            reader.end()
        return reader.status, dict(reader.headers), reader.content
    except FetchFailed as failure:
        return type(failure), str(failure)


@given(st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join), st.data())
def test_it_does_not_matter_how_an_answer_is_cut(said, data):
    whole = read([said])
    cuts = sorted(data.draw(st.sets(st.integers(0, len(said)), max_size=6)))
    ends = [0, *cuts, len(said)]
    assert read([said[a:b] for a, b in pairwise(ends) if b > a]) == whole
    assert read([said[at : at + 1] for at in range(len(said))]) == whole


@given(st.binary(max_size=200), st.sampled_from(["GET", "HEAD", "POST"]))
def test_nonsense_is_a_failure_by_name(said, method):
    outcome = read([b"HTTP/1.1 200 OK\r\n", said], method)
    assert isinstance(outcome[0], int | type)


@pytest.mark.parametrize("connection", ["Upgrade, Keep-Alive", "upgrade", "close"])
def test_an_offer_to_upgrade_is_not_taken(connection):
    head = f"HTTP/1.1 200 OK\r\nUpgrade: h2,h2c\r\nConnection: {connection}\r\n"
    said = head.encode() + b"Content-Length: 5\r\n\r\nhello"
    assert read([said])[::2] == (200, b"hello")


def test_a_connection_is_kept_only_after_a_whole_answer_that_lets_it():
    def is_usable(said: bytes, method: str = "GET") -> bool:
        reader = AnswerReader(method, max_bytes=100, cuts_body=True)
        reader.feed(said)
        return reader.is_done and reader.leaves_connection_usable

    head = b"HTTP/1.1 200 OK\r\n"
    assert is_usable(head + b"Content-Length: 0\r\n\r\n")
    assert is_usable(head + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    assert not is_usable(head + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
    assert not is_usable(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert not is_usable(head + b"Content-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert not is_usable(head + b"Content-Length: 0\r\n\r\n\x00")
    assert is_usable(head + b"Content-Length: 200\r\n\r\n" + b"x" * 200), "cut, but read to its end"
    assert not is_usable(head + b"Content-Length: 200\r\n\r\n" + b"x" * 150)
    assert not is_usable(head + b"Content-Length: 5\r\n\r\n", "HEAD")


def test_an_answer_that_is_too_large_is_refused_also_when_it_arrives_at_once():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n"
    reader = AnswerReader("GET", max_bytes=1024, cuts_body=False)
    with pytest.raises(ResponseTooLarge):
        reader.feed(head + b"x" * 2000)


def test_what_follows_a_whole_answer_cannot_spoil_it():
    reader = AnswerReader("GET", max_bytes=1024, cuts_body=False)
    many = b"".join(b"A%d: b\r\n" % n for n in range(300))
    reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n" + many)
    assert (reader.is_done, reader.content) == (True, b"ok")

"""Server-sent events as bytes: https://html.spec.whatwg.org/multipage/server-sent-events.html."""

import json

import orjson

# An event larger than a network packet is split on its way, and a client that decodes each packet
# on its own would cut it. 4 KB is what we promise; texts are cut so that their frame stays below.
MAX_FRAME_BYTES = 4096

# Escaped, one character takes at most 12 bytes ("\ud83d\ude00"): 240 of them and the envelope fit.
MAX_TEXT_PIECE_CHARS = 240

KEEP_ALIVE = b": keep-alive\n\n"
END_OF_FRAME = b"\n\n"


class Envelope:
    """Makes the frames of one stream, whose ids are the same in every event."""

    def __init__(self, **ids: str) -> None:
        self._tail = b"," + orjson.dumps(ids)[1:] + END_OF_FRAME

    def frame(self, event_id: int, event: str, data: object) -> bytes:
        r"""One event whose single `data:` line is ASCII JSON, so that no packet cuts a character.

        JSON escapes CR and LF, so no text can forge a line of the stream.
        """
        head = f'id: {event_id}\nevent: {event}\ndata: {{"event":"{event}","data":'
        return head.encode("ascii") + _ascii_json(data) + self._tail


def _ascii_json(value: object) -> bytes:
    try:
        fast = orjson.dumps(value)
    except orjson.JSONEncodeError:  # a lone surrogate, which only the escaped form can carry
        fast = b"\xff"
    if fast.isascii():
        return fast
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode()


def event_id_of(frame: bytes) -> int:
    """The number of a frame that an `Envelope` has made."""
    return int(frame[4 : frame.index(b"\n")])


def pieces(text: str) -> list[str]:
    """The text in parts that each fit into one frame; together they are the text."""
    step = MAX_TEXT_PIECE_CHARS
    if 0 < len(text) <= step:
        return [text]
    return [text[start : start + step] for start in range(0, len(text), step)]


def unnamed_frame(value: object, *, event_id: int | None = None) -> bytes:
    """One event without a name, as `EventSource.onmessage` sees it; its line is ASCII JSON.

    Without a number the client goes on from the last one that it was given.
    """
    head = b"data: " if event_id is None else b"id: %d\ndata: " % event_id
    return head + _ascii_json(value) + END_OF_FRAME

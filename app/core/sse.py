"""Server-sent events as bytes: https://html.spec.whatwg.org/multipage/server-sent-events.html."""

import json

# An event larger than a network packet is split on its way, and a client that decodes each packet
# on its own would cut it. 4 KB is what we promise; texts are cut so that their frame stays below.
MAX_FRAME_BYTES = 4096

# Escaped, one character takes at most 12 bytes ("\ud83d\ude00"): 240 of them and the envelope fit.
MAX_TEXT_PIECE_CHARS = 240

KEEP_ALIVE = b": keep-alive\n\n"


def frame(*, event_id: int, event: str, data: object) -> bytes:
    r"""One event whose single `data:` line is ASCII JSON, so that no packet cuts a character.

    JSON escapes CR and LF, so no text can forge a line of the stream.
    """
    body = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return f"id: {event_id}\nevent: {event}\ndata: {body}\n\n".encode("ascii")


def pieces(text: str) -> list[str]:
    """The text in parts that each fit into one frame; together they are the text."""
    step = MAX_TEXT_PIECE_CHARS
    return [text[start : start + step] for start in range(0, len(text), step)]

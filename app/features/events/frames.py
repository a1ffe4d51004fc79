"""Events as they go over the wire: encoded once, joined where many are sent together."""

from collections.abc import Iterable, Iterator, Sequence

from app.core.schemas import rfc3339
from app.core.sse import unnamed_frame
from app.features.events.conversation_frames import conversation_frames, conversation_gap
from app.features.events.records import EventFilter, StoredEvent

RETRY = b"retry: 2000\n"
MAX_CHUNK_BYTES = 32 * 1024


def frame_of(event: StoredEvent) -> bytes:
    """One event; its `id:` is its number."""
    value = {
        "id": event.id,
        "type": event.type,
        "data": event.data,
        "timestamp": rfc3339(event.timestamp),
    }
    return unnamed_frame(value, event_id=event.number)


def shown(event: StoredEvent, chosen: EventFilter) -> bytes:
    """One event as whoever has chosen it sees it."""
    return frame_of(event) if chosen.conversation_id is None else conversation_frames(event)


def beginning(number: int) -> bytes:
    """What a stream begins with. Its `id:` without data is an event to nobody.

    But a client that is cut off before its first event comes back for what it has missed.
    """
    return RETRY + b"id: %d\n\n" % number


def gap(number: int, chosen: EventFilter) -> bytes:
    """Tells that events are missing before the one after this number."""
    if chosen.conversation_id is not None:
        return conversation_gap(number, chosen.conversation_id)
    return unnamed_frame({"type": "gap"}, event_id=number)


def joined(frames: Iterable[bytes]) -> Iterator[bytes]:
    """The frames in chunks of a bounded size."""
    chunk: list[bytes] = []
    size = 0
    for frame in frames:
        if chunk and size + len(frame) > MAX_CHUNK_BYTES:
            yield b"".join(chunk)
            chunk, size = [], 0
        chunk.append(frame)
        size += len(frame)
    if chunk:
        yield b"".join(chunk)


class Batch:
    """Events of one organization that are sent to its streams together."""

    def __init__(self, events: Sequence[StoredEvent]) -> None:
        self._events = [(event, frame_of(event)) for event in events]
        self.first = events[0].number
        self.last = events[-1].number

    def passing(self, chosen: EventFilter, *, after: int = 0) -> tuple[bytes, int]:
        """The frames that pass a filter and have a greater number, and how many they are."""
        frames = [
            frame if chosen.conversation_id is None else shown(event, chosen)
            for event, frame in self._events
            if event.number > after and chosen.has(event)
        ]
        return b"".join(frames), len(frames)

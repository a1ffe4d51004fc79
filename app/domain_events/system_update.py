"""What is under way at the moment; told to open streams about every 30 s, and not kept."""

from app.domain_events.event import EventData, EventKind


class SystemUpdate(EventData):
    """What is under way at the moment."""

    active_runs: int
    open_streams: int
    documents_waiting: int
    deliveries_waiting: int
    processes: int


EVENT = EventKind(
    "system_update",
    "What is under way at the moment; told to open streams about every 30 s, and not kept.",
    SystemUpdate(
        active_runs=2, open_streams=3, documents_waiting=0, deliveries_waiting=1, processes=1
    ),
    is_kept=False,
)

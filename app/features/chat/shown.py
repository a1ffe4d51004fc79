"""What a run has written, found and called so far: what its message will hold."""

from dataclasses import asdict
from typing import Any, assert_never

from app.features.chat.events import (
    ApprovalAsked,
    FormEvent,
    PageSource,
    Progress,
    ShownEvent,
    Source,
    ToolNews,
)
from app.features.chat.handoff import HandoffAsked

MAX_RECORDS = 60
# What a call is told by that nobody will hear of any more, by the status in which it stays.
_ERRORS = {
    "started": {
        "code": "outcome_unknown",
        "detail": "The answer ended before the call did; whether it took effect is not known.",
    },
    "awaiting_approval": {
        "code": "not_approved",
        "detail": "The answer ended before a person had approved the call; it was not made.",
    },
}


class Shown:
    """Grows with the events of the run."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.sources: list[dict[str, Any]] = []
        self.forms: list[dict[str, Any]] = []
        self.facts: list[dict[str, Any]] = []
        self.calls_made = 0
        self._progress = 0
        self._in_effect: set[str] = set()
        self.handoff: HandoffAsked | None = None
        self._calls: dict[str, dict[str, Any]] = {}

    @property
    def text(self) -> str:
        """What has been written."""
        return "".join(self.texts)

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """The calls, in the order in which they were begun or refused."""
        return list(self._calls.values())

    @property
    def has_effects(self) -> bool:
        """Whether a call has changed something, or may have: asking again may do it again."""
        return bool(self._in_effect)

    @property
    def written(self) -> dict[str, Any]:
        """All of it as JSON but the facts, which are announced where it is written down."""
        return {
            "text": self.text,
            "sources": self.sources,
            "forms": self.forms,
            "calls": self._calls,
            "calls_made": self.calls_made,
            "in_effect": sorted(self._in_effect),
            "handoff": self.handoff and asdict(self.handoff),
        }

    def restore(self, written: dict[str, Any]) -> None:
        """Go on from what was written down."""
        self.texts = [written["text"]] if written["text"] else []
        self.sources = written["sources"]
        self.forms = written.get("forms", [])
        self._calls = written["calls"]
        self.calls_made = written["calls_made"]
        self._in_effect = set(written.get("in_effect", []))
        if asked := written.get("handoff"):
            self.handoff = HandoffAsked(**asked)

    def take(self, event: ShownEvent) -> tuple[str, dict[str, Any]]:
        """Keep what is to be kept of the event; its name and data for the stream."""
        match event:
            case Progress():
                return "progress", self._onward(event.data)
            case Source() | PageSource():
                self.sources.append(event.data)
                return "source", event.data
            case ToolNews():
                self._called(event)
                return "tool", event.data
            case ApprovalAsked():
                self._calls[event.call_id] = event.record
                return "progress", self._onward(event.data)
            case HandoffAsked():
                self.handoff = event
                return "progress", event.data
            case FormEvent(data):
                # One that was open already is shown again as it is now.
                others = [form for form in self.forms if form["form_id"] != data["form_id"]]
                self.forms = [*others, data]
                return "form", data
            case _:
                assert_never(event)

    def _onward(self, data: dict[str, Any]) -> dict[str, Any]:
        """Never less than before: a later turn of the model begins where the last one ended."""
        self._progress = max(self._progress, data["progress"])
        return data | {"progress": self._progress}

    def _called(self, news: ToolNews) -> None:
        if news.status == "started":
            self.calls_made += 1
        # A call that waits is made by the process that goes on with the run.
        if news.id in self._calls or len(self._calls) < MAX_RECORDS:
            self._calls[news.id] = news.record
        if news.has_effects:
            self._in_effect.add(news.id)
        else:
            self._in_effect.discard(news.id)
        if news.fact is not None:
            self.facts.append(news.fact)

    def cut_off(self) -> list[dict[str, Any]]:
        """The calls that have begun and will not be heard of any more, as failed ones."""
        cut: list[dict[str, Any]] = []
        for call_id, record in self._calls.items():
            error = _ERRORS.get(record["status"])
            if error is not None:
                self._calls[call_id] = record | {"status": "failed", "error": error}
                cut.append(self._calls[call_id])
        return cut

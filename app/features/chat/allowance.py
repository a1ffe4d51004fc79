"""How much a run may ask of its tools; written down with a run that waits."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.features.chat.calls import Call

CALLS_A_TURN = 5
CALLS_A_RUN = 20
SAME_CALLS = 2
REPAIRS = 2


@dataclass(slots=True, kw_only=True)
class Allowance:
    """What has been used of it: answers with calls, calls, and attempts to mend."""

    max_steps: int
    steps: int = 0
    calls: int = 0
    repairs: int = 0
    mended_step: int = 0
    is_stuck: bool = False
    seen: dict[str, int] = field(default_factory=dict[str, int])

    @classmethod
    def read(cls, fields: dict[str, Any]) -> "Allowance":
        """The allowance that was written down."""
        return cls(**fields)

    @property
    def is_used_up(self) -> bool:
        """Whether the model has to answer without further calls."""
        return (
            self.is_stuck
            or self.steps >= self.max_steps
            or self.calls >= CALLS_A_RUN
            or self.repairs > REPAIRS
        )

    def admitted(self, calls: Sequence[Call]) -> list[Call]:
        """The calls of one turn, those beyond what is left refused."""
        self.steps += 1
        made = 0
        judged: list[Call] = []
        for call in calls:
            verdict = call if call.refusal else self._judged(call, made)
            if verdict.refusal is None:
                made += 1
                self.calls += 1
            judged.append(verdict)
        # Whoever repeats itself although it was told will do so again.
        self.is_stuck = bool(judged) and all(_is_repeat(call) for call in judged)
        return judged

    def _judged(self, call: Call, made: int) -> Call:
        if made >= CALLS_A_TURN:
            return call.refused(
                "too_many_calls", f"At most {CALLS_A_TURN} calls at once; this was not made."
            )
        if self.calls >= CALLS_A_RUN:
            return call.refused(
                "too_many_calls", f"At most {CALLS_A_RUN} calls an answer; this was not made."
            )
        times = self.seen.get(call.sameness, 0)
        changes_something = call.tool is not None and call.tool.has_side_effects
        if times >= (1 if changes_something else SAME_CALLS):
            return call.refused(
                "repeated_call", "The same call was made before; go on from its result."
            )
        self.note(call)
        return call

    def note(self, call: Call) -> None:
        """The call is made with these arguments."""
        self.seen[call.sameness] = self.seen.get(call.sameness, 0) + 1

    def mending(self) -> None:
        """The model has a mistake to mend; those of one answer are mended together."""
        if self.mended_step != self.steps:
            self.mended_step = self.steps
            self.repairs += 1


def _is_repeat(call: Call) -> bool:
    return call.refusal is not None and call.refusal.code == "repeated_call"

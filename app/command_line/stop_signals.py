"""Ctrl-C, SIGTERM and SIGHUP as one KeyboardInterrupt that never comes at a bad moment."""

import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """Raises KeyboardInterrupt for the first request to stop; those that follow are counted.

    Inside `held` even the first waits: between the start of a child and the line that remembers
    it, an interrupt would lose the child.
    """

    def __init__(self) -> None:
        self.requests = 0
        self._held = False
        self._raised = False
        for number in SIGNALS:
            signal.signal(number, self._on_signal)

    @contextmanager
    def held(self) -> Generator[None]:
        """Run to the end first; a first request that came meanwhile is raised afterwards."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self.requests:
            self._raise_once()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.requests += 1
        if not self._held:
            self._raise_once()

    def _raise_once(self) -> None:
        if not self._raised:
            self._raised = True
            raise KeyboardInterrupt

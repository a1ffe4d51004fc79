"""Work that has to wait for a database, told of once and not at each try."""

from typing import Any

from app.core.errors import Problem


class Pause:
    """Whether some work waits: `<work>_paused` when it begins to, `<work>_resumed` at its end."""

    def __init__(self, log: Any, work: str, /, **about: str) -> None:
        self._log, self._work, self._about = log, work, about
        self._is_on = False

    def goes_on(self, problem: Problem) -> None:
        """A try has failed."""
        if not self._is_on:
            self._is_on = True
            self._log.warning(f"{self._work}_paused", code=problem.code(), **self._about)

    def is_over(self) -> None:
        """A try has succeeded."""
        if self._is_on:
            self._is_on = False
            self._log.info(f"{self._work}_resumed", **self._about)

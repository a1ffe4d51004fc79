"""A circuit breaker: a provider that fails all the time is left alone for a while."""

from collections import deque
from collections.abc import Generator
from contextlib import contextmanager

from app.core.clock import Clock
from app.ports.llm import (
    EmptyAnswer,
    ProviderDeclined,
    ProviderFailed,
    ProviderOutOfCredit,
    ProviderPaused,
    ProviderRefusedKey,
    ProviderRefusedRequest,
)

IN_A_ROW = 5
WINDOW = 20
SHARE = 0.5
# They say something about the key, the request or the model, nothing about the provider's health.
NOT_COUNTED = (
    ProviderRefusedKey,
    ProviderRefusedRequest,
    ProviderOutOfCredit,
    ProviderDeclined,
    EmptyAnswer,
)


class Call:
    """One call that the breaker let through."""

    def __init__(self, breaker: "Breaker", *, is_probe: bool) -> None:
        self._breaker = breaker
        self._is_probe = is_probe
        self._has_begun = False

    def began(self) -> None:
        """The provider answers: a probe has shown enough, however long its answer takes."""
        self._has_begun = True
        if self._is_probe:
            self._is_probe = False
            self._breaker.close()

    def ended(self, *, failure: ProviderFailed | None) -> None:
        """The answer is whole, or the call has failed after all attempts."""
        if isinstance(failure, NOT_COUNTED):
            if self._is_probe:
                self._breaker.release_probe()
        elif failure is not None and self._is_probe:
            self._breaker.open()
        else:
            self._breaker.count(failed=failure is not None)

    def left(self) -> None:
        """Nobody waited for the end; what had come is a good sign, nothing is no sign at all."""
        if self._is_probe:
            self._breaker.release_probe()
        elif self._has_begun:
            self._breaker.count(failed=False)


class Breaker:
    """Opens after 5 failed calls in a row, or when half of the last 20 failed; then one may try."""

    def __init__(self, clock: Clock, *, rest_s: float) -> None:
        self._clock = clock
        self._rest_s = rest_s
        self._outcomes: deque[bool] = deque(maxlen=WINDOW)
        self._in_a_row = 0
        self._open_until_s: float | None = None
        self._has_probe = False

    @contextmanager
    def call(self) -> Generator[Call]:
        """Wrapped round one call with all its attempts.

        Raises:
            ProviderPaused: the breaker is open; nothing was sent.
        """
        call = Call(self, is_probe=self._admit())
        failure: ProviderFailed | None = None
        has_ended = False
        try:
            yield call
            has_ended = True
        except ProviderFailed as error:
            failure, has_ended = error, True
            raise
        finally:
            if has_ended:
                call.ended(failure=failure)
            else:
                call.left()

    def count(self, *, failed: bool) -> None:
        """Remember how a call ended."""
        if self._open_until_s is not None:
            return  # it was under way when the breaker opened
        self._in_a_row = self._in_a_row + 1 if failed else 0
        self._outcomes.append(failed)
        is_full = len(self._outcomes) == WINDOW
        if self._in_a_row >= IN_A_ROW or (is_full and sum(self._outcomes) >= WINDOW * SHARE):
            self.open()

    def open(self) -> None:
        """Let nobody through until the rest is over."""
        self._open_until_s = self._clock.monotonic_s() + self._rest_s
        self._has_probe = False

    def close(self) -> None:
        """Let everybody through, with nothing held against the provider."""
        self._open_until_s = None
        self._has_probe = False
        self._in_a_row = 0
        self._outcomes.clear()

    def release_probe(self) -> None:
        """The next call may try in place of this one."""
        self._has_probe = False

    def _admit(self) -> bool:
        if self._open_until_s is None:
            return False
        remaining_s = self._open_until_s - self._clock.monotonic_s()
        if remaining_s > 0 or self._has_probe:
            raise ProviderPaused(retry_after_s=max(1.0, remaining_s))
        self._has_probe = True
        return True

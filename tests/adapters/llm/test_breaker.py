"""The circuit breaker, call by call, under a clock that is moved by hand."""

from contextlib import suppress

import pytest

from app.adapters.llm.breaker import Breaker
from app.ports.llm import (
    ContextTooLong,
    EmptyAnswer,
    ProviderDeclined,
    ProviderFailed,
    ProviderMalformed,
    ProviderOutOfCredit,
    ProviderOverloaded,
    ProviderPaused,
    ProviderRefusedKey,
    ProviderRefusedRequest,
)
from tests.support.hand_clock import HandClock


class Calls:
    """A breaker and calls that end as they are told to."""

    def __init__(self):
        self.clock = HandClock()
        self.breaker = Breaker(self.clock, rest_s=10)

    def call(self, failure=None, *, begins=True):
        with suppress(ProviderFailed), self.breaker.call() as call:
            if begins:
                call.began()
            if failure:
                raise failure

    def leave(self, *, begins):
        with suppress(GeneratorExit), self.breaker.call() as call:
            if begins:
                call.began()
            raise GeneratorExit

    @property
    def is_open(self):
        try:
            with self.breaker.call():
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            return False
        except ProviderPaused:
            return True


@pytest.fixture
def calls():
    return Calls()


def test_five_failures_in_a_row_open_it_and_a_success_between_them_does_not(calls):
    for _ in range(4):
        calls.call(ProviderOverloaded(), begins=False)
    calls.call()
    for _ in range(4):
        calls.call(ProviderOverloaded(), begins=False)
    assert not calls.is_open
    calls.call(ProviderMalformed())
    assert calls.is_open


def test_half_of_the_last_twenty_open_it(calls):
    for n in range(19):
        calls.call(ProviderOverloaded() if n % 2 else None)
    assert not calls.is_open
    calls.call(ProviderOverloaded())
    assert calls.is_open


@pytest.mark.parametrize(
    "kind",
    [
        ProviderRefusedKey,
        ProviderRefusedRequest,
        ContextTooLong,
        ProviderOutOfCredit,
        ProviderDeclined,
        EmptyAnswer,
    ],
)
def test_what_says_nothing_of_the_provider_is_not_counted(calls, kind):
    for _ in range(30):
        calls.call(kind())
    assert not calls.is_open


def test_after_the_rest_one_call_may_try_and_its_first_text_is_enough(calls):
    for _ in range(5):
        calls.call(ProviderOverloaded())
    calls.clock.forward(9.5)
    with pytest.raises(ProviderPaused) as paused, calls.breaker.call():
        pass
    assert paused.value.headers == {"Retry-After": "1"}
    calls.clock.forward(0.5)
    with calls.breaker.call() as probe:
        assert calls.is_open
        probe.began()
        assert not calls.is_open
    for _ in range(4):
        calls.call(ProviderOverloaded())
    assert not calls.is_open


def test_a_trial_that_fails_begins_the_rest_anew(calls):
    for _ in range(5):
        calls.call(ProviderOverloaded())
    calls.clock.forward(10)
    calls.call(ProviderOverloaded(), begins=False)
    calls.clock.forward(9)
    assert calls.is_open
    calls.clock.forward(1)
    assert not calls.is_open


@pytest.mark.parametrize("kind", [ProviderRefusedKey, ContextTooLong])
def test_a_trial_that_tells_nothing_or_is_left_makes_room_for_the_next(calls, kind):
    for _ in range(5):
        calls.call(ProviderOverloaded())
    calls.clock.forward(10)
    calls.call(kind(), begins=False)
    calls.leave(begins=False)
    assert not calls.is_open


def test_an_answer_that_was_left_midway_is_a_good_sign(calls):
    for _ in range(4):
        calls.call(ProviderOverloaded())
    calls.leave(begins=True)
    calls.call(ProviderOverloaded())
    assert not calls.is_open


def test_calls_that_were_under_way_when_it_opened_change_nothing(calls):
    with calls.breaker.call() as early:
        early.began()
        for _ in range(5):
            calls.call(ProviderOverloaded())
    assert calls.is_open

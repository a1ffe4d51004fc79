"""What a run is told to have cost, from answers of the model and the price at its beginning."""

import json

import pytest

from app.core.clock import SystemClock
from app.features.chat.account import RunAccount
from app.features.chat.events import Asked, Counted
from app.features.chat.terms import RunTerms
from app.ports.llm import Price, Rates, Usage

pytestmark = pytest.mark.once
PRICE = Price(Rates(1_000_000, 10_000_000), Rates(2_000_000, 10_000_000), above=1000)
FREE = Price(Rates(0, 0, 0))


def terms(price: Price | None) -> RunTerms:
    return RunTerms(
        model="m",
        provider="p",
        temperature=0.3,
        max_run_s=60,
        on_disconnect="continue",
        price=price,
    )


def account(price: Price | None) -> RunAccount:
    return RunAccount(SystemClock(), terms(price))


def told(counted: RunAccount, text: str = ""):
    return counted.metadata(text=text, sources_count=0, tool_calls=0, finish_reason="stop")


def answers(counted: RunAccount, *usages: Usage) -> RunAccount:
    for usage in usages:
        counted.note(Asked(50), text="")
        counted.note(Counted(usage), text="")
    return counted


def test_every_answer_of_a_tool_loop_is_priced_by_its_own_input():
    metadata = told(answers(account(PRICE), Usage(900, 10), Usage(1100, 10)))
    assert metadata["usage"]["input_tokens"] == 2000
    # Together they would be long; the first was not.
    assert metadata["cost_usd"] == (900 + 1100 * 2 + 20 * 10) / 1e6


def test_an_answer_that_was_cut_short_costs_what_is_estimated():
    counted = account(PRICE)
    counted.note(Asked(50), text="")
    metadata = told(counted, "Quatro palavras já escritas")
    assert metadata["usage"]["estimated"] is True
    assert metadata["cost_usd"] > 50 / 1e6


def test_an_unknown_price_is_null_and_no_price_is_nothing():
    assert told(answers(account(None), Usage(900, 10)))["cost_usd"] is None
    assert told(answers(account(FREE), Usage(900, 10)))["cost_usd"] == 0
    # Nobody was asked, or nobody counted.
    assert told(account(PRICE))["cost_usd"] is None
    assert told(account(FREE))["cost_usd"] == 0


def test_a_run_that_was_put_down_goes_on_at_the_price_of_its_beginning():
    before = answers(account(PRICE), Usage(900, 10))
    kept = json.loads(json.dumps([terms(PRICE).written, before.written("")]))
    assert RunTerms.read(kept[0]) == terms(PRICE)
    after = RunAccount(SystemClock(), RunTerms.read(kept[0]))
    after.restore(kept[1])
    assert told(answers(after, Usage(100, 0)))["cost_usd"] == (900 + 100 + 100) / 1e6

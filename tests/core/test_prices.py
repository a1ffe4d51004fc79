"""The catalogue of models, and what answers cost by it."""

from datetime import UTC, datetime

import pytest

from app.adapters.llm import PROVIDERS
from app.core.settings import Settings
from app.ports.llm import CATALOGUE, Conduct, Price, Rates, Usage, in_usd

pytestmark = [pytest.mark.anyio, pytest.mark.once]
NOW = datetime(2026, 11, 26, tzinfo=UTC)


def test_an_answer_is_priced_by_what_was_fresh_cached_and_written():
    rates = Rates(2_000_000, 10_000_000, 200_000)
    assert in_usd(rates.cost(Usage(1000, 100, 400))) == 0.00228
    assert in_usd(Rates(2_000_000, 10_000_000).cost(Usage(1000, 100, 400))) == 0.003
    # A provider that counts more from its cache than there was costs no less than nothing.
    assert rates.cost(Usage(10, 0, 500)) == 10 * 200_000


def test_what_costs_is_never_told_as_nothing():
    assert in_usd(Rates(100_000, 0).cost(Usage(1, 0))) == 0.000001
    assert in_usd(0) == 0


def test_a_long_input_makes_the_whole_answer_dearer():
    price = Price(Rates(100, 500), Rates(500, 2500), above=1000)
    assert price.cost(Usage(1000, 10)) == 1000 * 100 + 10 * 500
    assert price.cost(Usage(1001, 10)) == 1001 * 500 + 10 * 2500


def test_a_price_of_the_catalogue_holds_from_its_day():
    flash = CATALOGUE.by_id["gemini-3.8-flash"]
    assert flash.price(NOW) == Price(Rates(750_000, 3_750_000, 75_000))
    assert flash.price(datetime(2027, 1, 1, tzinfo=UTC)) == Price(
        Rates(1_500_000, 7_500_000, 150_000)
    )


def test_every_model_of_the_catalogue_stands_once_and_is_priced_in_order():
    names = [(m.provider, name) for m in CATALOGUE.models for name in (m.id, *m.aliases)]
    assert len(names) == len(set(names))
    assert len(CATALOGUE.by_id) == len(CATALOGUE.models)
    for model in CATALOGUE.models:
        days = [period.since for period in model.prices]
        assert days[0] is None
        assert days[1:] == sorted(days[1:])
        assert model.price(NOW) is not None
        assert model.provider in PROVIDERS


async def test_bare_names_of_the_catalogue_are_their_providers_own():
    for model in CATALOGUE.models:
        for name in (model.id, *model.aliases):
            for provider_name, adapter in PROVIDERS.items():
                async with adapter.open(Settings(), Conduct()) as provider:
                    assert provider.recognises(name) == (provider_name == model.provider), name


def test_a_name_that_is_not_listed_has_its_familys_window_and_no_price():
    assert CATALOGUE.find("openai", "gpt-4o-2024-05-13") is None
    assert CATALOGUE.window("openai", "gpt-4o-2024-05-13") == 128_000
    assert CATALOGUE.window("openai", "gpt-4") == 8_192
    assert CATALOGUE.window("vllm", "llama") is None

from datetime import UTC, date, datetime
from decimal import Decimal

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import TieredPrices

from agentkit.core.contract import Contract
from agentkit.core.spec import Usage
from agentkit.models import contracts, prices

V4 = contracts.named("deepseek-v4", date(2026, 11, 21))
HOME = "https://api.deepseek.com"
OFF_PEAK, PEAK = datetime(2026, 11, 20, 12, tzinfo=UTC), datetime(2026, 11, 20, 2, tzinfo=UTC)
MILLION = 1_000_000


@pytest.mark.parametrize(
    ("model", "at", "hit", "miss", "output"),  # USD per million: CONTRACTS.md, 2.8
    [
        ("deepseek-flash", OFF_PEAK, "0.003", "0.15", "0.60"),
        ("deepseek-flash", PEAK, "0.006", "0.30", "1.20"),
        ("deepseek-v4-pro", OFF_PEAK, "0.022", "0.66", "1.98"),
        ("deepseek-v4-pro", PEAK, "0.044", "1.32", "3.96"),
    ],
)
def test_prices_are_those_of_the_documents(model: str, at: datetime, hit: str, miss: str, output: str) -> None:
    def cost(sent: int, cached: int = 0, answered: int = 0, thought: int = 0) -> Decimal | None:
        return prices.cost(Usage(sent, cached, answered, thought), model, V4, HOME, at)

    assert cost(MILLION) == Decimal(miss)
    assert cost(MILLION, MILLION) == Decimal(hit)
    assert cost(0, 0, MILLION) == Decimal(output)
    assert cost(0, 0, MILLION, MILLION) == Decimal(output)  # reasoning is part of the output
    assert cost(2 * MILLION, MILLION, MILLION) == Decimal(hit) + Decimal(miss) + Decimal(output)


def test_what_is_set_aside_is_counted_at_the_dearest_hour() -> None:
    today = prices.of_day("deepseek-flash", V4, HOME, date(2026, 11, 20))
    assert today is not None
    assert (today.input, today.output) == (Decimal("0.30"), Decimal("1.20"))
    assert today.table == prices.table()
    assert today.table.startswith("genai-prices ")


def test_an_unknown_price_is_none() -> None:
    generic = Contract(id="generic")
    assert prices.cost(Usage(1), "no-such-model", V4, HOME, OFF_PEAK) is None
    assert prices.cost(Usage(1), "m", generic, "https://unknown.example.com/v1", OFF_PEAK) is None
    assert prices.of_day("no-such-model", V4, HOME, date(2026, 11, 20)) is None


def test_the_provider_is_found_by_address_and_the_name_may_differ() -> None:
    generic = Contract(id="generic")
    assert prices.cost(Usage(MILLION), "deepseek-flash", generic, HOME, OFF_PEAK) == Decimal("0.15")
    alias = V4.model_copy(update={"price_model": "deepseek-flash"})
    assert prices.cost(Usage(MILLION), "anything", alias, "http://127.0.0.1/v1", OFF_PEAK) == Decimal("0.15")


def test_more_cached_than_sent_is_no_negative_cost() -> None:
    assert prices.cost(Usage(MILLION, 2 * MILLION), "deepseek-flash", V4, HOME, OFF_PEAK) == Decimal("0.003")


def test_every_price_is_the_librarys_to_the_digit() -> None:
    """Of one model in eight of the whole table, those with steps in their prices among them."""
    told, tiers = 0, 0
    for provider in get_snapshot().providers:
        row = Contract(id="row", price_provider=provider.id)
        for model in provider.models[::8]:
            for usage in (Usage(7, 0, 1), Usage(250_001, 7, 4096), Usage(100, 100, 0)):
                tokens = genai_prices.Usage(
                    input_tokens=usage.input_tokens,
                    cache_read_tokens=usage.cached_tokens,
                    output_tokens=usage.output_tokens,
                )
                try:
                    price = genai_prices.calc_price(
                        tokens, model.id, provider_id=provider.id, genai_request_timestamp=PEAK
                    )
                except LookupError:
                    continue  # its name finds no model, or another provider's
                assert str(prices.cost(usage, model.id, row, HOME, PEAK)) == str(price.total_price), model.id
                told += 1
                tiers += any(isinstance(each, TieredPrices) for each in vars(price.model_price).values())
    assert told > 500
    assert tiers > 20

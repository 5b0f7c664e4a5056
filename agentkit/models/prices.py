"""What an answer cost, from the table that genai-prices ships. Nothing is fetched. Unknown is None, never 0."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from typing import Final

import genai_prices

from agentkit.core.contract import Contract
from agentkit.core.events import Prices
from agentkit.core.spec import Usage

_MILLION: Final = 1_000_000


@cache
def table() -> str:
    """Return the price table's name and version, as recorded beside every cost."""
    return f"genai-prices {version('genai-prices')}"


def cost(usage: Usage, model: str, contract: Contract, base_url: str, at: datetime) -> Decimal | None:
    """Return the USD that `usage` cost at the moment `at`; None where the table has no price.

    Cached tokens are part of the input and priced apart, reasoning tokens are part of the output.
    """
    tokens = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=min(usage.cached_tokens, usage.input_tokens),
        output_tokens=usage.output_tokens,
    )
    return _price(tokens, model, contract, base_url, at)


def of_day(model: str, contract: Contract, base_url: str, day: date) -> Prices | None:
    """Return the dearest prices of a day (services have peak hours), for what is set aside before a call."""
    hours = [datetime.combine(day, time(hour), UTC) for hour in range(24)]
    dearest = []
    for tokens in (genai_prices.Usage(input_tokens=_MILLION), genai_prices.Usage(output_tokens=_MILLION)):
        found = [price for at in hours if (price := _price(tokens, model, contract, base_url, at)) is not None]
        if not found:
            return None
        dearest.append(max(found))
    return Prices(dearest[0], dearest[1], table())


def _price(tokens: genai_prices.Usage, model: str, contract: Contract, base_url: str, at: datetime) -> Decimal | None:
    name = contract.price_model or model
    try:
        if contract.price_provider is not None:
            priced = genai_prices.calc_price(
                tokens, name, provider_id=contract.price_provider, genai_request_timestamp=at
            )
        else:
            priced = genai_prices.calc_price(tokens, name, provider_api_url=base_url, genai_request_timestamp=at)
    except LookupError:
        return None
    return priced.total_price

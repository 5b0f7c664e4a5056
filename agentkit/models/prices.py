"""What an answer cost, from the table that genai-prices ships. Nothing is fetched. Unknown is None, never 0."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache, lru_cache
from importlib.metadata import version
from typing import Any, Final, TypeAlias

import genai_prices

from agentkit.core.contract import Contract
from agentkit.core.events import Prices
from agentkit.core.spec import Usage

_MILLION: Final = 1_000_000
_Name: TypeAlias = tuple[str, str | None, str]  # model, provider where one is named, base URL


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
    return _price(tokens, _name(model, contract, base_url), at)


def of_day(model: str, contract: Contract, base_url: str, day: date) -> Prices | None:
    """Return the dearest prices of a day (services have peak hours), for what is set aside before a call."""
    return _of_day(_name(model, contract, base_url), day)


def _name(model: str, contract: Contract, base_url: str) -> _Name:
    return contract.price_model or model, contract.price_provider, base_url


@lru_cache(maxsize=1024)
def _of_day(name: _Name, day: date) -> Prices | None:
    hours = [datetime.combine(day, time(hour), UTC) for hour in range(24)]
    dearest = []
    for tokens in (genai_prices.Usage(input_tokens=_MILLION), genai_prices.Usage(output_tokens=_MILLION)):
        found = [price for at in hours if (price := _price(tokens, name, at)) is not None]
        if not found:
            return None
        dearest.append(max(found))
    return Prices(dearest[0], dearest[1], table())


def _price(tokens: genai_prices.Usage, name: _Name, at: datetime) -> Decimal | None:
    found = _found(name)
    if found is None:
        return None
    priced_as, provider = found
    try:
        price: Decimal = priced_as.calc_price(tokens, provider, genai_request_timestamp=at).total_price
    except LookupError:
        return None
    return price


@lru_cache(maxsize=1024)
def _found(name: _Name) -> tuple[Any, Any] | None:
    """Return the table's model and provider. To find them takes a hundred times as long as to compute a price."""
    model, provider_id, base_url = name
    where: Any = {"provider_api_url": base_url} if provider_id is None else {"provider_id": provider_id}
    try:
        found = genai_prices.calc_price(genai_prices.Usage(), model, **where)
    except LookupError:
        return None
    return found.model, found.provider

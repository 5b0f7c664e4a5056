"""What an answer cost, from the table that genai-prices ships. Nothing is fetched. Unknown is None, never 0."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache, lru_cache
from importlib.metadata import version
from typing import Any, Final, TypeAlias

import genai_prices
from genai_prices.types import ModelPrice, TieredPrices

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
    found = _found(_name(model, contract, base_url))
    if found is None:
        return None
    sent, cached, answered = usage.input_tokens, min(usage.cached_tokens, usage.input_tokens), usage.output_tokens
    rates = _rates(found[0].get_prices(at))
    if rates is None:
        return _price(_tokens(sent, cached, answered), found, at)
    fresh, again, out = rates
    told = fresh * sent / _MILLION if fresh == again else fresh * (sent - cached) / _MILLION + again * cached / _MILLION
    return told + out * answered / _MILLION


def of_day(model: str, contract: Contract, base_url: str, day: date) -> Prices | None:
    """Return the dearest prices of a day (services have peak hours), for what is set aside before a call."""
    return _of_day(_name(model, contract, base_url), day)


def _name(model: str, contract: Contract, base_url: str) -> _Name:
    return contract.price_model or model, contract.price_provider, base_url


@lru_cache(maxsize=1024)
def _of_day(name: _Name, day: date) -> Prices | None:
    hours = [datetime.combine(day, time(hour), UTC) for hour in range(24)]
    found = _found(name)
    if found is None:
        return None
    sent, answered = (
        max(_price(tokens, found, at) for at in hours) for tokens in (_tokens(_MILLION), _tokens(answered=_MILLION))
    )
    return Prices(sent, answered, table())


def _tokens(sent: int = 0, cached: int = 0, answered: int = 0) -> genai_prices.Usage:
    return genai_prices.Usage(input_tokens=sent, cache_read_tokens=cached, output_tokens=answered)


def _price(tokens: genai_prices.Usage, found: tuple[Any, Any], at: datetime) -> Decimal:
    priced_as, provider = found
    price: Decimal = priced_as.calc_price(tokens, provider, genai_request_timestamp=at).total_price
    return price


def _rates(price: ModelPrice) -> tuple[Decimal, Decimal, Decimal] | None:
    """Return what a million tokens cost: sent, sent and cached, answered; None where the sum is not theirs alone.

    The library goes through all its units for each answer, which takes longer than reading it.
    """
    known = _known.get(id(price))
    if known is None:
        whole = [_tokens(), _tokens(_MILLION), _tokens(_MILLION, _MILLION), _tokens(answered=_MILLION)]
        beside, *rates = (price.calc_price(tokens)["total_price"] for tokens in whole)
        plain = not beside and not any(isinstance(each, TieredPrices) for each in vars(price).values())
        known = _known[id(price)] = (price, (rates[0], rates[1], rates[2]) if plain else None)
    return known[1]


_known: Final[dict[int, tuple[ModelPrice, tuple[Decimal, Decimal, Decimal] | None]]] = {}  # by identity: no hash


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

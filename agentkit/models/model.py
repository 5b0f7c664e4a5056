"""`Model`: a model behind any OpenAI-compatible endpoint, found by name in the contract table or told by `base_url`."""

import logging
import os
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType

from anyio import to_thread

from agentkit import models
from agentkit.core.contract import Contract
from agentkit.core.events import Prices
from agentkit.core.replacing import replace
from agentkit.core.request import Sending
from agentkit.core.spec import Binding
from agentkit.errors import ConfigurationError
from agentkit.models import contracts, rows, wire
from agentkit.models.address import checked, encrypted, host_of, loopback, port_of, telling, with_path
from agentkit.models.base import Body, Broken, Reply, Show

_NOTHING: Mapping[str, str] = MappingProxyType({})
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # of a header (RFC 9110, 5.6.2)


class Model:
    """A model behind a service. Frozen by habit: sessions record its contract row, so make a new one to change it.

    Args:
        name: what the service calls the model.
        base_url: the service's address up to `/chat/completions`, like `http://127.0.0.1:11434/v1`. Left out, the
            contract table knows it (`Model("deepseek-flash")`).
        api_key: sent as bearer token. Left out, the one environment variable that the contract row names is read, at
            the first call, and only if `base_url` is the row's own host. A server that needs none gets none.
        contract: "auto" (by host and model), the id of a row, a row of your own (`agentkit.Contract`), or the path of
            a TOML file with rows of your own: "auto" looks there first. Where none of them is for this host and model,
            a shipped row rules, and a warning goes to the standard logger "agentkit".
        headers: sent with each request, as they are.
        timeout: how long the service may stay silent, in seconds.

    Raises:
        ConfigurationError: an unknown name without `base_url`, an unknown or wrong row, a file of rows that cannot be
            read, a `base_url` that cannot work, a key over plain http to another machine.
    """

    name: str

    def __init__(
        self,
        name: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        contract: str | Path | Contract = "auto",
        headers: Mapping[str, str] = _NOTHING,
        timeout: float = 600,
    ) -> None:
        if not name:
            raise ConfigurationError("a model needs a name: the one its service knows it by")
        if timeout <= 0:
            raise ConfigurationError(f"timeout is in seconds and has to be above 0, not {timeout}")
        self.name = name
        self._rows = contracts.of_file(contract) if isinstance(contract, Path) else ()
        self._contract = _sound(contract)
        self._found: tuple[date, Contract] | None = None  # the row that rules on a day: each request asks for it
        self.base_url = checked(base_url or self._home())
        self._api_key = api_key
        self._headers = dict(headers)
        self._timeout = timeout
        _check_secrets(self.base_url, {"api_key": api_key or "", **headers})
        self.resolve()
        if missed := self.missed():
            logging.getLogger("agentkit").warning(missed)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, base_url={self.base_url!r})"

    @property
    def host(self) -> str:
        """The host of `base_url`."""
        return host_of(self.base_url)

    def resolve(self) -> Contract:
        """Return the contract row that rules today. Raises: ConfigurationError: the row named is not in force."""
        today = _today()
        if self._found is None or self._found[0] != today:
            self._found = today, self._ruling(today)
        return self._found[1]

    def _ruling(self, today: date) -> Contract:
        if isinstance(self._contract, Contract):
            return self._contract
        if isinstance(self._contract, str) and self._contract != "auto":
            return contracts.named(self._contract, today)
        tables = (self._rows, contracts.rows())
        return contracts.ruling(self.host, self.name, today, *tables, port=port_of(self.base_url))

    def missed(self) -> str:
        """Say that the file of rows has none for this host and model, and what it has; empty where that is not so."""
        row = self.resolve()
        if not isinstance(self._contract, Path) or row in self._rows:
            return ""
        place = f"model {self.name!r} at host {self.host!r}, port {port_of(self.base_url)}"
        have = "; ".join(map(_patterns, self._rows)) or "none"
        return f"{self._contract} has no row for {place}: the shipped row {row.id!r} rules. Its own rows: {have}"

    def prices(self) -> Prices | None:
        """Return today's prices at the dearest hour, None where none is known."""
        contract = self.resolve()
        return models.prices.of_day(self.name, contract, self.base_url, _today()) if self._priced(contract) else None

    def head(self, binding: Binding) -> bytes:
        """Return fragment 0: the body's JSON object without `messages`. Raises: ConfigurationError."""
        return wire.head(binding)

    def encode(self, sending: Sending, contract: Contract) -> bytes:
        """Return one message as it goes on the wire."""
        return wire.encode(sending, contract)

    async def call(self, body: Body, contract: Contract, show: Show | None) -> Reply:
        """Ask the service; `contract` is the row the session recorded.

        Raises:
            ConfigurationError: the key is missing; the text names the environment variable.
            ModelError: the service refused or could not be reached.
        """
        if "openai" not in vars(models):  # a second of work, once, that other tasks must not wait for
            await to_thread.run_sync(getattr, models, "openai")
        to, path = self.recipient(), wire.strict_path(body, contract)
        if path is not None:
            to = replace(to, base_url=with_path(to.base_url, path))
        reply = await models.openai.ask(to, body, contract, show)
        return self._with_cost(reply, contract)

    def recipient(self) -> "models.openai.Recipient":
        """Return where requests go and what goes along, the key included. Raises: ConfigurationError: it is missing."""
        return models.openai.Recipient(self.name, self.base_url, self._with_key(), self._timeout)

    def _home(self) -> str:
        """Return the address the table knows."""
        if isinstance(self._contract, Path) or self._contract == "auto":
            row = contracts.at_home(self.name, _today(), self._rows)
        else:
            row = self.resolve()
        if row.base_url is None:
            raise ConfigurationError(
                f"contract row {row.id!r} names no address; "
                f'say where the server is: Model("{self.name}", base_url="https://…/v1")'
            )
        return row.base_url

    def _with_key(self) -> Mapping[str, str]:
        if any(name.lower() == "authorization" for name in self._headers):
            return self._headers
        key = self._api_key or self._key_of_row()
        return {**self._headers, "Authorization": f"Bearer {key}"} if key else self._headers

    def _key_of_row(self) -> str | None:
        """Read the key the row names, for the row's own host only. The row is today's: no journal can name another."""
        row = self.resolve()
        if row.api_key_env is None or row.base_url is None or host_of(row.base_url) != host_of(self.base_url):
            return None
        key = os.environ.get(row.api_key_env, "").strip()
        if not key:
            raise ConfigurationError(
                f"no key for model {self.name!r}: set the environment variable {row.api_key_env}, "
                f'or give Model("{self.name}", api_key=…)'
            )
        _check_secrets(self.base_url, {row.api_key_env: key})
        return key

    def _priced(self, contract: Contract) -> bool:
        return contract.price_provider is not None or not loopback(self.base_url)

    def _with_cost(self, reply: Reply, contract: Contract) -> Reply:
        if reply.usage is None or not self._priced(contract):
            return reply
        now = datetime.now(UTC)
        cost = models.prices.cost(reply.usage, self.name, contract, self.base_url, now)
        usage = replace(reply.usage, cost=cost)
        if cost is None or isinstance(reply, Broken):
            return replace(reply, usage=usage)
        return replace(reply, usage=usage, prices=models.prices.table())


def model_for(model: Model | str) -> Model:
    """Return the model itself, or the one the contract table knows by this name.

    Raises:
        ConfigurationError: the name is not in the table; the text lists those that are.
    """
    return Model(model) if isinstance(model, str) else model


def contract_for(model: Model | str) -> Contract:
    """Return the contract row that rules today for a model or a name. Raises: ConfigurationError."""
    return model_for(model).resolve()


def _sound(contract: object) -> str | Path | Contract:
    """Return what names a contract row, or the row itself, looked through. Raises: ConfigurationError."""
    if isinstance(contract, Contract):
        return rows.checked(contract)
    if isinstance(contract, str) and contracts.means_file(contract):
        raise ConfigurationError(f'contract={contract!r} is a file of rows: say contract=Path("{contract}")')
    if isinstance(contract, str | Path):
        return contract
    raise ConfigurationError(
        f'contract is "auto", the id of a row, a Path of a file of rows, or an agentkit.Contract, not {contract!r:.80}'
    )


def _patterns(row: Contract) -> str:
    """Say what a row of a file is for."""
    host, model = (", ".join(names) or "none" for names in (row.match.host, row.match.model))
    since = f" from {row.effective_from}" if row.effective_from > _today().isoformat() else ""
    return f"{row.id!r} (host {host}; model {model}{since})"


def _check_secrets(base_url: str, secrets: Mapping[str, str]) -> None:
    """Refuse what cannot be a header, and a secret where others could read it; never show it."""
    for name, value in secrets.items():
        if not _NAME.fullmatch(name):
            raise ConfigurationError(f"{name!r:.80} is no name of a header: it has letters, digits and hyphens only")
        if not value.isascii() or not value.isprintable() or value != value.strip():
            raise ConfigurationError(f"{name} holds characters that no header may hold (a line end copied with it?)")
        if value and telling(name) and not encrypted(base_url):
            raise ConfigurationError(
                f"{name} would go to {base_url} in the open: use https, or http on this machine (127.0.0.1) only"
            )


def _today() -> date:
    return datetime.now(UTC).date()

import json
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agentkit import models
from agentkit.core.contract import Contract
from agentkit.core.spec import Binding, Limits, Settings
from agentkit.errors import ConfigurationError
from agentkit.models import Model, contract_for, model_for
from agentkit.models.base import Answered, Body, Broken

BODY = Body(b'{"model":"m"}', [b'{"role":"user","content":"hey"}'])


def test_a_known_name_is_enough() -> None:
    for name in ("deepseek-flash", "deepseek-v4-pro"):
        model = model_for(name)
        assert (model.name, model.base_url, model.resolve().id) == (name, "https://api.deepseek.com", "deepseek-v4")
        assert contract_for(name) == model.resolve()
    mine = Model("m", base_url="http://127.0.0.1:1/v1")
    assert model_for(mine) is mine
    assert (mine.host, model_for("deepseek-flash").host) == ("127.0.0.1", "api.deepseek.com")
    assert repr(mine) == "Model('m', base_url='http://127.0.0.1:1/v1')"


def test_a_contract_may_be_named_or_given() -> None:
    assert Model("x", base_url="http://127.0.0.1:1", contract="deepseek-v3.2").resolve().id == "deepseek-v3.2"
    assert Model("x", contract="deepseek-v4").base_url == "https://api.deepseek.com"
    row = Contract(id="mine", base_url="https://api.example.com/v1/")
    model = Model("x", contract=row)
    assert (model.resolve(), model.base_url) == (row, "https://api.example.com/v1")


def test_the_row_that_rules_is_looked_up_once_a_day() -> None:
    model = Model("x", base_url="http://127.0.0.1:1")
    row, known = model.resolve(), model._found  # noqa: SLF001 - nothing else shows what it keeps
    assert model.resolve() is row
    assert model._found is known, "found, and not looked up again"  # noqa: SLF001
    model._found = date(2000, 1, 1), Contract(id="of another day")  # noqa: SLF001
    assert model.resolve() is row


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        (
            "Deepseek-falsh",
            {},
            r"'Deepseek-falsh'\. Did you mean 'deepseek-flash'\?.*knows deepseek-flash, .*base_url=",
        ),
        ("", {}, "needs a name"),
        ("m", {"base_url": "https://x/v1", "timeout": 0}, "timeout is in seconds"),
        ("m", {"base_url": "https://x/v1", "contract": "nope"}, "no contract row 'nope'.*deepseek-v4, deepseek-v3.2"),
        (
            "m",
            {"base_url": "https://x/v1", "contract": "VLM"},
            r"no contract row 'VLM' is .*\. Did you mean 'vllm'\? There",
        ),
        ("m", {"base_url": "https://x/v1", "contract": "our.toml"}, r"say contract=Path\(\"our.toml\"\)$"),
        ("m", {"base_url": "https://x/v1", "contract": "x" * 5000}, "no contract row 'xxx"),
        ("m", {"base_url": "https://x/v1", "contract": 3}, "the id of a row, a Path .*agentkit.Contract, not 3$"),
        ("m", {"base_url": "https://x/v1", "contract": None}, "not None$"),
        ("kimi-k26", {}, r"unknown model 'kimi-k26'\. Did you mean 'kimi-k2.6'\? Without an address"),
        ("mistrale", {}, r"unknown model 'mistrale'\. Without an address"),
        ("m", {"contract": "generic"}, "contract row 'generic' names no address"),
        ("m", {"contract": Contract(id="mine")}, "contract row 'mine' names no address"),
        ("m", {"base_url": "127.0.0.1:8000/v1"}, "has to look like"),
        ("m", {"base_url": "ftp://x/v1"}, "has to look like"),
        ("m", {"base_url": "https://"}, "has to look like"),
        ("m", {"base_url": "http://x:99999/v1"}, "has to look like"),
        ("m", {"base_url": "https://[x/v1"}, "has to look like"),
        ("m", {"base_url": "https://me:pw@x/v1"}, "neither a password nor a query"),
        ("m", {"base_url": "https://x/v1?key=1"}, "neither a password nor a query"),
        ("m", {"base_url": "https://x/v1/chat/completions"}, "'https://x/v1'"),
    ],
)
def test_what_cannot_work_is_said_at_once(name: str, options: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Model(name, **options)


def test_a_file_that_is_there_is_no_id_unless_a_row_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "auto", "vllm"):
        (tmp_path / name).write_text("", "utf-8")
    with pytest.raises(ConfigurationError, match=r"contract='mine' is a file of rows: say contract=Path\(\"mine\"\)"):
        Model("m", base_url="https://x/v1", contract="mine")
    assert Model("m", base_url="https://x/v1", contract="vllm").resolve().id == "vllm"
    assert Model("m", base_url="https://x/v1").resolve().id == "generic"


def test_fragment_0_and_messages_are_encoded_without_a_network() -> None:
    model = Model("deepseek-flash")
    row = model.resolve()
    head = model.head(Binding("a", model.name, "", (), Settings(effort="medium"), row, Limits(), "0"))
    assert json.loads(head) == {"model": "deepseek-flash", "reasoning_effort": "high"}


def test_prices_are_known_where_the_row_or_the_address_tells() -> None:
    today = Model("deepseek-flash").prices()
    assert today is not None
    assert today.output == Decimal("1.20")
    assert Model("deepseek-flash", base_url="http://127.0.0.1:1/v1", contract="deepseek-v4").prices() == today
    assert Model("deepseek-flash", base_url="http://127.0.0.1:1/v1").prices() is None
    assert Model("m", base_url="https://nobody.example.com/v1").prices() is None


@pytest.mark.anyio
async def test_cost_is_counted_with_the_table_named(serving: Any, http: Any, stream: Any) -> None:
    usage = {"prompt_tokens": 1000, "prompt_cache_hit_tokens": 500, "completion_tokens": 100}
    whole = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}], "usage": usage}
    half = {"choices": [{"delta": {"content": "Hal"}}], "usage": usage}
    answer, cut = http(json.dumps(whole).encode()), stream(b"data: %b\n\n" % json.dumps(half).encode())
    async with serving(answer, answer, cut, cut) as server:
        priced = Model("deepseek-flash", base_url=server.base_url, contract="deepseek-v4")
        free = Model("m", base_url=server.base_url)
        replies = [await model.call(BODY, model.resolve(), None) for model in (priced, free)]
        broken = await priced.call(BODY, priced.resolve(), list[object]().append)
    first, second = replies
    assert isinstance(first, Answered)
    assert isinstance(second, Answered)
    assert isinstance(broken, Broken)
    assert first.usage is not None
    assert first.usage.cost in {Decimal("0.0001365"), Decimal("0.000273")}  # off-peak, peak
    assert first.prices == models.prices.table()
    assert second.usage is not None
    assert (second.usage.cost, second.prices) == (None, None)
    assert broken.usage is not None
    assert broken.usage.cost in {Decimal("0.0001365"), Decimal("0.000273")}


@pytest.mark.anyio
async def test_an_unknown_price_names_no_table(serving: Any, http: Any) -> None:
    whole = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 10}}
    async with serving(http(json.dumps(whole).encode())) as server:
        model = Model("deepseek-v4-unheard-of", base_url=server.base_url, contract="deepseek-v4")
        reply = await model.call(BODY, model.resolve(), None)
    assert isinstance(reply, Answered)
    assert reply.usage is not None
    assert (reply.usage.cost, reply.prices) == (None, None)


def test_what_is_slow_to_load_is_not_loaded_before_a_call() -> None:
    code = (
        "import sys; from agentkit.models import Model, ScriptedModel; m = Model('deepseek-flash'); m.resolve();"
        "print([name for name in ('openai', 'genai_prices', 'structlog', 'jsonschema') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_other_name_is_lazy() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = models.nonsense

from datetime import date

import pytest

from agentkit.core.contract import Contract, Match
from agentkit.errors import ConfigurationError
from agentkit.models import contracts

TODAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("host", "model", "row"),
    [
        ("api.deepseek.com", "deepseek-flash", "deepseek-v4"),
        ("api.deepseek.com", "deepseek-v4-pro", "deepseek-v4"),
        ("API.DeepSeek.com", "DeepSeek-V4-Pro", "deepseek-v4"),
        ("api.deepseek.com", "deepseek-reasoner", "deepseek-v3.2"),
        ("127.0.0.1", "deepseek-flash", "generic"),
        ("api.deepseek.com", "something-new", "generic"),
    ],
)
def test_row_is_found_by_host_and_model(host: str, model: str, row: str) -> None:
    assert contracts.ruling(host, model, TODAY).id == row


def test_row_is_not_in_force_before_its_date() -> None:
    assert contracts.ruling("api.deepseek.com", "deepseek-v4-pro", date(2026, 7, 31)).id == "generic"
    with pytest.raises(ConfigurationError, match="deepseek-v4"):
        contracts.named("deepseek-v4", date(2026, 7, 31))


def test_of_equal_rows_the_youngest_in_force_rules() -> None:
    table = [
        Contract(id="a", effective_from="2026-01-01", match=Match(host=("h",)), retention="turn"),
        Contract(id="a", effective_from="2026-06-01", match=Match(host=("h",)), retention="all"),
        Contract(id="a", effective_from="2027-01-01", match=Match(host=("h",)), retention="forbid"),
    ]
    assert contracts.ruling("h", "m", TODAY, table).retention == "all"
    assert contracts.ruling("h", "m", date(2026, 2, 1), table).retention == "turn"
    assert contracts.named("a", TODAY, table).retention == "all"


def test_the_row_that_names_more_beats_a_younger_one() -> None:
    table = [
        Contract(id="any", effective_from="2026-10-01"),
        Contract(id="model", match=Match(model=("m*",))),
        Contract(id="host", match=Match(host=("h",))),
    ]
    assert contracts.ruling("h", "m", TODAY, table).id == "host"
    assert contracts.ruling("x", "m", TODAY, table).id == "model"
    assert contracts.ruling("x", "y", TODAY, table).id == "any"


def test_no_row_at_all_is_said() -> None:
    with pytest.raises(ConfigurationError, match="no contract row matches model 'm' at 'x'"):
        contracts.ruling("x", "m", TODAY, [Contract(id="host", match=Match(host=("h",)))])


def test_names_without_an_address_are_listed() -> None:
    assert contracts.at_home("deepseek-flash", TODAY).base_url == "https://api.deepseek.com"
    with pytest.raises(ConfigurationError, match=r"knows deepseek-flash, deepseek-v4-\*.*Model\(\"gpt\", base_url="):
        contracts.at_home("gpt", TODAY)


def test_shipped_rows_say_what_the_documents_say() -> None:
    v4, v32, generic = (contracts.named(name, TODAY) for name in ("deepseek-v4", "deepseek-v3.2", "generic"))
    assert (v4.retention, v4.missing, v4.placeholder, v4.api_key_env) == (
        "sticky-if-tools",
        "error",
        "",
        "DEEPSEEK_API_KEY",
    )
    assert v4.thinking.off == {"thinking": {"type": "disabled"}}
    assert (v32.retention, v32.placeholder) == ("turn", None)
    assert (generic.carrier.write, generic.retention, generic.api_key_env) == ("same", "all", None)

"""Rows of one's own: in a file, in code, like another one; and what is wrong with one is said in words for people."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agentkit.core.contract import Contract, Thinking
from agentkit.errors import ConfigurationError
from agentkit.models import Model, contracts

TODAY = datetime.now(UTC).date()
ADDRESS = "https://relay.example.com/v1"


def file(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, "utf-8")
    return path


def ruled(path: Path, name: str = "m", base_url: str | None = ADDRESS) -> Contract:
    return Model(name, base_url=base_url, contract=path).resolve()


def refusal(path: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        contracts.of_file(path)
    return str(caught.value).replace(str(path), "FILE").splitlines()


def test_any_row_of_a_file_comes_before_the_shipped_ones(tmp_path: Path) -> None:
    path = file(tmp_path, '[[row]]\nid = "mine"\nmatch = { model = ["deepseek-*"] }\nretention = "all"\n')
    assert ruled(path, "deepseek-flash", "https://api.deepseek.com").id == "mine"
    assert Model("deepseek-flash", contract=path).resolve().id == "mine"  # the address is the shipped row's
    assert ruled(path, "kimi-k3", "https://api.moonshot.ai/v1").id == "kimi-k3"
    assert ruled(path, "m").id == "generic"


def test_a_row_that_is_not_in_force_yet_leaves_it_to_the_shipped_ones(tmp_path: Path) -> None:
    path = file(tmp_path, '[[row]]\nid = "mine"\neffective_from = 2999-01-01\n')
    assert contracts.of_file(path)[0].effective_from == "2999-01-01"
    assert ruled(path).id == "generic"


def test_a_file_may_be_the_home_of_any_name(tmp_path: Path) -> None:
    path = file(tmp_path, f'[[row]]\nid = "mine"\nbase_url = "{ADDRESS}"\n')
    model = Model("whatever", contract=path)
    assert (model.base_url, model.resolve().id) == (ADDRESS, "mine")
    with pytest.raises(ConfigurationError, match="unknown model 'whatever'"):
        Model("whatever", contract=file(tmp_path, '[[row]]\nid = "mine"\n'))


def test_a_port_is_part_of_the_place(tmp_path: Path) -> None:
    path = file(tmp_path, '[[row]]\nid = "mine"\nmatch = { host = ["*:9999"] }\n')
    assert ruled(path, base_url="http://127.0.0.1:9999/v1").id == "mine"
    assert ruled(path, base_url="http://127.0.0.1:99/v1").id == "generic"
    assert ruled(file(tmp_path, '[[row]]\nid = "mine"\nmatch = { host = ["*:443"] }\n')).id == "mine"


def test_like_starts_from_a_shipped_row(tmp_path: Path) -> None:
    path = file(
        tmp_path,
        """
        [[row]]
        id = "mine"
        like = "deepseek-v4"
        match = { model = ["my-*"] }
        placeholder = " "
        body = { user = "me" }
        thinking = { effort_key = "how.hard", off = { think = false } }

        [[row]]
        id = "second"
        like = "mine"
        body = { a = 1 }
        """,
    )
    shipped = contracts.named("deepseek-v4", TODAY)
    mine, second = contracts.of_file(path)
    assert mine == shipped.model_copy(
        update={
            "id": "mine",
            "match": shipped.match.model_copy(update={"model": ("my-*",)}),
            "placeholder": " ",
            "body": {"user": "me"},
            "thinking": shipped.thinking.model_copy(update={"effort_key": "how.hard", "off": {"think": False}}),
        }
    )
    assert second == mine.model_copy(update={"id": "second", "body": {"a": 1}})
    assert Model("my-1", contract=path).base_url == "https://api.deepseek.com"


@pytest.mark.parametrize("moved", [f'base_url = "{ADDRESS}"', 'match = { host = ["relay.example.com"] }'])
def test_no_key_follows_a_row_to_a_new_address(tmp_path: Path, moved: str) -> None:
    row = contracts.of_file(file(tmp_path, f'[[row]]\nid = "mine"\nlike = "deepseek-v4"\n{moved}\n'))[0]
    assert (row.api_key_env, row.price_provider, row.retention) == (None, None, "sticky-if-tools")
    assert row.base_url in (None, ADDRESS)


def test_of_rows_of_one_id_like_takes_the_youngest(tmp_path: Path) -> None:
    dated = '[[row]]\nid = "a"\neffective_from = "{}"\nretention = "{}"\n'
    aged = (("2026-01-01", "all"), ("2026-02-01", "turn"), ("2025-01-01", "forbid"))
    text = "".join(dated.format(*each) for each in aged) + '[[row]]\nid = "b"\nlike = "a"\n'
    assert contracts.of_file(file(tmp_path, text))[-1].retention == "turn"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ('retension = "all"', "retension is no field; did you mean retention?"),
        ("carrier = { writes = 1 }", "carrier.writes is no field; did you mean write?"),
        ("strict_tools = { zzz = 1 }", "strict_tools.zzz is no field; there are: path, all_or_none"),
        (
            'retention = "ever"',
            "retention = 'ever' is not allowed; allowed: 'forbid', 'hidden', 'turn', 'sticky-tools', 'sticky-if-tools'",
        ),
        ("context = 0", "context = 0 is not allowed: it should be greater than 0"),
        ('context = "big"', "context = 'big' is not allowed: it should be a whole number"),
        ("context = inf", "context = inf is not allowed: it should be a whole number"),
        ("gateway = 3", "gateway = 3 is not allowed: it should be true or false"),
        ("placeholder = 3", "placeholder = 3 is not allowed: it should be a string"),
        ('match = { model = "*" }', "match.model = '*' is not allowed: it should be a list"),
        (
            'carrier = { tags = [["a", "b", "c"]] }',
            "carrier.tags.0 = ['a', 'b', 'c'] is not allowed: it should be a list o",
        ),
        ('carrier = "x"', "carrier = 'x' is not allowed: it should be a table"),
        ("body = { day = 2026-08-01 }", "body.day = 2026-08-01 is not allowed: JSON has no such value"),
        ('thinking = { effort_key = "e", effort = { hgih = "h" } }', "thinking.effort.hgih = 'hgih' is not allowed"),
        ('effective_from = "20260801"', "effective_from = '20260801' is no date; dates are written 2026-08-01"),
        ('effective_from = "soon"', "effective_from = 'soon' is no date"),
        ('call_ids = { pattern = "[a" }', "call_ids.pattern = '[a' is no regular expression: unterminated"),
        ('call_ids = { pattern = "x{5}" }', "call_ids.pattern = 'x{5}' fits no id agentkit can make"),
        ('base_url = "127.0.0.1:1"', "base_url has to look like"),
        ('api_key_env = "sk-12345"', "api_key_env is the name of an environment variable, never a key itself"),
        ('carrier = { write = "content" }', "carrier: content cannot hold reasoning"),
        ('carrier = { write = "inline-tags" }', "carrier.tags is missing"),
        ('carrier = { tags = [["<a>", ""]] }', "carrier.tags holds an empty tag"),
        ("carrier = { sentinel = { x = 1 } }", "carrier.sentinel stands in for fields of carrier.beside_calls"),
        ('wire = "responses"', 'carrier.write = "items:reasoning" and wire = "responses" go together'),
        (
            'carrier = { write = "items:reasoning" }',
            'carrier.write = "items:reasoning" and wire = "responses" go togeth',
        ),
        ('missing = "error"', 'placeholder is missing: missing = "error" needs a text to send'),
        ('empty = "placeholder"', 'placeholder is missing: empty = "placeholder" needs'),
        ('on_model_switch = "placeholder"', 'placeholder is missing: on_model_switch = "placeholder" needs'),
        (
            'placeholder = ""\nempty = "placeholder"',
            'placeholder = "" is an empty text, which empty = "placeholder" says',
        ),
        ('missing = "error"\nplaceholder = "x"\non_model_switch = "drop"', 'on_model_switch = "drop" leaves out'),
        ('missing = "error"\nplaceholder = "x"\nempty = "omit"', 'empty = "omit" leaves out what missing = "error"'),
        ('missing = "error"\nplaceholder = "x"\nretention = "hidden"', 'missing = "error" asks for what retention'),
        (
            'thinking = { effort = { low = "l" } }',
            "thinking.effort says words for an effort, and thinking.effort_key no",
        ),
        (
            "thinking = { effort_only = true }",
            "thinking.effort_only allows the keys of thinking.effort, and there are no",
        ),
        ('apart = [["x"]]', "apart holds lists of two or more body fields"),
        ('like = "nobody"', "like = 'nobody' is no row above it; there are: deepseek-v4, deepseek-v3.2,"),
    ],
)
def test_what_is_wrong_with_a_row_is_one_line_with_its_place(tmp_path: Path, row: str, says: str) -> None:
    path = file(tmp_path, f'[[row]]\nid = "first"\n\n[[row]]\nid = "mine"\n{row}\n')
    (line,) = refusal(path)
    assert line.startswith(f"FILE, row 2 (mine): {says}")


def test_every_problem_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    path = file(
        tmp_path, '[[row]]\nretention = "turn"\n\n[[row]]\nid = "b"\nwire = "ftp"\nx = 1\n\n[[row]]\nlike = "glm"\n'
    )
    first, second, third, fourth = refusal(path)
    assert first == "FILE, row 1 (without id): id is missing"
    assert second == "FILE, row 2 (b): wire = 'ftp' is not allowed; allowed: 'chat' or 'responses'"
    assert third.startswith("FILE, row 2 (b): x is no field; there are: id, effective_from, match, wire,")
    assert fourth == "FILE, row 3 (without id): id is missing (a row that is like another one has a name of its own)"


def test_an_id_may_stand_twice_with_two_dates_only(tmp_path: Path) -> None:
    (line,) = refusal(file(tmp_path, '[[row]]\nid = "a"\n[[row]]\nid = "a"\n'))
    assert line == "FILE, row 2 (a): there is a row of this id and effective_from = '1970-01-01' above it"
    two = file(tmp_path, '[[row]]\nid = "a"\n[[row]]\nid = "a"\neffective_from = "2026-01-01"\n')
    assert len(contracts.of_file(two)) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b'[[row]]\nid = "a\n', r"FILE is no TOML: Illegal character .*at line 2, column 8"),
        (b'[[row]]\nid = "a"\n# \xff\n', r"FILE is not UTF-8 \(at line 3\)"),
        (b"", r"FILE: rows are written as \[\[row\]\] tables, and nothing else; it holds nothing"),
        (b'[row]\nid = "a"\n', r"it holds \[row\] in single brackets"),
        (b'[[rows]]\nid = "a"\n', r"it holds 'rows'"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_line(tmp_path: Path, text: bytes, says: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(text)
    (line,) = refusal(path)
    assert re.search(says, line)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"contract rows cannot be read from .*none.toml: No such file"):
        Model("m", base_url=ADDRESS, contract=tmp_path / "none.toml")


def test_a_shipped_row_may_be_changed_in_code() -> None:
    shipped = contracts.named("deepseek-v4", TODAY)
    mine = shipped.model_copy(update={"id": "mine", "placeholder": " "})
    model = Model("deepseek-flash", contract=mine)
    assert (model.resolve(), model.base_url) == (mine, "https://api.deepseek.com")
    tables: Any = {"thinking": {"default": False}}  # what a type checker cannot see in model_copy
    assert Model("m", contract=shipped.model_copy(update=tables)).resolve().thinking == Thinking(default=False)


@pytest.mark.parametrize(
    ("update", "says"),
    [
        ({"retention": "ever"}, "contract row 'deepseek-v4': retention = 'ever' is not allowed; allowed: 'forbid'"),
        ({"carrier": {"writ": "x"}}, "contract row 'deepseek-v4': carrier.writ is no field; did you mean write?"),
        ({"placeholder": None}, "contract row 'deepseek-v4': placeholder is missing"),
    ],
)
def test_a_row_made_in_code_is_looked_through_too(update: Any, says: str) -> None:
    row = contracts.named("deepseek-v4", TODAY).model_copy(update=update)
    with pytest.raises(ConfigurationError) as caught:
        Model("m", contract=row)
    assert str(caught.value).startswith(says)


def test_a_file_without_a_row_for_the_place_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = file(
        tmp_path,
        """
        [[row]]
        id = "mine"
        match = { host = ["other.example.com"], model = ["a-*", "b"] }

        [[row]]
        id = "later"
        effective_from = 2999-01-01

        [[row]]
        id = "nowhere"
        match = { model = [] }
        """,
    )
    model = Model("m", base_url=ADDRESS, contract=path)
    model.resolve()
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("agentkit", "WARNING")
    assert record.getMessage() == model.missed()
    assert model.missed() == (
        f"{path} has no row for model 'm' at host 'relay.example.com', port 443: the shipped row 'generic' rules. "
        "Its own rows: 'mine' (host other.example.com; model a-*, b); 'later' (host *; model * from 2999-01-01); "
        "'nowhere' (host *; model none)"
    )
    assert Model("b", base_url="https://other.example.com/v1", contract=path).missed() == ""
    assert Model("m", base_url=ADDRESS).missed() == ""
    assert len(caplog.records) == 1


def test_a_recorded_row_is_read_back_without_the_checks_of_today() -> None:
    row = Contract(id="old", missing="error")
    assert Contract.model_validate_json(row.model_dump_json()) == row

"""`doctor`: one line per check, what to do, and an exit code for a program that only wants to know."""

import json
import os
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agentkit.cli.doctor import _answered, _clock, _disk
from agentkit.emulator import Call, Reply
from agentkit.models.openai import Recipient

Type = Callable[..., Any]
Serve = Callable[..., Any]


def checks(done: Any) -> dict[str, dict[str, str]]:
    return {each["what"]: each for each in json.loads(done.out)}


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)


def test_all_is_well(agentkit: Type, serve: Serve) -> None:
    serve(Reply("hello"))
    assert agentkit("chat", "--agent", "desk:agent", stdin="hi\n").code == 0
    done = agentkit("doctor", "--agent", "desk:agent")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert [line for line in lines if line.startswith("FAIL")] == []
    for what in ("python", "packages", "contract", "key", "endpoint", "clock", "disk", "file", "journal"):
        assert any(line[5:].startswith(what) for line in lines), what
    assert "format 2, every page sound, 1 session" in done.out
    assert "/models answered 200" in done.out
    assert "mode 0600" in done.out


def test_a_missing_key_fails_and_says_which_variable(agentkit: Type) -> None:
    done = agentkit("doctor", "--model", "deepseek-flash", "--offline")
    assert done.code == 1
    assert "FAIL key" in done.out
    assert "→ export DEEPSEEK_API_KEY=…" in done.out
    assert "'deepseek-v4' rules for deepseek-flash at api.deepseek.com" in done.out


def test_a_key_that_would_go_in_the_open_is_not_asked_for_again(
    agentkit: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-very-secret")
    url = "http://api.deepseek.com/v1"
    key = checks(agentkit("doctor", "--model", "deepseek-flash", "--base-url", url, "--offline", "--json"))["key"]
    assert (key["state"], key["todo"]) == ("FAIL", "")
    assert "in the open: use https" in key["says"]


def test_a_key_is_told_by_its_variable_and_never_by_its_value(agentkit: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-very-secret")
    done = agentkit("doctor", "--model", "deepseek-flash", "--offline")
    assert done.code == 0
    assert "from DEEPSEEK_API_KEY" in done.out
    assert "sk-very" not in done.out + done.err
    assert "was not asked (--offline)" in done.out


def test_an_endpoint_that_is_not_there_fails(agentkit: Type) -> None:
    done = agentkit("doctor", "--model", "m", "--base-url", "http://127.0.0.1:9/v1", "--json")
    found = checks(done)
    assert done.code == 1
    assert found["endpoint"]["state"] == "FAIL"
    assert "no answer from http://127.0.0.1:9/v1" in found["endpoint"]["says"]
    assert found["contract"]["state"] == "warn"
    assert "agentkit probe" in found["contract"]["todo"]
    assert found["key"]["state"] == "ok"


MINE = '[[row]]\nid = "mine"\nmatch = {{ host = ["{}"], model = ["m"] }}\n'


def test_a_row_is_checked_by_its_id_or_in_a_file(agentkit: Type) -> None:
    Path("rows").write_text(MINE.format("127.0.0.1"), "utf-8")
    words = ("doctor", "--model", "m", "--base-url", "http://127.0.0.1:9/v1", "--offline", "--json", "--contract")
    for named, row in (("rows", "mine"), ("vllm", "vllm")):
        contract = checks(agentkit(*words, named))["contract"]
        assert contract["state"] == "ok"
        assert contract["says"].startswith(f"{row!r} rules for m at 127.0.0.1: it was asked for")
    assert "did you mean 'vllm'?" in checks(agentkit(*words, "vlm"))["model"]["says"].lower()
    assert "none.toml: No such file" in checks(agentkit(*words, "none.toml"))["model"]["says"]
    assert (
        "--contract says the row for --model"
        in checks(agentkit("doctor", "--contract", "vllm", "--json"))["model"]["says"]
    )


def test_a_file_without_a_row_for_the_place_is_a_warning(agentkit: Type) -> None:
    Path("rows.toml").write_text(MINE.format("10.0.0.1"), "utf-8")
    words = ("--model", "m", "--base-url", "http://127.0.0.1:9/v1", "--offline", "--contract", "rows.toml")
    contract = checks(agentkit("doctor", *words, "--json"))["contract"]
    assert contract["state"] == "warn"
    assert contract["says"].startswith("your file has no row for this host and model: 'generic' rules")


def test_a_model_that_is_not_listed_is_a_warning(agentkit: Type, serve: Serve) -> None:
    server = serve(Reply("hello"))
    found = checks(agentkit("doctor", "--model", "deepseek-fash", "--base-url", server.base_url, "--json"))
    assert found["endpoint"]["state"] == "warn"
    assert "does not list 'deepseek-fash'" in found["endpoint"]["says"]
    assert "it lists deepseek-flash" in found["endpoint"]["todo"]


def test_a_path_that_lists_no_models_is_a_warning(agentkit: Type, serve: Serve) -> None:
    server = serve(Reply("hello"))
    url = server.base_url.replace("/v1", "/v9")
    found = checks(agentkit("doctor", "--model", "m", "--base-url", url, "--json"))
    assert (found["endpoint"]["state"], "answered 404" in found["endpoint"]["says"]) == ("warn", True)


@pytest.mark.parametrize(
    "words", [("--model", "nobody-knows"), ("--agent", "desk:nothing"), ("--model", "m", "--base-url", "ftp://x")]
)
def test_what_cannot_be_made_fails_with_its_words(agentkit: Type, words: Sequence[str]) -> None:
    done = agentkit("doctor", *words)
    assert done.code == 1
    assert "FAIL model" in done.out
    assert "ok   disk" in done.out  # the other checks go on


def test_nobody_named_is_a_warning_and_no_failure(agentkit: Type) -> None:
    done = agentkit("doctor")
    assert done.code == 0
    assert "warn model     no agent and no model is named" in done.out
    assert "is not there yet: the first session makes it" in done.out
    assert not Path("agentkit.db").exists()  # looking makes nothing


def test_a_damaged_journal_fails(agentkit: Type, serve: Serve) -> None:
    serve(Reply("hello" * 2000))
    agentkit("chat", "--agent", "desk:agent", stdin="hi\n")
    data = bytearray(Path("agentkit.db").read_bytes())
    data[-3 * 512 : -512] = os.urandom(2 * 512)  # what no listing of sessions looks at
    Path("agentkit.db").write_bytes(bytes(data))
    done = agentkit("doctor")
    assert done.code == 1
    assert "FAIL journal   agentkit.db is damaged: " in done.out
    assert "\\n" not in done.out
    assert agentkit("sessions").code == 0


def test_a_file_that_is_no_journal_fails_and_stays_as_it_is(agentkit: Type) -> None:
    Path("other.txt").write_text("not a database at all, only words" * 50, "utf-8")
    with sqlite3.connect("other.db") as db:
        db.execute("create table t (x)")
    db.close()
    for name, said in (("other.txt", "not a journal"), ("other.db", "a database of another program")):
        done = agentkit("doctor", "--journal", name)
        assert (done.code, said in done.out) == (1, True), done.out


def test_a_folder_is_no_journal(agentkit: Type) -> None:
    Path("shop").mkdir()
    done = agentkit("doctor", "--journal", "shop")
    assert done.code == 1
    assert "FAIL journal   shop is a folder" in done.out
    assert "→ --journal shop/agentkit.db" in done.out
    assert "chmod" not in done.out


def test_others_may_not_read_a_journal(agentkit: Type, serve: Serve) -> None:
    serve(Reply("hello"))
    agentkit("chat", "--agent", "desk:agent", stdin="hi\n")
    Path("agentkit.db").chmod(0o644)
    done = agentkit("doctor")
    assert "has mode 0644: others on this machine can read conversations" in done.out
    assert "→ chmod 600 agentkit.db" in done.out


def test_what_waits_and_what_nobody_knows_is_told(agentkit: Type, serve: Serve) -> None:
    serve(Reply(reasoning="Pay.", calls=[Call("charge", {"order_id": "7"})]))
    assert agentkit("chat", "--agent", "desk:agent", stdin="charge\n").code == 3
    done = agentkit("doctor")
    assert "1 call whose outcome nobody knows" in done.out
    assert "→ agentkit pending shows them" in done.out


def test_a_journal_nowhere_fails(agentkit: Type) -> None:
    done = agentkit("doctor", "--journal", "nowhere/x.db")
    assert done.code == 1
    assert "→ mkdir -p" in done.out
    assert "FAIL journal" in agentkit("doctor", "--journal", "postgres://x").out


def test_a_clock_that_is_off_is_a_warning() -> None:
    now = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
    date = "Sun, 22 Nov 2026 12:00:00 GMT"
    assert _clock(date, now).state == "ok"
    assert _clock(date, now + timedelta(seconds=59)).state == "ok"
    off = _clock(date, now - timedelta(seconds=90))
    assert (off.state, off.says) == ("warn", "90 s behind the endpoint's")
    assert _clock(date, now + timedelta(seconds=61)).says == "61 s ahead of the endpoint's"
    assert _clock(None, now).state == "ok"
    assert _clock("yesterday", now).says == "the endpoint tells no time to compare with"


def test_a_page_in_place_of_the_service_is_a_warning() -> None:
    to = Recipient("m", "http://127.0.0.1:1/v1", {}, 1)
    for content in (b"<html>hello</html>", b'"hello"', b'{"models": []}'):
        assert (_answered(to, 200, content).state, "no list of models" in _answered(to, 200, content).says) == (
            "warn",
            True,
        )
    assert _answered(to, 200, b'{"data": []}').state == "ok"
    assert _answered(to, 401, b"").says.endswith("it is there, and wants the key")
    with_key = Recipient("m", "http://127.0.0.1:1/v1", {"Authorization": "Bearer x"}, 1)
    assert [_answered(with_key, status, b"").state for status in (401, 403, 500, 503)] == ["FAIL"] * 4


def test_the_disk_is_the_journals_own(tmp_path: Path) -> None:
    assert _disk(tmp_path / "x.db").state == "ok"
    assert str(tmp_path) in _disk(tmp_path / "x.db").says

"""The example of docs/openapi.md runs, with a model and an API that are real servers on loopback."""

import json
import re
from pathlib import Path
from typing import Any

import anyio
import pytest

from agentkit import Model
from agentkit.emulator import Call, Emulator, Reply
from agentkit.tools.openapi.sending import REFUSED
from tests.tools.openapi.echo import Echo, serving
from tests.tools.openapi.test_openapi_calls import document, operation, parameter

PAGE = (Path(__file__).parents[3] / "docs/openapi.md").read_text("utf-8")
NOTE = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}


@pytest.mark.anyio
async def test_the_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOP_TOKEN", "tok-shop-1")
    note = {**operation("addNote", parameter("id", "path"), body=NOTE), "tags": ["orders"]}
    api = document({"/orders/{id}/notes": {"post": note}})
    await anyio.Path("shop.json").write_text(json.dumps(api))
    call = Call("addNote", {"id": "7", "text": "called"})
    script = {"Note on order 7 that the customer called.": [Reply(calls=(call,)), Reply("Noted.")]}
    echo = Echo()
    async with serving(echo) as url, Emulator(script) as server:
        names: dict[str, Any] = {"__name__": "example"}
        there = code.replace("http://127.0.0.1:8000", url)
        exec(compile(there, "docs/openapi.md", "exec"), names)  # noqa: S102 - the document's own program
        names["MODEL"] = Model("qwen3:8b", base_url=server.base_url)
        await names["main"]()
    assert capsys.readouterr().out == "Noted.\n"
    (seen,) = echo.requests
    assert (seen.method, seen.path, json.loads(seen.body)) == ("POST", "/v1/orders/7/notes", {"text": "called"})
    assert seen.headers["authorization"] == "Bearer tok-shop-1"


def test_the_statuses_that_are_proof_are_those_the_page_names() -> None:
    (named,) = re.findall(r"not taken up \(([^;]+);", PAGE)
    told = set()
    for first, last in re.findall(r"(\d{3})(?:[^\d\s,](\d{3}))?", named):
        told |= set(range(int(first), int(last or first) + 1))
    assert told == REFUSED

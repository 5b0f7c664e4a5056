"""Every row of Chat Completions: a client that loses nothing is never refused, and any loss is told."""

from dataclasses import replace
from typing import Any

import pytest

from agentkit.emulator import CONTRACTS, Call, Emulator, Reply
from agentkit.emulator.script import QUIRKS
from tests.emulator.echo import CHAT, Echo, echo, results
from tests.emulator.plain import plain

pytestmark = pytest.mark.anyio

NASTY = " \u2028\n“q” \\n 😀 \x85\t <think> é "
PLAYED = sorted(QUIRKS - {"error_event", "error_list"})


def turns(contract: str, *quirks: str) -> list[Reply]:
    calls = [Call("find", {"q": NASTY, "n": 1}), Call("find", '{"b" : [ 2.0 ]}')] if CONTRACTS[contract].tools else []
    how: dict[str, Any] = {"quirks": quirks}
    return [
        Reply("I look.", NASTY, calls, **how),
        Reply(None, "once more", calls[:1], **how) if calls else Reply("so", "once more", **how),
        Reply(NASTY, "r", **how),
        Reply("Again.", "second", calls, **how),
        Reply("Done.", "third", **how),
    ]


async def converse(client: Echo, opening: str, steps: int, **body: Any) -> list[dict[str, Any]]:
    """Play a conversation; a new turn begins after every answer without calls."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": opening}]
    for at in range(steps):
        message = client.back(await client.ask(*messages, **body), at)
        messages += [message, *results(message)]
        if "tool_calls" not in message:
            messages.append({"role": "user", "content": "more"})
    return messages


@pytest.mark.parametrize("contract", CHAT)
@pytest.mark.parametrize("share", ["some", pytest.param("all", marks=pytest.mark.full)])
async def test_whoever_returns_all_loses_nothing(share: str, contract: str) -> None:
    """One way, the other way with the next contract. (Both ways with all: tests/contracts.)

    Some: no quirk and every third, the others with the next two contracts. A quirk is played by the same lines for all.
    """
    turn = CHAT.index(contract)
    quirks = PLAYED if share == "all" else [quirk for at, quirk in enumerate(PLAYED) if (at + turn) % 3 == 0]
    script = {quirk: turns(contract, quirk) for quirk in quirks} | {"none": turns(contract)}
    async with echo(script, contract) as client:
        for at, opening in enumerate(script, turn):
            before = client.emulator.counts.losses
            await converse(client, opening, 5, stream=bool(at % 2))
            lost = [seen for seen in client.emulator.requests[-1].returned if seen.faults or seen.missing]
            assert client.emulator.counts.losses == before, (opening, lost)
        assert client.emulator.counts.by_status == {200: 5 * len(script)}


@pytest.mark.parametrize(
    "contract", [name for name in CHAT if CONTRACTS[name].tools and CONTRACTS[name].form != "hidden"]
)
async def test_reasoning_that_is_dropped_or_edited_is_refused_or_told(contract: str) -> None:
    async with echo({"a": turns(contract), "b": turns(contract)}, contract) as client:
        for opening, spoil in (("a", dropped), ("b", edited)):
            first = client.back(await client.ask({"role": "user", "content": opening}))
            spoiled = spoil(first, client.row.form)
            assert spoiled != first
            before = client.emulator.counts.losses
            response = await client.post({"role": "user", "content": opening}, spoiled, *results(first))
            assert response.status_code == 400 or client.emulator.counts.losses == before + 1, opening
            seen = client.emulator.requests[-1].returned[0]
            assert seen.missing if opening == "a" else seen.reasoning_altered


def dropped(message: dict[str, Any], form: str) -> dict[str, Any]:
    kept = {name: value for name, value in message.items() if not name.startswith("reasoning")}
    if form == "parts":
        kept["content"] = "I look."
    if form == "tags":
        kept["content"] = message["content"].partition("</think>\n\n")[2]
    if form == "signature":
        kept["tool_calls"] = [{k: v for k, v in call.items() if k != "extra_content"} for call in kept["tool_calls"]]
    return kept


def edited(message: dict[str, Any], form: str) -> dict[str, Any]:
    changed = {
        name: value + "!" if name.startswith("reasoning") else value
        for name, value in message.items()
        if name != "reasoning_details"
    }
    if "reasoning_details" in message:
        first, *others = message["reasoning_details"]
        changed["reasoning_details"] = [{**first, "text": first["text"] + "!"}, *others]
    if form == "parts":
        changed["content"] = [
            {"type": "thinking", "thinking": [{"type": "text", "text": "else"}]},
            *message["content"][1:],
        ]
    if form == "tags":
        changed["content"] = message["content"].replace("“q”", "“Q”", 1)
    if form == "signature":
        first, *others = message["tool_calls"]
        changed["tool_calls"] = [{**first, "extra_content": {"google": {"thought_signature": "A" * 64}}}, *others]
    return changed


@pytest.mark.parametrize("contract", ["gemini-openai", "openrouter"])
async def test_a_seal_of_another_service_is_refused(contract: str) -> None:
    async with echo({"*": turns(contract)}, contract) as client:
        message = client.back(await client.ask({"role": "user", "content": "a"}))
    other = replace(CONTRACTS[contract], name="another")
    async with Emulator({"*": turns(contract)}, contract=other) as emulator, plain() as http:
        client = Echo(emulator, http, other)
        response = await client.post({"role": "user", "content": "a"}, message, *results(message))
        assert response.status_code == 400


async def test_the_first_switch_that_stands_decides() -> None:
    async with echo({"*": [Reply("x", "r")]}, "deepseek-v4") as client:
        settings = {"thinking": {"type": "enabled"}, "reasoning_effort": "none"}
        assert (await client.ask({"role": "user", "content": "a"}, **settings))["reasoning_content"] == "r"


async def test_a_row_of_ones_own_combines_facts() -> None:
    row = replace(CONTRACTS["generic"], name="mine", form="parts", call_ids="[a-z0-9]{9}", errors="flat")
    async with Emulator({"*": turns("generic")}, contract=row) as emulator, plain() as http:
        client = Echo(emulator, http, row)
        await converse(client, "a", 5, stream=True)
        assert emulator.counts.losses == 0
        assert (await client.post({"role": "nobody", "content": "a"})).json()["code"] == "invalid-argument"


@pytest.mark.parametrize("contract", ["openrouter", "openrouter-deepseek", "mistral", "minimax-m2", "kimi-k2.6"])
async def test_what_a_compaction_kept_is_known_again(contract: str) -> None:
    # The script does not help: what is played depends on who asks.
    def play(request: dict[str, Any]) -> Reply:
        return Reply(f"{len(request['messages'])}", "thought", [Call("find")] if len(request["messages"]) == 1 else ())

    async with echo(play, contract) as client:
        user = {"role": "user", "content": "long ago"}
        message = client.back(await client.ask(user))
        bare = {
            name: value for name, value in message.items() if name != "reasoning_details" or name == client.row.carrier
        }
        for kept in (message, bare):
            await client.ask({"role": "user", "content": "In short"}, kept, *results(kept))
        assert client.emulator.counts.losses == 0


async def test_the_sentinel_stands_for_the_signature_of_another_model() -> None:
    async with echo({"*": turns("gemini-openai")}, "gemini-openai") as client:
        user = {"role": "user", "content": "a"}
        call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
        google = {"google": {"thought_signature": "skip_thought_signature_validator"}}
        message = {"role": "assistant", "content": "", "tool_calls": [{**call, "extra_content": google}]}
        await client.ask(user, message, *results(message))
        assert client.emulator.requests[-1].returned[0].reasoning == "filled", "this process never was asked before"
        assert client.emulator.counts.reasoning_altered == 0

"""What a probe does where a service is odd, says little, or says no."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from agentkit.core.contract import Contract
from agentkit.emulator import Emulator, Fault, Reply
from agentkit.errors import AuthenticationFailed, BadRequest, ProtocolError, Unreachable
from agentkit.models import contracts
from agentkit.probe import Findings, Target, compare, plan, probe, row_of, toml_of
from agentkit.probe.agreement import differing
from agentkit.probe.bench import Bench
from agentkit.probe.budget import Plan
from agentkit.probe.facts import TITLES, Notes
from agentkit.probe.talk import TO_SUM, Ask
from tests.probe.probed_model import play

pytestmark = pytest.mark.anyio


async def probed(script: Any, **given: Any) -> tuple[Findings, Emulator]:
    target: Mapping[str, Any] = given.pop("target", {})
    async with Emulator(script, **given) as server:
        return await probe(Target("served", server.base_url, **target), plan(contracts.rows())), server


async def test_who_counts_no_tokens_is_not_guessed_about() -> None:
    findings, _ = await probed(lambda body: replace(play(body), usage_at="absent"), contract="generic")
    assert findings.fact("retention").value is None
    assert "cannot be seen" in findings.fact("retention").why
    assert findings.fact("write").value is None
    assert findings.fact("missing").value == "accepted"
    assert findings.tokens == 0
    assert not findings.fact("usage_in_stream").value


async def test_of_a_service_that_refuses_and_counts_nothing_only_the_refusal_is_known() -> None:
    findings, _ = await probed(lambda body: replace(play(body), usage_at="absent"), contract="deepseek-v3.2")
    assert findings.fact("missing").value == "error"
    assert findings.fact("retention").value is None
    assert "asked for in the open turn" in findings.fact("retention").why


async def test_a_model_that_calls_no_tool_leaves_what_depends_on_it_unknown() -> None:
    findings, _ = await probed(lambda _: Reply("No.", reasoning="I do not like tools."), contract="generic")
    for name in ("retention", "missing", "write", "parallel", "user_after_tool", "call_ids"):
        assert not findings.fact(name).found
        assert "tool" in findings.fact(name).why
    assert findings.fact("forced_tool_choice").value == "ignored"


async def test_a_model_without_thoughts_has_nothing_to_send_back() -> None:
    findings, _ = await probed(lambda body: replace(play(body), reasoning=None), contract="generic")
    assert (findings.fact("carrier").value, findings.fact("thinks").value) == ([], False)
    assert "--set" in findings.fact("retention").why
    assert not findings.fact("off").found
    assert findings.fact("streamed_carrier").why == "no stream holds any reasoning"


async def test_that_no_reasoning_came_differs_only_from_a_row_that_thinks_unasked() -> None:
    findings, _ = await probed(lambda body: replace(play(body), reasoning=None), contract="generic")
    asked_first = contracts.named("mistral", date(2026, 11, 22))
    for row, expected in ((asked_first, False), (contracts.named("vllm", date(2026, 11, 22)), True)):
        assert ("carrier" in differing(findings, row)) is expected
        assert ("streamed_carrier" in differing(findings, row)) is expected
    found = row_of(findings, contract_id="m", base_url="http://h.example/v1", api_key_env=None, today=date(2026, 1, 2))
    assert differing(findings, found) == []


@pytest.mark.parametrize("contract", ["mimo", "kimi-k2.6"])
async def test_a_service_that_remembers_its_calls_is_not_taken_for_one_that_asks_for_nothing(contract: str) -> None:
    findings, _ = await probed(play, contract=contract, warm=True)
    assert findings.fact("missing").value == "error"
    assert findings.fact("applies_to").value == "tool_call_messages"


async def test_a_key_that_a_service_repeats_is_struck_out() -> None:
    def tells(body: dict[str, Any]) -> Reply | Fault:
        return Fault(400, "key sk-123456789 is not for that") if "temperature" in body else play(body)

    target = {"headers": {"Authorization": "Bearer sk-123456789"}}
    findings, _ = await probed(tells, contract="generic", target=target)
    assert findings.fact("sampling").why == '"key <secret> is not for that"'
    assert "sk-123456789" not in repr(findings)


QUIRKS = {
    "index_missing": "calls without index",
    "index_repeated": "every call at one index",
    "id_missing": "calls without id",
    "id_empty_later": "ids empty later",
    "arguments_null": "arguments: null",
    "whole_arguments": "whole arguments in one delta",
    "empty_tool_calls": "tool_calls: []",
    "choices_empty": "chunks without choices",
    "no_done": "no [DONE]",
    "crlf": "lines end in CR LF",
    "reasoning_after_content": "reasoning after content",
}


@pytest.mark.parametrize("quirk", QUIRKS)
async def test_what_is_odd_about_a_stream_is_told(quirk: str) -> None:
    def odd(body: dict[str, Any]) -> Reply:
        return replace(play(body), quirks=[quirk] if body.get("stream") else [], keep_alives=1)

    findings, _ = await probed(odd, contract="generic")
    told = findings.fact("stream").value
    assert isinstance(told, list)
    assert set(told) == {QUIRKS[quirk], "comments (keep-alive)", "reasoning begins empty"}


async def test_calls_without_ids_are_given_some() -> None:
    findings, server = await probed(lambda body: replace(play(body), quirks=["id_missing"]), contract="generic")
    assert findings.fact("retention").value == "all"
    assert all(seen.status == 200 for seen in server.requests[:-1])


async def test_usage_on_the_finish_chunk_is_found_there() -> None:
    findings, _ = await probed(lambda body: replace(play(body), usage_at="finish"), contract="generic")
    assert findings.fact("usage_in_stream").why == "in the chunk with the finish reason"


ON = {"type": "enabled", "keep": "all"}


async def test_each_request_carries_what_the_caller_set_and_none_more_than_the_plan() -> None:
    findings, server = await probed(play, contract="deepseek-v4", target={"body": {"user": "me", "thinking": ON}})
    assert len(server.requests) == findings.requests
    for seen in server.requests:
        body = json.loads(seen.raw)
        assert (body["user"], body["thinking"]["keep"]) == ("me", "all")
    assert findings.body == {"user": "me", "thinking": ON}
    assert findings.fact("off").value == [{"thinking": {"type": "disabled"}}]  # laid over what was set


async def test_only_a_few_answers_are_long() -> None:
    _, server = await probed(play, contract="deepseek-v4")
    caps = [
        seen.body.get("max_tokens") or seen.body.get("max_completion_tokens") for seen in server.requests if seen.body
    ]
    assert caps.count(16) > len(caps) / 2


async def test_a_plan_that_is_spent_sends_nothing() -> None:
    bound = plan(contracts.rows())
    small = Plan([replace(bound.steps[0], times=1)], (), ())
    async with Emulator(play) as server:
        bench = Bench(Target("served", server.base_url), small, None)
        await bench.ask(small.steps[0].what, Ask(TO_SUM))
        with pytest.raises(ProtocolError, match="the plan holds 1 requests"):
            await bench.ask(small.steps[0].what, Ask(TO_SUM))
        assert len(server.requests) == 1


async def test_a_refused_key_ends_the_probe_and_is_not_told() -> None:
    async with Emulator(play, api_key="right") as server:
        target = Target("served", server.base_url, {"Authorization": "Bearer wrong-secret"})
        with pytest.raises(AuthenticationFailed) as raised:
            await probe(target, plan(()))
        assert len(server.requests) == 1
    assert "wrong-secret" not in str(raised.value)
    assert "wrong-secret" not in repr(target)


async def test_a_service_that_is_busy_is_asked_again() -> None:
    answers = [Fault(429, headers={"Retry-After": "0"})]
    findings, server = await probed(lambda body: answers.pop() if answers else play(body), contract="generic")
    assert findings.fact("wire").value == "chat"
    assert [seen.status for seen in server.requests][:2] == [429, 200]


async def test_who_refuses_everything_is_an_error_with_its_words() -> None:
    with pytest.raises(BadRequest, match="no such thing"):
        await probed(lambda _: Fault(400, "no such thing"), contract="generic")


async def test_what_was_found_before_the_service_failed_is_kept() -> None:
    def poor(body: dict[str, Any]) -> Reply | Fault:
        return Fault(402) if "response_format" in body else play(body)

    findings, server = await probed(poor, contract="deepseek-v4")
    assert "402" in findings.broke
    assert findings.fact("retention").value == "sticky-if-tools"
    assert findings.fact("json_mode").why == "the probe did not get that far"
    assert findings.requests == len(server.requests)


async def test_a_model_that_has_to_be_told_is_made_to_call() -> None:
    def shy(body: dict[str, Any]) -> Reply:
        return play(body) if body.get("tool_choice") else Reply("No.", reasoning="I had rather not.")

    findings, _ = await probed(shy, contract="generic")
    assert findings.fact("retention").value == "all"


async def test_nobody_there_is_an_error() -> None:
    with pytest.raises(Unreachable):
        await probe(Target("served", "http://127.0.0.1:9/v1"), plan(()))


async def test_a_wire_that_is_named_is_the_only_one_tried() -> None:
    findings, server = await probed(play, contract="openai-responses", target={"wire": "responses"})
    assert findings.fact("wire").value == "responses"
    assert {seen.path for seen in server.requests} == {"/v1/responses"}


async def test_a_row_holds_what_a_service_says_as_text_that_toml_can_hold() -> None:
    ugly = 'no "reasoning"\\ here\x7f\n[[row]]\n\u2028'
    missing = {"messages": [{"role": "assistant"}]}
    findings, _ = await probed(play, contract="deepseek-v4", target={"body": {"note": ugly, "kept": missing}})
    row = row_of(
        findings, contract_id="mine", base_url="https://h.example/v1", api_key_env="A_KEY", today=date(2026, 1, 2)
    )
    (table,) = tomllib.loads(toml_of(row, findings))["row"]
    assert Contract.model_validate(table) == row
    assert table["body"] == {"note": ugly, "kept": missing}
    assert (table["api_key_env"], table["effective_from"]) == ("A_KEY", "2026-01-02")
    assert table["match"] == {"host": ["127.0.0.1"], "model": ["served"]}


async def test_a_fact_that_is_not_known_is_a_comment_of_the_row() -> None:
    findings, _ = await probed(play, contract="generic")
    row = row_of(
        findings, contract_id="mine", base_url="http://h.example:8080/v1", api_key_env=None, today=date(2026, 1, 2)
    )
    assert "# unknown: refusal: it is asked for nowhere" in toml_of(row, findings)
    assert row.match.host == ("127.0.0.1:8080",)


async def test_a_row_that_differs_is_seen_fact_by_fact() -> None:
    findings, _ = await probed(play, contract="deepseek-v4")
    row = contracts.named("deepseek-v4", date(2026, 11, 22))
    wrong = row.model_copy(
        update={"retention": "turn", "missing": "ignore", "always_stream": True, "wire": "responses"}
    )
    differs = {each.fact.name for each in compare(findings, wrong) if each.agrees is False}
    assert {"retention", "missing", "always_stream", "wire", "carrier", "write"} <= differs
    assert [each.fact.name for each in compare(findings, row)] == list(TITLES)


def test_the_first_word_on_a_fact_stands() -> None:
    notes = Notes()
    notes.found("wire", "chat", "first")
    notes.unknown("wire", "second")
    assert notes.value("wire") == "chat"
    with pytest.raises(KeyError):
        notes.found("colour", "blue", "there is no such fact")


def test_the_plan_is_a_sum_of_its_steps() -> None:
    few, many = plan(()), plan(contracts.rows())
    assert few.requests < many.requests < 90
    assert few.requests == sum(step.times for step in few.steps)
    offs = [json.dumps(switch) for switch in many.switches]
    assert len(offs) == len(set(offs))
    for row in contracts.rows():
        assert row.thinking.off is None or json.dumps(row.thinking.off) in offs

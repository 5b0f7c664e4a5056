"""Dispatch: checks before a call runs, and finding out what became of one."""

import asyncio
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

import anyio
import pytest
from pydantic import Field

from agentkit.core.commands import Go, Hold, Refuse
from agentkit.core.events import CallResolved, ToolFinished, ToolUnknown
from agentkit.core.messages import Text, text_of
from agentkit.errors import ConfigurationError
from agentkit.tools import Outcome, ToolContext, tool
from agentkit.tools.arguments import fingerprint
from agentkit.tools.dispatch import Dispatch, Job

MakeJob = Callable[..., Job]


@tool(effect="read")
async def find_order(order_id: str, day: date | None = None) -> str:
    """Find an order."""
    return f"{order_id} of {day}"


@tool(effect="read")
async def now() -> str:
    """Tell the time."""
    return "noon"


@tool(effect="once", needs_approval=True)
async def refund(ctx: ToolContext[str], order_id: str, amount: int = 1) -> str:
    """Refund an order."""
    return f"{order_id} {amount} {ctx.deps}"


DISPATCH = Dispatch([find_order, now, refund])


def refused(name: str, arguments: str) -> tuple[str, str]:
    verdict = DISPATCH.check("1.1.0", name, arguments, None)
    assert isinstance(verdict, Refuse)
    assert verdict.event.call == "1.1.0"
    return verdict.event.kind, text_of(verdict.event.parts)


def test_specs_stand_in_the_order_given() -> None:
    assert [spec.bound.name for spec in DISPATCH.specs] == ["find_order", "now", "refund"]
    assert DISPATCH.specs[2] == refund.spec


def test_another_session_with_the_same_tools_checks_alike() -> None:
    again = Dispatch([find_order], concurrency=1)
    for raw in ('{"order_id": "7"}', '{"order_id": 7}'):
        assert again.check("1.1.0", "find_order", raw, None) == DISPATCH.check("1.1.0", "find_order", raw, None)


def test_a_good_call_goes_and_one_that_needs_a_yes_is_held() -> None:
    raw = '{"amount": 2, "order_id": "7"}'
    equal = fingerprint({"order_id": "7", "amount": 2})
    assert DISPATCH.check("1.1.0", "refund", raw, None) == Hold(equal)
    assert DISPATCH.check("1.1.0", "find_order", '{"order_id":"7"}', None) == Go(fingerprint({"order_id": "7"}))
    assert (
        DISPATCH.check("1.1.0", "now", "", None) == DISPATCH.check("1.1.1", "now", " {} ", None) == Go(fingerprint({}))
    )


def test_the_models_mistakes_are_results() -> None:
    assert refused("find", "{}") == (
        "unknown_tool",
        "Error: there is no tool named 'find'. The tools are: find_order, now, refund.",
    )
    assert refused("find_order", '{"order_id": 7') == (
        "malformed",
        (
            "Error: the arguments for find_order are not usable JSON: Expecting ',' delimiter at character 14. "
            "Send exactly one JSON object."
        ),
    )
    assert refused("find_order", '{"order_id": 7}') == (
        "schema",
        (
            "Error: the arguments for find_order do not fit its parameters: `order_id` must be a string, not 7. "
            "Mend the arguments and call it again."
        ),
    )
    kind, text = refused("find_order", '{"order_id": "7", "day": "2026-02-30"}')
    assert kind == "schema"
    assert "`day`" in text
    assert refused("find_order", "")[1].count("`order_id` is missing") == 1


def test_parsed_shows_what_can_be_read() -> None:
    assert DISPATCH.parsed("refund", '{"order_id": "7"}') == {"order_id": "7"}
    assert DISPATCH.parsed("gone", '{"a": 1}') == {"a": 1}
    assert DISPATCH.parsed("refund", "[1") == {}


def policy(rule: Callable[..., Any]) -> Dispatch:
    @tool(effect="once", needs_approval=rule)
    async def pay(ctx: ToolContext[int], amount: int, day: date | None = None) -> str:
        return f"{amount} {day} {ctx.deps}"

    return Dispatch([pay])


@pytest.mark.parametrize("rule", [lambda amount: amount > 5, lambda **all_of: all_of["amount"] > all_of["ctx"].deps])
@pytest.mark.parametrize(("amount", "held"), [(5, False), (6, True)])
def test_a_policy_is_asked_with_what_it_names(rule: Callable[..., bool], amount: int, held: bool) -> None:  # noqa: FBT001
    verdict = policy(rule).check("1.1.0", "pay", f'{{"amount": {amount}}}', 5)
    assert isinstance(verdict, Hold) is held


def test_a_policy_of_a_tool_without_context() -> None:
    @tool(effect="idempotent", needs_approval=lambda: True)
    def wipe(table: str) -> str:
        return table

    assert isinstance(Dispatch([wipe]).check("1.1.0", "wipe", '{"table": "x"}', None), Hold)


def test_a_persons_finding_is_shown_like_a_result() -> None:
    assert DISPATCH.result({"paid": True}) == (Text('{"paid":true}'),)


def test_a_policy_gets_converted_values() -> None:
    dispatch = policy(lambda day: day.year > 2025)
    assert isinstance(dispatch.check("1.1.0", "pay", '{"amount": 1, "day": "2026-01-31"}', None), Hold)


def test_a_policy_that_raises_or_answers_nonsense_decides_nothing() -> None:
    with pytest.raises(ZeroDivisionError):
        policy(lambda amount: bool(1 / amount)).check("1.1.0", "pay", '{"amount": 0}', None)
    with pytest.raises(TypeError, match="must return True, False, or the reason"):
        policy(lambda amount: amount).check("1.1.0", "pay", '{"amount": 0}', None)


def plain(order_id: str) -> str:
    return order_id


@pytest.mark.parametrize(
    ("tools", "way_out"),
    [
        ([plain], r'plain is not a tool. Write `@tool\(effect="read"\)`'),
        ([tool(effect="read")], "is not a tool"),
        ([now, now], r"two tools are named 'now'"),
    ],
)
def test_lists_that_cannot_work(tools: list[Any], way_out: str) -> None:
    with pytest.raises(ConfigurationError, match=way_out):
        Dispatch(tools)


@pytest.mark.anyio
async def test_a_vanished_tool_and_arguments_that_no_longer_fit_fail_without_running(make_job: MakeJob) -> None:
    gone = await DISPATCH.run(make_job("gone"))
    assert isinstance(gone, ToolFinished)
    assert gone.failed
    assert "no longer available" in text_of(gone.parts)
    bad = await DISPATCH.run(make_job("refund", {"order_id": 7}, edited=True))
    assert isinstance(bad, ToolFinished)
    assert bad.failed
    assert text_of(bad.parts).startswith("Note: a person changed the arguments")
    assert "must be a string" in text_of(bad.parts)


@pytest.mark.anyio
async def test_half_a_surrogate_pair_goes_through_a_tool(make_job: MakeJob) -> None:
    event = await DISPATCH.run(make_job("find_order", '{"order_id": "\\ud800"}'))
    assert event == ToolFinished("2.1.0", (Text("\ud800 of None"),))


# --- reconcile -------------------------------------------------------------------------------------------------------


def with_check(check: Callable[..., Any], **declared: Any) -> Dispatch:
    async def pay(ctx: ToolContext[str], amount: Annotated[int, Field(gt=0)], day: date = date(2026, 1, 31)) -> str:
        return f"{ctx.deps} {amount} {day}"

    made: Any = tool(effect="once", **declared)(pay)

    @made.reconcile  # type: ignore[untyped-decorator]
    async def was_paid(ctx: ToolContext[str], amount: Annotated[int, Field(gt=0)], day: date) -> Any:
        return await check(ctx, amount, day)

    return Dispatch([made])


@pytest.mark.anyio
async def test_reconcile_finds_the_receipt_with_the_same_arguments(make_job: MakeJob) -> None:
    async def check(ctx: ToolContext[str], amount: int, day: date) -> Outcome[str]:
        return Outcome.happened(f"{ctx.deps} {ctx.idempotency_key} {amount} {day.year}")

    job = make_job("pay", {"amount": 2}, deps="shop", idempotency_key="u/1.1.0", edited=True)
    note = 'Note: a person changed the arguments to {"amount": 2} before the call ran.\n'
    found = await with_check(check).reconcile(job, 12)
    assert found == CallResolved("2.1.0", 12, "happened", "reconcile", "pay", (Text(note + "shop u/1.1.0 2 2026"),), "")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("outcome", "kind", "why"),
    [
        (Outcome.not_happened(), "not_happened", ""),
        (Outcome.unknown(), "unknown", "the reconcile of pay could not tell"),
        ("receipt", "unknown", "the reconcile of pay returned str, no Outcome"),
        (None, "unknown", "the reconcile of pay returned NoneType, no Outcome"),
    ],
)
async def test_other_answers(make_job: MakeJob, outcome: Any, kind: str, why: str) -> None:
    async def check(*_: Any) -> Any:
        return outcome

    found = await with_check(check).reconcile(make_job("pay", {"amount": 2}), 12)
    assert (found.kind, found.why, found.parts) == (kind, why, ())


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ConnectionError("refused"), "raised ConnectionError: refused"),
        (asyncio.CancelledError(), "was cancelled from inside"),
    ],
)
async def test_raising_means_unknown(make_job: MakeJob, error: BaseException, why: str) -> None:
    async def check(*_: Any) -> Any:
        raise error

    found = await with_check(check).reconcile(make_job("pay", {"amount": 2}), 12)
    assert (found.kind, found.why) == ("unknown", f"the reconcile of pay {why}")


@pytest.mark.anyio
@pytest.mark.parametrize("proof", [RuntimeError, Exception])
async def test_a_body_that_is_cut_off_from_inside_proves_nothing(make_job: MakeJob, proof: type[Exception]) -> None:
    @tool(effect="once", no_effect=(proof,))
    async def pay() -> None:
        """Pay."""
        raise asyncio.CancelledError

    event = await Dispatch([pay]).run(make_job("pay"))
    assert isinstance(event, ToolUnknown)


@pytest.mark.anyio
async def test_a_reconcile_that_hangs_is_unknown_after_the_tools_time(make_job: MakeJob) -> None:
    async def check(*_: Any) -> Any:
        await anyio.sleep_forever()

    found = await with_check(check, timeout=0.01).reconcile(make_job("pay", {"amount": 2}), 12)
    assert found.why == "the reconcile of pay took longer than 0.01 s"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("gone", {}, "gone is no longer there"),
        ("refund", {"order_id": "7"}, "refund has no reconcile"),
        ("refund", {"order_id": 7}, "`order_id` must be a string"),
    ],
)
async def test_nobody_to_ask(make_job: MakeJob, name: str, given: dict[str, Any], why: str) -> None:
    found = await DISPATCH.reconcile(make_job(name, given), 12)
    assert (found.kind, found.source, found.by, found.question) == ("unknown", "reconcile", name, 12)
    assert why in found.why

"""`crash_everywhere` finds good tools good, and every kind of broken tool broken, and says why."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

import anyio.lowlevel
import pytest

from agentkit import Outcome, Tool, ToolContext, ToolError, tool
from agentkit.errors import ConfigurationError
from agentkit.testing import EVERYTHING, CrashReport, crash_everywhere

pytestmark = [pytest.mark.anyio, pytest.mark.crash]


class BankClosedError(Exception):
    pass


@dataclass
class Shop:
    """A shop whose bank honours idempotency keys, where it is given one."""

    payments: list[str] = field(default_factory=list)
    receipts: dict[str, str] = field(default_factory=dict)

    async def pay(self, order_id: str, key: str | None = None) -> str:
        await anyio.lowlevel.checkpoint()
        if key is None or key not in self.receipts:
            self.payments.append(order_id)
            if key is not None:
                self.receipts[key] = f"paid {order_id}"
        await anyio.lowlevel.checkpoint()
        return f"paid {order_id}"


async def tried(subject: Tool[Shop, ..., Any], **given: Any) -> CrashReport:
    return await crash_everywhere(subject, {"order_id": "7"}, deps=Shop, effects=lambda shop: shop.payments, **given)


@tool(effect="once", needs_approval=True, timeout=5)
async def refund(ctx: ToolContext[Shop], order_id: str) -> str:
    """Refund an order."""
    return await ctx.deps.pay(order_id, ctx.idempotency_key)


@refund.reconcile
async def was_refunded(ctx: ToolContext[Shop], order_id: str) -> Outcome[str]:
    assert order_id
    receipt = ctx.deps.receipts.get(ctx.idempotency_key)
    return Outcome.happened(receipt) if receipt else Outcome.not_happened()


async def test_refund_is_safe() -> None:
    report = await crash_everywhere(refund, {"order_id": "7"}, deps=Shop, effects=lambda shop: shop.payments)
    assert report.safe, str(report)
    assert report.most == 1
    assert len(report.runs) > 50
    assert {run.accident.place for run in report.runs} == {"nowhere", "append", "await"}
    assert report.asked == 0


async def test_a_once_tool_without_reconcile_asks_a_person_and_is_safe() -> None:
    @tool(effect="once")
    async def charge(ctx: ToolContext[Shop], order_id: str) -> str:
        """Charge an order."""
        return await ctx.deps.pay(order_id, ctx.idempotency_key)

    report = await tried(charge)
    assert report.safe, str(report)
    assert report.asked > 5


async def test_an_idempotent_tool_that_uses_its_key_is_safe() -> None:
    @tool(effect="idempotent", timeout=5)
    async def charge(ctx: ToolContext[Shop], order_id: str) -> str:
        """Charge an order."""
        return await ctx.deps.pay(order_id, ctx.idempotency_key)

    report = await tried(charge)
    assert report.safe, str(report)
    assert report.asked == 0


async def test_a_tool_that_reads_is_safe() -> None:
    @tool(effect="read", timeout=5)
    async def look(ctx: ToolContext[Shop], order_id: str) -> str:
        """Look at an order."""
        await anyio.lowlevel.checkpoint()
        return f"{order_id}: {ctx.deps.payments}"

    report = await tried(look)
    assert report.safe, str(report)
    assert report.most == 0


async def test_a_synchronous_tool_can_be_tried() -> None:
    @tool(effect="once")
    def charge(ctx: ToolContext[Shop], order_id: str) -> str:
        """Charge an order."""
        if ctx.idempotency_key not in ctx.deps.receipts:
            ctx.deps.payments.append(order_id)
            ctx.deps.receipts[ctx.idempotency_key] = "paid"
        return "paid"

    report = await tried(charge)
    assert report.safe, str(report)


async def test_a_tool_that_ignores_its_key_is_found() -> None:
    @tool(effect="idempotent")
    async def charge(ctx: ToolContext[Shop], order_id: str) -> str:
        """Charge an order."""
        return await ctx.deps.pay(order_id)

    report = await tried(charge)
    assert not report.safe
    assert report.most == 2
    assert "always with the key A: it does not hand its idempotency key on" in str(report)
    assert "killed at await 2 of the tool's code (a person who tells the truth)" in [str(run) for run in report.broken]


async def test_a_tool_that_cannot_know_its_key_is_found() -> None:
    shop = Shop()

    @tool(effect="idempotent")
    async def charge(order_id: str) -> str:
        """Charge an order."""
        return await shop.pay(order_id)

    def fresh() -> Shop:
        shop.payments.clear()
        return shop

    report = await crash_everywhere(charge, {"order_id": "7"}, deps=fresh, effects=lambda world: world.payments)
    assert "it takes no ToolContext, so it has no idempotency key" in str(report)


@pytest.mark.parametrize("lie", ["happened", "not_happened"])
async def test_a_reconcile_that_lies_is_found(lie: str) -> None:
    @tool(effect="once")
    async def charge(ctx: ToolContext[Shop], order_id: str) -> str:
        """Charge an order."""
        return await ctx.deps.pay(order_id)

    @charge.reconcile
    async def was_charged(ctx: ToolContext[Shop], order_id: str) -> Outcome[str]:
        assert ctx.session_id
        return Outcome.happened(order_id) if lie == "happened" else Outcome.not_happened()

    report = await tried(charge)
    assert not report.safe
    other = "and it had not happened" if lie == "happened" else "and it had happened"
    assert any(f"reconcile said {lie}, {other}" in cause for cause in report.causes), report
    if lie == "not_happened":
        assert report.most == 2
    else:
        assert "the journal says that it happened, and it did not" in report.causes


async def test_an_effect_declared_read_is_found() -> None:
    @tool(effect="read")
    async def look(ctx: ToolContext[Shop], order_id: str) -> str:
        """Look at an order, they said."""
        return await ctx.deps.pay(order_id, ctx.idempotency_key)

    report = await tried(look)
    assert not report.safe
    assert "declared `read` and changes the world" in str(report)
    assert len(report.runs) == 1


async def test_a_no_effect_class_that_lies_is_found() -> None:
    @tool(effect="once", no_effect=(BankClosedError,))
    async def charge(ctx: ToolContext[Shop], order_id: str) -> str:
        """Charge an order; take any trouble for a closed bank."""
        try:
            return await ctx.deps.pay(order_id, ctx.idempotency_key)
        except ConnectionError as error:
            raise BankClosedError from error

    report = await tried(charge)
    assert not report.safe
    assert [cause for cause in report.causes if "its code raised BankClosedError" in cause], report
    assert {run.accident.what for run in report.broken} == {"connection lost"}


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_no_effect_class_that_lies_is_found_where_nothing_is_awaited(kind: str) -> None:
    async def charge(ctx: ToolContext[Shop], order_id: str) -> str:
        """Charge an order through a client that blocks."""
        ctx.deps.payments.append(order_id)
        return "paid"

    def charge_blocking(ctx: ToolContext[Shop], order_id: str) -> str:
        """Charge an order."""
        ctx.deps.payments.append(order_id)
        return "paid"

    told = tool(effect="once", no_effect=(ConnectionError,))
    subject = told(charge) if kind == "async" else told(charge_blocking)
    report = await tried(subject, accidents=["connection lost"])
    assert [cause for cause in report.causes if "its code raised ConnectionError" in cause], report


async def test_a_tool_that_remembers_its_keys_in_its_process_is_found() -> None:
    done: dict[str, str] = {}

    @tool(effect="idempotent")
    async def charge(ctx: ToolContext[Shop], order_id: str) -> str:
        """Charge an order; a killed process forgets that it did."""
        if ctx.idempotency_key not in done:
            done[ctx.idempotency_key] = await ctx.deps.pay(order_id)
        return done[ctx.idempotency_key]

    report = await tried(charge, accidents=["killed"])
    assert "it remembers its key in `done`, in the memory of its process" in str(report)

    def fresh() -> dict[str, str]:
        done.clear()
        return done

    @tool(effect="idempotent")
    async def bank(ctx: ToolContext[dict[str, str]], order_id: str) -> str:
        """Charge an order at a bank that is a dictionary."""
        return done.setdefault(ctx.idempotency_key, order_id)

    report = await crash_everywhere(bank, {"order_id": "7"}, deps=fresh, effects=lambda _: done)
    assert report.safe, report


async def test_a_tool_error_after_the_effect_is_found() -> None:
    @tool(effect="once")
    async def charge(ctx: ToolContext[Shop], order_id: str) -> str:
        """Charge an order; tell the model that it did not work."""
        try:
            return await ctx.deps.pay(order_id, ctx.idempotency_key)
        except ConnectionError:
            raise ToolError("the bank did not answer") from None

    assert [cause for cause in (await tried(charge)).causes if "its code raised ToolError" in cause]


async def test_a_tool_that_tries_again_by_itself_is_found() -> None:
    @tool(effect="once")
    async def charge(ctx: ToolContext[Shop], order_id: str) -> str:
        """Charge an order; three times, if need be."""
        for _ in range(2):
            try:
                return await ctx.deps.pay(order_id)
            except ConnectionError:
                continue
        return await ctx.deps.pay(order_id)

    report = await tried(charge, accidents=["connection lost"])
    assert not report.safe
    assert "one start did all of it; it tries again by itself" in str(report)


async def test_a_promise_that_a_frozen_process_breaks_is_found() -> None:
    """It had not happened when reconcile looked; without a key nobody can promise that it will not."""

    @tool(effect="once")
    async def charge(ctx: ToolContext[Shop], order_id: str) -> str:
        """Charge an order."""
        return await ctx.deps.pay(order_id)

    @charge.reconcile
    async def was_charged(ctx: ToolContext[Shop], order_id: str) -> Outcome[str]:
        return Outcome.happened("paid") if order_id in ctx.deps.payments else Outcome.not_happened()

    report = await tried(charge)
    assert {run.accident.what for run in report.broken} == {"frozen"}
    rest = [what for what in EVERYTHING if what != "frozen"]
    assert (await tried(charge, accidents=rest)).safe


async def test_a_call_that_proves_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"an undisturbed call of refund did not work .*order_id"):
        await crash_everywhere(refund, {"order": "7"}, deps=Shop, effects=lambda shop: shop.payments)
    with pytest.raises(ConfigurationError, match=r"an undisturbed call of refund \(once\) took no effect"):
        await crash_everywhere(refund, {"order_id": "7"}, deps=Shop, effects=lambda _: [])


async def test_effects_may_be_a_counter_and_a_world_may_be_opened() -> None:
    class Opened(Shop):
        open = False

        async def __aenter__(self) -> Self:
            self.open = True
            return self

        async def __aexit__(self, *_: object) -> None:
            self.open = False

    async def counted(shop: Opened) -> Counter[str]:
        assert shop.open
        return Counter(shop.payments)

    @tool(effect="idempotent")
    async def charge(ctx: ToolContext[Opened], order_id: str) -> str:
        """Charge an order."""
        return await ctx.deps.pay(order_id)

    report = await crash_everywhere(charge, {"order_id": "7"}, deps=Opened, effects=counted, accidents=["killed"])
    assert report.most == 2

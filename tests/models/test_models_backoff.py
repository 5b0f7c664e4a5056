"""One back-off for all who ask an endpoint: a crowd that is refused does not become a crowd that asks again."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest

from agentkit import Agent, MemoryJournal, Model, Session
from agentkit.core.contract import Contract
from agentkit.core.messages import Text, UserMessage
from agentkit.core.request import Sending
from agentkit.emulator import Emulator, Fault, Reply
from agentkit.errors import BadRequest, Overloaded, RateLimited
from agentkit.models import wire
from agentkit.models.base import Answered, Body
from agentkit.models.base import Reply as Given
from agentkit.models.endpoint import connection
from agentkit.models.retry import Gate, NotYet, Patience, Turn, patiently

pytestmark = pytest.mark.anyio

SESSIONS = 50
BODY = Body(b'{"model":"m"}', [wire.encode(Sending(UserMessage((Text("hey"),))), Contract(id="row"))])


class Limit:
    """A service that is busy for so long from its first request on; it counts whom it refuses."""

    def __init__(self, seconds: float, fault: Fault) -> None:
        self.seconds, self.fault = seconds, fault
        self.until: float | None = None
        self.refused = 0

    def __call__(self, _: dict[str, Any]) -> Reply | Fault:
        now = anyio.current_time()
        self.until = now + self.seconds if self.until is None else self.until
        if now < self.until:
            self.refused += 1
            return self.fault
        return Reply("Hi")


async def crowd(limit: Limit, spread: float = 0.0) -> list[str]:
    """Run many sessions at once, each begun within `spread` seconds; return what they got."""
    answers: list[str] = []
    async with Emulator(limit, contract="generic") as server:
        agent = Agent(Model("m", base_url=server.base_url, contract="generic"))

        async def one(number: int) -> None:
            await anyio.sleep(spread * number / SESSIONS)
            async with Session[None, str](agent, f"s{number}", journal=MemoryJournal()) as session:
                answers.append((await session.run("go")).output)

        async with anyio.create_task_group() as tasks:
            for number in range(SESSIONS):
                tasks.start_soon(one, number)
    return answers


async def test_of_a_crowd_that_is_refused_one_asks_again_for_all() -> None:
    limit = Limit(2.6, Fault(429, headers={"Retry-After": "1"}))  # each alone would ask three times in vain
    answers = await crowd(limit)
    assert answers == ["Hi"] * SESSIONS
    assert SESSIONS <= limit.refused <= SESSIONS + 5  # all had gone before the first refusal came


async def test_who_comes_while_others_are_refused_does_not_ask_at_all() -> None:
    limit = Limit(1.0, Fault(429, headers={"Retry-After": "1"}))
    answers = await crowd(limit, spread=0.8)
    assert answers == ["Hi"] * SESSIONS
    assert limit.refused <= SESSIONS // 2  # but for those that had gone before the first refusal came


def too_many(text: str = "busy") -> RateLimited:
    return RateLimited(text, status=429)


async def served(gate: Gate, play: Callable[[], Any], patience: Patience) -> Any:
    """Ask once through a gate; `play` raises or returns what the service says."""
    turn = Turn(gate)

    async def ask() -> Any:
        async with turn:
            await anyio.sleep(0.01)
            return play()

    return await patiently(ask, patience, turn)


async def test_what_one_is_refused_counts_for_all_who_wait_so_nobody_waits_for_ever() -> None:
    gate, asked, failed = Gate(), 0, 0

    def play() -> None:
        nonlocal asked
        asked += 1
        raise NotYet(too_many(), 0.1)

    async def one() -> None:
        nonlocal failed
        with pytest.raises(RateLimited, match="busy"):
            await served(gate, play, Patience(attempts=4))
        failed += 1

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(one)
    assert failed == 20
    assert asked == 20 + 3


async def test_behind_a_success_the_queue_comes_back_by_doubling() -> None:
    gate, now, most = Gate(), 0, list[int]()
    gate.close(0.05, too_many(), gate.closings, asked=True)

    async def one() -> None:
        nonlocal now
        async with Turn(gate):
            now += 1
            most.append(now)
            await anyio.sleep(0.05)
            now -= 1

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(one)
    assert most[0] == 1
    assert max(most[:3]) == 2
    assert max(most[:7]) <= 4
    assert max(most) > 4


async def test_waiting_at_the_gate_can_be_cancelled_and_one_that_is_gone_is_not_waited_for() -> None:
    gate = Gate()
    gate.close(60, too_many(), gate.closings, asked=True)
    with anyio.move_on_after(0.1) as scope:
        await served(gate, lambda: "never", Patience())
    assert scope.cancelled_caught
    other = Gate()
    other.close(0, too_many(), other.closings, asked=True)
    with anyio.move_on_after(0.005) as scope:
        await served(other, lambda: "never", Patience())
    assert scope.cancelled_caught
    with anyio.fail_after(1):
        assert await served(other, lambda: "done", Patience()) == "done"


async def test_only_what_all_would_hear_closes_the_gate() -> None:
    for error, wait, closed in ((Overloaded("x"), None, 0), (Overloaded("x"), 0.0, 1), (too_many(), None, 1)):
        gate, plays = Gate(), [NotYet(error, wait), None]

        def play(plays: list[Any] = plays) -> str:
            if (raised := plays.pop(0)) is not None:
                raise raised
            return "done"

        assert await served(gate, play, Patience(first=0.01)) == "done"
        assert gate.closings == closed
        assert gate.refusals == 0


async def test_a_final_refusal_lets_the_others_in() -> None:
    gate = Gate()
    gate.close(0, too_many(), gate.closings, asked=True)

    def play() -> None:
        raise BadRequest("no")

    with pytest.raises(BadRequest):
        await served(gate, play, Patience())
    assert gate.refusals == 0


async def test_another_key_and_another_model_do_not_wait_for_this_one(serving: Any, http: Any) -> None:
    busy = http(b'{"error":{"message":"slow down"}}', status="429 Too Many", headers="Retry-After: 30\r\n")
    fine = http(b'{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}')
    async with serving(busy, fine) as server:

        async def ask(name: str, key: str) -> Given:
            model = Model(name, base_url=server.base_url, api_key=key)
            return await model.call(BODY, model.resolve(), None)

        with anyio.move_on_after(0.3) as scope:
            await ask("m", "one")
        assert scope.cancelled_caught
        for name, key in (("m", "two"), ("other", "one")):
            with anyio.fail_after(2):
                assert isinstance(await ask(name, key), Answered)
        with anyio.move_on_after(0.2) as scope:
            await ask("m", "one")
        assert scope.cancelled_caught
        assert len(server.heard) == 3


async def test_the_longest_wait_that_a_service_asks_for_counts_and_older_news_do_not() -> None:
    gate = Gate()
    went = gate.closings
    gate.close(0.1, too_many(), went, asked=False)
    gate.close(30, too_many(), went, asked=False)  # refused in the same moment: it says nothing new
    assert 0 < gate.wait() <= 0.1
    gate.close(20, too_many(), went, asked=True)
    assert 19 < gate.wait() <= 20
    assert (gate.closings, gate.refusals) == (1, 1)
    before, gate = Turn(Gate()), Gate()
    before.gate = gate
    async with before:
        gate.close(0, too_many(), gate.closings, asked=True)
    assert gate.refusals == 1  # it went before: that it was let in says nothing about now


async def waited(refusals: int) -> float:
    """Return the sum of twenty waits, each of our own, behind so many refusals of others."""
    total = 0.0

    def play() -> None:
        raise NotYet(too_many())

    for _ in range(20):
        gate = Gate()
        gate.refusals = refusals
        with suppress(RateLimited), anyio.move_on_after(0.02):
            await served(gate, play, Patience(attempts=2, first=0.001, longest=1000))
        total += max(0.0, gate.wait())
    return total


async def test_our_own_waits_grow_with_what_all_were_refused() -> None:
    assert await waited(0) < 1
    assert await waited(14) > 10


async def test_who_waits_at_the_gate_takes_no_place_of_other_models_and_keys() -> None:
    all_went, busy, heard = anyio.Event(), Fault(429, headers={"Retry-After": "30"}), list[str]()

    def script(request: dict[str, Any]) -> Reply | Fault:
        heard.append(request["model"])
        if len(heard) == most:
            all_went.set()
        return busy if request["model"] == "m" else Reply("Hi")

    async with Emulator(script, contract="generic") as server, anyio.create_task_group() as tasks:
        most = (await connection(server.base_url)).places.max_value or 0

        async def ask(name: str) -> Given:
            model = Model(name, base_url=server.base_url, contract="generic")
            return await model.call(Body(f'{{"model":"{name}"}}'.encode(), BODY.messages), model.resolve(), None)

        for _ in range(2 * most + 10):  # some wait for a place when the gate closes
            tasks.start_soon(ask, "m")
        with anyio.fail_after(10):
            await all_went.wait()
            assert isinstance(await ask("other"), Answered)
        assert heard == ["m"] * most + ["other"]
        tasks.cancel_scope.cancel()

"""Sub-agents: an agent as a tool of another. Its call is a session of its own, in the journal of the one that calls.

The session's id is the call's key, so running it again is resuming: nothing recorded there is paid or done twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from agentkit.core.deltas import Delta
from agentkit.core.events import ModelResponded
from agentkit.core.record import Record
from agentkit.core.sharing import used_by
from agentkit.core.state import Phase
from agentkit.core.values import dataclass
from agentkit.errors import AgentkitError, ConfigurationError, JournalError, SessionErased, ToolError
from agentkit.recorder import Recorder
from agentkit.result import Result
from agentkit.session import Session, as_call
from agentkit.tools.child import Above, Calling, ChildTool, Rested, Waits
from agentkit.tools.context import ToolContext
from agentkit.tools.decorator import tool
from agentkit.tools.tool import NeedsApproval, Tool

if TYPE_CHECKING:
    from agentkit.agent import Agent

DEEPEST = 5  # agents below one another, the topmost not counted
_TASK = "What it is to do, and everything it has to know for that: it sees nothing of this conversation."


@dataclass(frozen=True)
class SubAgent:
    """An agent that is called as a tool. `name`: the tool's. `deps`: makes its deps of the caller's."""

    name: str
    agent: "Agent[Any, Any]"
    deps: Callable[[Any], Any]

    async def call(
        self, task: Annotated[str, Field(min_length=1, description=_TASK)], ctx: ToolContext[Any]
    ) -> Rested | Waits:
        """Run the child session until it rests, or end it where the caller's turn is to end."""
        if not isinstance(ctx, Calling) or ctx.above is None:
            raise ToolError(f"Error: {self.name} is an agent: it can only be called in a session.")
        head = await ctx.above.journal.head(ctx.session_id)
        limits = await self._limits(ctx.above, ctx.idempotency_key)
        session = Session[Any, Any](
            replace(self.agent, limits=limits),
            ctx.idempotency_key,
            journal=ctx.above.journal,
            deps=self.deps(ctx.deps),
        )
        recorder = as_call(session, ctx.session_id, head.agent if head else self.agent.name, ctx.above.inherited)
        async with session:
            # Cut off by a cancel, the call is started once more, and finds that its turn is to end.
            return await self._ended(session, recorder, ctx.above) or await self._run(session, recorder, task, ctx)

    async def _limits(self, above: Above, session_id: str) -> Any:
        """Return what the child may use; one that has begun keeps what it was given then."""
        recorder = Recorder(above.journal, session_id)
        await recorder.load()
        bound = recorder.state.bound
        return above.shared(self.agent.limits) if bound is None else bound.limits

    async def _ended(self, session: Session[Any, Any], recorder: Recorder, above: Above) -> Rested | Waits | None:
        """End the child's turn where the caller's is to end; None where it is not.

        It stays open while the outcome of a call in it is unknown, and so does the caller's: else nobody was asked.
        """
        why = above.ending()
        if not why:
            return None
        await session.cancel(by=f"the session that called it ({why})")
        if recorder.state.phase is not Phase.IDLE:
            return Waits(session.id)
        did = " What it had done by then is done." if recorder.state.tool_calls else ""
        return Rested(f"Not finished: {why}.{did}", used_by(session.id, recorder.state), failed=True)

    async def _run(self, session: Session[Any, Any], recorder: Recorder, task: str, ctx: Calling) -> Rested | Waits:
        try:
            with session._subscribed(_Telling(self.name, ctx.on_progress)):  # noqa: SLF001 - what `stream` does
                result = await session.run(task, id="task")
        except SessionErased:
            return Rested(f"Error: what {self.name} did was erased.", used_by(session.id, recorder.state), failed=True)
        except JournalError:
            return Waits(session.id)  # it stays open, and the next drive of the caller goes on with it
        except AgentkitError as error:
            text = f"Error: {self.name} failed, and could not finish its task: {error}"
            return Rested(text, used_by(session.id, recorder.state), failed=True, detail=type(error).__name__)
        if result.status == "waiting":
            return Waits(session.id)
        return self._told(result, recorder)

    def _told(self, result: Result[Any], recorder: Recorder) -> Rested:
        used = used_by(result.session_id, recorder.state)
        if result.status == "completed":
            return Rested(result.text, used)
        last = f" Its last words: {result.text}" if result.text else ""
        return Rested(f"Error: {self.name} stopped before it was done: {result.reason}.{last}", used, failed=True)


@dataclass(frozen=True)
class _Telling:
    """Tells whoever watches the caller what the child is doing."""

    name: str
    tell: Callable[[str], None]

    def __call__(self, news: Record | Sequence[Delta]) -> None:
        if isinstance(news, Record):
            if isinstance(news.event, ModelResponded) and news.event.message.calls:
                names = ", ".join(call.name for call in news.event.message.calls)
                self.tell(f"{self.name} calls {names}")
            return
        for delta in news:
            if delta.kind == "progress":
                self.tell(f"{self.name}: {delta.text}")


def _same(deps: Any) -> Any:
    return deps


def tool_of(
    agent: "Agent[Any, Any]",
    told: tuple[str | None, str | None],
    deps: Callable[[Any], Any] | None,
    needs_approval: NeedsApproval,
    result_limit: int | None,
) -> ChildTool[Any]:
    """Return an agent as a tool; `told`: the name and the description for the model, None: made of the agent.

    Raises:
        ConfigurationError: its name cannot be a tool's, or agents are nested too deep.
    """
    if depth(agent) > DEEPEST:
        raise ConfigurationError(
            f"agent {agent.name!r}: sub-agents are nested more than {DEEPEST} deep. Give one of them the tools itself."
        )
    name = told[0] or agent.name
    below = SubAgent(name, agent, deps or _same)
    made: Tool[Any, ..., Any] = tool(
        effect="idempotent",
        name=name,
        description=told[1] or f"Hand a task to {agent.name}, an agent of its own, and get its answer.",
        needs_approval=needs_approval,
        result_limit=result_limit,
        untrusted=any(each.declared.untrusted for each in agent.tools),
    )(below.call)
    child: ChildTool[Any] = ChildTool(made.function, made.declared, made.inputs)
    child.agent, child.deps = agent, below.deps
    return child


def depth(agent: "Agent[Any, Any]") -> int:
    """Return how many agents stand below one another from here, this one included."""
    return 1 + max((depth(each.agent) for each in agent.tools if isinstance(each, ChildTool)), default=0)


def asking(agent: "Agent[Any, Any]") -> list[str]:
    """Return the names of the tools, its sub-agents' included, that may need approval."""
    names = [each.name for each in agent.tools if each.declared.needs_approval is not False]
    return names + [name for each in agent.tools if isinstance(each, ChildTool) for name in asking(each.agent)]

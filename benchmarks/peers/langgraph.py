"""LangGraph: LangChain's `create_agent` with `ChatDeepSeek(api_base=…)` of langchain-deepseek, `ainvoke`.

LangSmith tracing is off (the default); the recursion limit would end a long session and is lifted. Recording:
`AsyncSqliteSaver` with its defaults.
"""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain_deepseek import ChatDeepSeek
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from benchmarks.peers.shape import FOREVER, KEY, MODEL, QUESTION, Driver, look_up, serve

_ASKED = {"messages": [{"role": "user", "content": QUESTION}]}
_FOREVER = {"recursion_limit": FOREVER}
_RECORDED = {**_FOREVER, "configurable": {"thread_id": "recorded"}}


class LangGraph(Driver):
    """Runs of one agent."""

    async def aim(self, url: str, _stack: AsyncExitStack) -> None:
        """Make the client and the agent."""
        self._model: Any = ChatDeepSeek(model=MODEL, api_base=url, api_key=KEY, max_retries=0, timeout=600)
        self._agent: Any = self.construct([look_up])

    async def hold(self) -> str:
        """Run the agent."""
        state = await self._agent.ainvoke(_ASKED, _FOREVER)
        return str(state["messages"][-1].content)

    async def stream(self) -> str:
        """Run the agent, the model's messages being streamed."""
        pieces = self._agent.astream(_ASKED, _FOREVER, stream_mode="messages")
        return "".join([chunk.content async for chunk, _ in pieces if isinstance(chunk.content, str)])

    def construct(self, tools: list[Any]) -> object:
        """Make an agent."""
        return create_agent(self._model, tools=tools)

    async def record(self, folder: Path) -> str:
        """Run the agent with its saver in SQLite."""
        async with AsyncSqliteSaver.from_conn_string(str(folder / "checkpoints.db")) as saver:
            agent: Any = create_agent(self._model, tools=[look_up], checkpointer=saver)
            state = await agent.ainvoke(_ASKED, _RECORDED)
        return str(state["messages"][-1].content)

    async def reopen(self, folder: Path) -> int:
        """Read the state."""
        async with AsyncSqliteSaver.from_conn_string(str(folder / "checkpoints.db")) as saver:
            agent: Any = create_agent(self._model, tools=[look_up], checkpointer=saver)
            state = await agent.aget_state(_RECORDED)
        return len(state.values["messages"])


SIDE = LangGraph

if __name__ == "__main__":
    serve(SIDE())

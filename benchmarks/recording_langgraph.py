"""One worker of LangGraph: `PYTHON recording_langgraph.py LAYER FILE SYNCHRONOUS WORKER SESSIONS STEPS`.

In an environment of its own, and without agentkit. The same rounds as `recording`, with its own documented means: a
graph of `MessagesState` with a node for the model and one for the tool, and `SqliteSaver`. Layers: `sync` and `async`,
whole sessions with a model in process, with that durability (sync: a step is written before the next begins, as
agentkit does; async: the default); `alone`, only what such a session makes the saver write.
"""

import copy
import json
import sqlite3
import sys
import time
from collections.abc import Callable
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph

QUESTION = "Read the whole book, page by page, and say when you are done."
THINKING = "The next page has to be looked up, and after it the one behind it. " * 4
SIZE = 1_000  # bytes of a tool's result


def built(steps: int) -> Any:
    """Return the graph of a session of so many steps."""

    def model(state: MessagesState) -> dict[str, Any]:
        page = (len(state["messages"]) + 1) // 2
        said: dict[str, Any] = {"content": "Done."}
        if page < steps:
            call = {"id": f"call_00_{page:022d}", "name": "look_up", "args": {"page": page, "size": SIZE}}
            said = {"content": "", "tool_calls": [call]}
        return {"messages": [AIMessage(additional_kwargs={"reasoning_content": THINKING}, **said)]}

    def tools(state: MessagesState) -> dict[str, Any]:
        call = state["messages"][-1].tool_calls[0]
        text = f"{call['args']['page']:0{call['args']['size']}d}"
        return {"messages": [ToolMessage(text, tool_call_id=call["id"], name="look_up")]}

    graph = StateGraph(MessagesState)
    graph.add_node("model", model)
    graph.add_node("tools", tools)
    graph.add_edge(START, "model")
    graph.add_conditional_edges(
        "model", lambda state: "tools" if state["messages"][-1].tool_calls else END, ["tools", END]
    )
    graph.add_edge("tools", "model")
    return graph


class Listening(SqliteSaver):  # type: ignore[misc]
    """Keeps what it is asked to write."""

    heard: list[tuple[str, tuple[Any, ...]]]

    def put(self, *given: Any) -> Any:
        """Write a checkpoint, and keep it."""
        self.heard.append(("put", copy.deepcopy(given)))
        return super().put(*given)

    def put_writes(self, *given: Any) -> None:
        """Write what a node wrote, and keep it."""
        self.heard.append(("put_writes", copy.deepcopy(given)))
        super().put_writes(*given)


def whole(saver: SqliteSaver, steps: int, durability: str) -> Callable[[str], None]:
    """Return what holds a session."""
    graph = built(steps).compile(checkpointer=saver)

    def one(name: str) -> None:
        config = {"configurable": {"thread_id": name}, "recursion_limit": 10 * steps}
        found = graph.invoke({"messages": [HumanMessage(QUESTION)]}, config, durability=durability)
        if len(found["messages"]) != 2 * steps:
            raise RuntimeError(f"{len(found['messages'])} messages of {2 * steps}")

    return one


def alone(saver: SqliteSaver, steps: int) -> Callable[[str], None]:
    """Return what writes a session as it was written once, and does nothing else."""
    listening = Listening(sqlite3.connect(":memory:", check_same_thread=False))
    listening.heard = []
    whole(listening, steps, "sync")("heard")

    def one(name: str) -> None:
        for method, (config, *rest) in listening.heard:
            named = {"configurable": {**config["configurable"], "thread_id": name}}
            getattr(saver, method)(named, *rest)

    return one


def main() -> None:
    """Hold that many sessions in each round, one behind the other."""
    layer, path, synchronous, worker, *numbers = sys.argv[1:]
    sessions, steps = map(int, numbers)
    connection = sqlite3.connect(path, check_same_thread=False, timeout=30)
    saver = SqliteSaver(connection)
    saver.setup()  # switches to WAL
    connection.execute(f"pragma synchronous = {synchronous}")
    one = alone(saver, steps) if layer == "alone" else whole(saver, steps, layer)
    one(f"{worker}.warm")
    print("ready", flush=True)
    for line in sys.stdin:
        names = [f"{worker}.{line.strip()}.{n}" for n in range(sessions)]
        start, cpu = time.monotonic(), time.process_time()
        for name in names:
            one(name)
        told = [start, time.monotonic(), time.process_time() - cpu]
        count = "select count(*) from checkpoints where thread_id = ?"
        if any(connection.execute(count, (name,)).fetchone()[0] < 2 * steps for name in names):
            raise RuntimeError(f"{worker}: checkpoints are missing")
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()

"""Hello: an agent with one tool. Without DEEPSEEK_API_KEY a scripted model stands in, so that it always runs."""

import os

import anyio

from agentkit import Agent, ScriptedModel, tool
from agentkit.messages import AssistantMessage, ToolCall


@tool(effect="read")
def find_order(order_id: str) -> str:
    """Look up one of the customer's orders."""
    return f"Order {order_id} left our warehouse this morning."


if __name__ == "__main__":
    asks = AssistantMessage(calls=(ToolCall("1", "find_order", '{"order_id": "7"}'),))
    scripted = ScriptedModel(asks, "Your order 7 is on its way: it left our warehouse this morning.")
    # Any OpenAI-compatible server will do as well: Model("qwen3:8b", base_url="http://127.0.0.1:11434/v1")
    agent = Agent("deepseek-flash" if os.getenv("DEEPSEEK_API_KEY") else scripted, tools=[find_order])
    print(anyio.run(agent.run, "Where is order 7?").output)

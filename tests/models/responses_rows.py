"""Rows that speak Responses, for the tests of that wire alone: the shipped table has its own tests."""

from agentkit.core.contract import ITEMS, Carrier, Contract, Thinking

SEALED = Contract(
    id="sealed",
    wire="responses",
    body={"store": False, "include": ["reasoning.encrypted_content"]},
    system_role="developer",
    carrier=Carrier(read=(), write=ITEMS),
    on_model_switch="drop",
    thinking=Thinking(effort_key="reasoning.effort"),
    token_limit_key="max_output_tokens",  # noqa: S106 - the name of a body field
)
READABLE = Contract(
    id="readable",
    wire="responses",
    carrier=Carrier(read=(), write=ITEMS),
    retention="sticky-if-tools",
    missing="error",
    empty="placeholder",
    placeholder=" ",
    thinking=Thinking(effort_key="reasoning.effort"),
    token_limit_key="max_output_tokens",  # noqa: S106 - the name of a body field
)

"""agentkit_tools: ready-made tools, a module for each need.

The law of this folder: it is written with agentkit's public names only, as your own tools are. Every module has
`tools(...) -> tuple[Tool, ...]` and says in its docstring what the model can reach with them, and what it cannot. What
the person gives to `tools(...)` is believed; what the model gives is not: it is checked where it is used, not before.
A refusal is a `ToolError` that says what is allowed. Every result has a limit. `import agentkit_tools` loads nothing.
"""

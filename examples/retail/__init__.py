"""The desk of an online shop: an agent with sixteen tools on a real SQLite database.

The law of this folder: the shop (`shop`, `reading`, `payments`, `pending`, `delivered`, `customers`) knows nothing of
models, and of agentkit only `ToolError`; the tools are thin; `desk` puts the two together. A rule of the shop is
checked before anything is written, and every change leaves its row in `change_log` in the transaction that makes it.
"""

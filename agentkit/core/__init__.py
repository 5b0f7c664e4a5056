"""The pure core: what a session is, and what follows from what happened.

Law: no clock, no randomness, no ids, no environment, no I/O, no `async`. Everything here is a frozen value or a
function of frozen values. Time and ids are stamped by the journal; the driver performs what `commands` says is owed.
It imports `agentkit.errors`, pydantic and the standard library, and nothing else.
"""

"""One driver for each side: the same sessions, held by each peer's own recommended path for DeepSeek.

Law: a driver runs in its side's own environment and prints JSON lines; its docstring tells how the peer is configured
and is printed in the results. Nothing that would slow a peer down is switched on: no tracing, no telemetry, no logging,
its fastest documented async path, one client for all sessions with long time-outs. What all share is in `shape`.
"""

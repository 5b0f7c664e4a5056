"""Names made outside the core: of sessions, messages and processes."""

import os
import secrets
import socket
import time
from uuid import UUID


def uuid7() -> str:
    """Return a new UUIDv7 (RFC 9562, section 5.7): 48 bits of milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    bits = (milliseconds << 80) | secrets.randbits(80)
    bits = bits & ~(0xF << 76) | (0x7 << 76)
    return str(UUID(int=bits & ~(0x3 << 62) | (0x2 << 62)))


def message_id() -> str:
    """Return an id for a message that was given none."""
    return f"m-{secrets.token_hex(8)}"


def process_name() -> str:
    """Return this process's name for people: host and pid."""
    return f"{socket.gethostname()}:{os.getpid()}"

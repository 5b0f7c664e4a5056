"""`python -m agentkit.emulator`: the emulator as a process of its own."""

import sys

from agentkit.emulator.command import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))

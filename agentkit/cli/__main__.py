"""`python -m agentkit.cli`: the command line where the script `agentkit` is not on the path."""

import sys

from agentkit.cli import main

if __name__ == "__main__":
    sys.exit(main())

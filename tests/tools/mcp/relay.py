"""What the conformance runner starts as its client: it hands scenario and URL to the test, which is the client.

So four scenarios cost no four starts of Python with everything that agentkit and the SDK load.
"""

import os
import socket
import sys

with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as test:
    test.sendall(f"{os.environ['MCP_CONFORMANCE_SCENARIO']} {sys.argv[2]}\n".encode())
    sys.exit(test.recv(100) != b"done")

"""The proof: would today's code have sent the same bytes, and today's tools and model have said the same?

Nothing here writes to a journal, and a tool that is not `read` never runs.
"""

from agentkit.proof.found import Compared, Live, Replay
from agentkit.proof.replaying import replay, would_ask

__all__ = ["Compared", "Live", "Replay", "replay", "would_ask"]

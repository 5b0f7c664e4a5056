"""Who is compared: the floors, agentkit on each transport, and the peers; what each needs to be installed."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["floor", "agentkit", "peer"]


@dataclass(frozen=True, slots=True)
class Home:
    """An environment of its own: its folder's name and what is installed in it.

    `own` is an extra of this project, whose dependencies are installed too: `""` for what it always needs, None: none.
    `loop`: the event loop that its sides run on.
    """

    name: str
    requires: tuple[str, ...] = ()
    own: str | None = None
    loop: Literal["asyncio", "uvloop"] = "asyncio"


@dataclass(frozen=True, slots=True)
class Side:
    """One side: its driver in `benchmarks.peers`, what it is called, where it runs, and what a user imports first."""

    driver: str
    title: str
    kind: Kind
    home: Home
    package: str = ""

    @property
    def key(self) -> str:
        """Its name in the results."""
        return f"{self.driver}@{self.home.name}" if self.kind != "peer" else self.driver


PLAIN = Home("plain", ("httpx2>=2.12,<3",), own="")
FAST = Home("fast", ("openai[aiohttp]>=3,<4", "httpx2>=2.12,<3"), own="fast", loop="uvloop")
LANGGRAPH = Home(
    "langgraph",
    (
        "langchain==1.4.7",
        "langgraph==1.2.22",
        "langchain-openai==1.7.3",
        "langchain-deepseek==1.1.1",
        "langgraph-checkpoint-sqlite==3.1.2",
    ),
)
PICTURE = Home("picture", ("matplotlib>=3.10,<4",))

BARE = Side("bare_httpx", "bare httpx2 loop, messages encoded once", "floor", PLAIN)
BARE_FAST = Side("bare_aiohttp", "bare aiohttp loop, messages encoded once", "floor", FAST)
SDK = Side("sdk_httpx", "SDK's `post(content=bytes)`, httpx2", "floor", PLAIN)
SDK_FAST = Side("sdk_aiohttp", "SDK's `post(content=bytes)`, aiohttp", "floor", FAST)
CREATE = Side("sdk_create", "SDK's `create`, plain loop", "floor", PLAIN)
MEMORY = Side("agentkit_memory", "agentkit, MemoryJournal, httpx2", "agentkit", PLAIN, "agentkit")
SQLITE = Side("agentkit_sqlite", "**agentkit, SQLiteJournal, httpx2**", "agentkit", PLAIN, "agentkit")
MEMORY_FAST = Side("agentkit_memory", "agentkit[fast], MemoryJournal", "agentkit", FAST, "agentkit")
SQLITE_FAST = Side("agentkit_sqlite", "**agentkit[fast], SQLiteJournal**", "agentkit", FAST, "agentkit")

FLOORS = (BARE, BARE_FAST, SDK, SDK_FAST, CREATE)
OURS = (MEMORY, SQLITE, MEMORY_FAST, SQLITE_FAST)
PEERS = (
    Side(
        "pydantic_ai", "Pydantic AI", "peer", Home("pydantic_ai", ("pydantic-ai-slim[openai]==2.68.0",)), "pydantic_ai"
    ),
    Side("openai_agents", "openai-agents", "peer", Home("openai_agents", ("openai-agents==0.24.0",)), "agents"),
    Side("langgraph", "LangGraph", "peer", LANGGRAPH, "langchain.agents"),
    Side("agno", "Agno", "peer", Home("agno", ("agno==3.1.10", "openai==3.54.0")), "agno.agent"),
    Side("strands", "Strands Agents", "peer", Home("strands", ("strands-agents[openai]==1.62.0",)), "strands"),
    Side(
        "agent_framework",
        "Agent Framework",
        "peer",
        Home("agent_framework", ("agent-framework-core==1.23.0", "agent-framework-openai==1.17.0")),
        "agent_framework",
    ),
    Side("mirascope", "Mirascope", "peer", Home("mirascope", ("mirascope[openai]==2.8.2",)), "mirascope.llm"),
    Side(
        "google_adk",
        "Google ADK",
        "peer",
        # LiteLLM imports mcp when it is first asked for anything, and does not ask for it
        Home("google_adk", ("google-adk==2.13.0", "litellm==1.106.2", "mcp==2.3.0")),
        "google.adk.agents",
    ),
)
ALL = (*FLOORS, *OURS, *PEERS)

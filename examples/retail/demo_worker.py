"""The demo's desk, a process of its own: it serves one customer, and is killed while it does.

It is one program, and it is started twice, with the same arguments. Nothing in it knows of kills or of second starts.
"""

import argparse
import sys
import time
from pathlib import Path

import anyio
from rich.console import Console

from agentkit import Model, Session, SQLiteJournal
from examples.retail.desk import desk
from examples.retail.screen import Screen
from examples.retail.shop import Change, ResultT, Shop

SESSION, SHOP, JOURNAL = "maren-holt", "shop.db", "agentkit.db"
SAYS = {
    "message-1": "Hello, Maren Holt here, zip code 04101. I no longer need the camping stove of order #W1000003. "
    "Can I have my money back?",
    "message-2": "Yes, please.",
}
"""What the customer says, by the id under which each message is taken once."""

REFUSED = 3
"""Exit code: the person at the terminal said no, and the call still waits."""

_SLOW = 30.0  # seconds: far longer than the demo waits before it kills


class SlowShop(Shop):
    """A shop at the end of a slow line: the change is in its books, and whoever asked for it does not know yet."""

    def perform(self, change: Change[ResultT], *, key: str) -> ResultT:
        """See `Shop.perform`."""
        result = super().perform(change, key=key)
        time.sleep(_SLOW)
        return result


async def serve(base_url: str, place: Path) -> int:
    """Say what the customer says, show what happens, and ask for approval where it is needed.

    Args:
        base_url: Where the model is.
        place: The folder with the shop and the journal.

    Returns:
        The exit code.
    """
    model = Model("deepseek-flash", base_url=base_url, contract="deepseek-v4")
    answer = None if sys.stdin.isatty() else "y"
    screen, shop = Screen(Console()), SlowShop(place / SHOP)
    async with Session(desk(model), SESSION, journal=SQLiteJournal(place / JOURNAL), deps=shop) as session:
        said = await screen.catch_up(session.events())
        for name, text in SAYS.items():
            if name not in said:
                screen.say("customer", text)
            result = await screen.watch(session.stream(text, id=name))
            while result.approvals:
                for approval in result.approvals:
                    if not await screen.ask(approval, answer=answer):
                        return REFUSED
                    await session.approve(approval, by="the demo")
                result = await screen.watch(session.stream())
    return 0


def main() -> int:
    """Serve, as the demo asks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--place", type=Path, required=True)
    options = parser.parse_args()
    return anyio.run(serve, options.base_url, options.place)


if __name__ == "__main__":
    sys.exit(main())

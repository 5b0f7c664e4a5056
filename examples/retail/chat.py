"""`python -m examples.retail.chat`: be a customer of the shop, with a real model at the desk.

DeepSeek with DEEPSEEK_API_KEY, or any OpenAI-compatible server by `--base-url`; `--help` tells the rest.
What the demo shows holds here too: end it at any moment, start it again, and the conversation goes on.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

import anyio
from anyio import to_thread
from rich.console import Console

from agentkit import AgentkitError, Model, Session, SQLiteJournal
from agentkit.errors import ConfigurationError
from examples.retail.desk import desk
from examples.retail.screen import Screen
from examples.retail.seed import seeded
from examples.retail.shop import Shop

_HELLO = 'You are a customer, say Maren Holt, zip code 04101, with order #W1000001. An empty line or "bye" ends it.'


async def talk(model: Model, place: Path, session_id: str) -> int:
    """Let the person at the terminal talk to the desk until they leave.

    Args:
        model: Who thinks at the desk.
        place: The folder of shop and journal.
        session_id: The conversation; one that exists goes on.

    Returns:
        The exit code: 1 if the last turn failed.
    """
    screen, shop = Screen(Console()), seeded(place / "shop.db")
    screen.say("", _HELLO)
    async with Session(desk(model), session_id, journal=SQLiteJournal(place / "agentkit.db"), deps=shop) as session:
        went = await _turn(session, screen, None) if await screen.catch_up(session.events()) else True
        while (text := await to_thread.run_sync(screen.read, abandon_on_cancel=True)) not in {"", "bye"}:
            went = await _turn(session, screen, text)
    return 0 if went else 1


async def _turn(session: Session[Shop, str], screen: Screen, text: str | None) -> bool:
    """Take a turn, or say why it failed: nothing is lost by that, the same program goes on with it."""
    try:
        await attend(session, screen, text)
    except AgentkitError as error:
        screen.say("failed", str(error))
        return False
    return True


async def attend(session: Session[Shop, str], screen: Screen, text: str | None) -> None:
    """Show a turn to its end, and ask for a yes where one is needed.

    Args:
        session: The conversation.
        screen: Where it is shown.
        text: What the customer says; None goes on with what an earlier process left.

    Raises:
        AgentkitError: The turn failed.
    """
    result = await screen.watch(session.stream(text))
    while result.approvals:
        for approval in result.approvals:
            if await screen.ask(approval):
                await session.approve(approval, by="you")
            else:
                await session.deny(approval, by="you", reason="the colleague who was asked said no")
        result = await screen.watch(session.stream())
    if result.status != "completed":
        screen.say("rests", result.reason)


def main() -> int:
    """Talk; the exit code is 2 where the model named cannot work."""
    parser = argparse.ArgumentParser(description="Be a customer of the shop, with a real model at the desk.")
    parser.add_argument("--model", default="deepseek-flash", help="the model's name (default: deepseek-flash)")
    parser.add_argument("--base-url", help="an OpenAI-compatible server, such as http://127.0.0.1:11434/v1")
    parser.add_argument("--place", type=Path, default=Path(), help="the folder of shop.db and agentkit.db")
    parser.add_argument("--session", default="customer", help="the conversation; one that exists goes on")
    options = parser.parse_args()
    try:
        model = Model(options.model, base_url=options.base_url)
    except ConfigurationError as error:
        parser.error(str(error))
    return anyio.run(partial(talk, model, options.place, options.session))


if __name__ == "__main__":
    sys.exit(main())

"""A person's session: everywhere a journal may hold their words, and a look for those words in files as bytes."""

import json
from collections.abc import Iterator
from pathlib import Path

from agentkit import Journal
from agentkit.core.binding import Blob, hashed
from agentkit.core.events import AnyEvent, InboxRefused, ModelResponded, Sent, SessionStarted, ToolFinished, UserSaid
from agentkit.core.messages import AssistantMessage, Stored, Text, ToolCall
from agentkit.core.spec import Usage
from agentkit.journal.base import Asked, Batch, Placed

NAME = "Zoë Müller-Ångström 東京 😀"
WORDS = (NAME, "zoe@mail.example", "Quitte-Straße 7", "half \ud83d a pair", "FR76-3000-6000-0112")


def forms(words: str) -> Iterator[bytes]:
    """Yield the words as they may lie in a file: UTF-8, JSON-escaped, UTF-16, and each half of them."""
    whole = [words.encode("utf-8", "backslashreplace"), json.dumps(words)[1:-1].encode()]
    whole.append(words.encode("utf-16-le", "surrogatepass"))
    for each in whole:
        yield each
        if len(each) > 16:
            yield each[: len(each) // 2]
            yield each[len(each) // 2 :]


def found(*places: Path, words: tuple[str, ...] = WORDS) -> list[str]:
    """Return which words are in which files, folders searched to their end."""
    files = [file for place in places for file in ([place] if place.is_file() else place.rglob("*")) if file.is_file()]
    held = {file: file.read_bytes() for file in files}
    return [
        f"{form!r} in {file.name}" for file, data in held.items() for w in words for form in forms(w) if form in data
    ]


async def speak(journal: Journal, session_id: str = "zoe@mail.example", *, times: int = 3) -> None:
    """Write a conversation that holds the words in bodies, contents, inbox, questions, ids and names."""
    lease = await journal.claim(session_id, uid="uid-1", agent="desk", owner="test")
    letter = f"Dear {NAME}, {'; '.join(WORDS)}\n".encode("utf-8", "surrogatepass") * 500
    blob, mine = Blob(hashed(letter), letter), Blob(hashed(NAME.encode()), NAME.encode())
    await journal.append(lease, 0, Batch([Placed(SessionStarted("uid-1", "desk"), 0, None)], (mine,)))
    seq = 1
    for n in range(times):
        row = await journal.put(session_id, "message", f"zoe@mail.example/{n}", f'["{NAME}"]'.encode(), WORDS[0])
        call = ToolCall("zoe@mail.example", "pay", json.dumps({"to": NAME, "iban": WORDS[4]}, ensure_ascii=n % 2 == 0))
        events: list[AnyEvent] = [
            UserSaid((Text("; ".join(WORDS)),), f"zoe@mail.example/{n}", NAME),
            ModelResponded(AssistantMessage(NAME, WORDS[2], (call,)), Sent(0, ("h",)), Usage(1, 0, 1, 0)),
            ToolFinished(f"1.{n}.0", (Stored(blob.hash, len(blob.data)),), failed=True, detail=" ".join(WORDS)),
            InboxRefused("message", WORDS[1], NAME),
        ]
        body = json.dumps({"tool": "pay", "arguments": {"to": NAME}}, ensure_ascii=False).encode()
        asked = Asked(f"1.{n}.0-{seq}-x", seq, "approval", f"1.{n}.0", body)
        before = (f"1.{n - 1}.0-{seq - 4}-x",) if n else ()
        placed = [Placed(event, 1, 1) for event in events]
        batch = Batch(placed, (blob,), taken=((row.n, 0),), opened=(asked,), closed=before, status="waiting")
        seq = (await journal.append(lease, seq, batch)).last_seq
    await journal.put(session_id, "message", f"zoe@mail.example/{times}", f'["{NAME}"]'.encode(), NAME)
    await journal.release(lease, trouble=f"it broke at {NAME}")

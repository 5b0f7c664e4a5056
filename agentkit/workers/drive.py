"""One session, driven until it rests: what every engine calls.

An exception counts as a try, wherever it came from: the third in a row that leaves no news in the journal makes the
session a dead letter, with the exception's text as its reason. The journal counts; nothing is remembered here.
"""

import logging
from contextlib import suppress
from functools import partial

import anyio

from agentkit.errors import Fenced, JournalError, KeyMissing, RedactionFailed, SessionBusy
from agentkit.events import ModelFailed
from agentkit.ids import process_name, uuid7
from agentkit.journal.base import Head, Journal
from agentkit.journal.calls import caller_of
from agentkit.redaction import in_words
from agentkit.session import Session, driven
from agentkit.tools.running import outlives_exit
from agentkit.workers.dead import is_dead, is_last_try, obituary
from agentkit.workers.engine import Drive, Rest
from agentkit.workers.outage import Outage
from agentkit.workers.who import Who, answering

_LOG = logging.getLogger("agentkit")
_PATIENCE = 10  # attempts, in a good minute
_TROUBLE = 2000  # characters of an exception's text that a journal keeps


def driving(journal: Journal, who: Who) -> Drive:
    """Return what an engine calls, with the journal and who answers. The journal is open, and stays so."""
    return partial(drive, journal, who)


_OF_ONE_SESSION = (KeyMissing, RedactionFailed)  # the journal itself can be used


async def drive(journal: Journal, who: Who, session_id: str) -> Rest:
    """Drive one session until it rests, and say how (`engine.Rest`).

    Where another live process drives it, nothing is waited for. A turn that failed stays so until somebody says,
    resumes or cancels something.

    Raises:
        JournalError: the journal cannot be used now.
    """
    before = await journal.head(session_id)
    if before is None or before.erased:
        return "nothing"
    if caller := await caller_of(journal, session_id):  # a sub-agent's goes on within its caller
        return await drive(journal, who, caller)
    if is_dead(before):
        return "dead"
    if is_last_try(before):
        _LOG.warning("session %r is driven for the last time: %s", session_id, obituary(before))
    outlives_exit.set(True)
    try:
        rest = await _driven(journal, who, session_id)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a tool's, a user's or ours: the worker outlives it
        return await _ended(journal, before, _first(error))
    if rest != "done":
        return rest
    return await _rested(journal, before)


async def _rested(journal: Journal, before: Head) -> Rest:
    """Return how a session rests that was driven to the end; what a model's fault was is told."""
    after = await journal.head(before.session_id)
    if after is None or after.last_seq == before.last_seq:
        return "nothing"
    if after.status == "faulted":
        await _tell_fault(journal, before)
        return "faulted"
    return "waiting" if after.status == "waiting" else "done"


async def _tell_fault(journal: Journal, before: Head) -> None:
    records = [record async for record in journal.read(before.session_id, after=before.last_seq)]
    fault = next((r.event for r in reversed(records) if isinstance(r.event, ModelFailed)), None)
    _LOG.warning(
        "session %r: the model service failed: %s. Its turn waits for `agentkit revive %s`, or another message",
        before.session_id,
        "" if fault is None else fault.text,
        before.session_id,
    )


async def _driven(journal: Journal, who: Who, session_id: str) -> Rest:
    """Drive, and again while outcomes in hand could not be written: a paid answer, a thing done, would be lost."""
    async with (
        answering(who, session_id) as (agent, deps),
        Session(agent, session_id, journal=journal, deps=deps) as session,
    ):
        hand = Outage(f"session {session_id!r}: what is in hand cannot be recorded")
        while True:
            try:
                rest: Rest = "done" if await driven(session) else "busy"
            except Fenced:
                raise
            except JournalError as error:
                if not session._recorder.kept or hand.times == _PATIENCE:  # noqa: SLF001 - a person's session keeps it, too
                    raise
                await anyio.sleep(hand.again(error))
            else:
                hand.over()
                return rest


async def _ended(journal: Journal, before: Head, error: BaseException) -> Rest:
    """Say what an exception that ended a drive comes to."""
    name = before.session_id
    if isinstance(error, Fenced):
        _LOG.warning(
            "session %r: another process took it over while this one was away. What this one did since then was not "
            "recorded; it stops driving the session and goes on with others",
            name,
        )
        return "fenced"
    if isinstance(error, JournalError) and not isinstance(error, _OF_ONE_SESSION):
        if await _is_dead_now(journal, name):  # what fails for good is this session's own: damaged records
            return "dead"
        raise error
    trouble = in_words(journal.redaction, error)[:_TROUBLE]
    _LOG.warning("session %r: driving it failed: %s", name, trouble, exc_info=error)
    after = await journal.head(name)
    if after is not None and after.epoch == before.epoch:  # it came before the claim, which is what counts
        await _count(journal, after, trouble)
    return "dead" if await _is_dead_now(journal, name) else "failed"


async def _is_dead_now(journal: Journal, session_id: str) -> bool:
    """Tell whether a session is a dead letter, and say so."""
    head = await journal.head(session_id)
    if head is None or not is_dead(head):
        return False
    _LOG.error("%s", obituary(head))
    return True


async def _count(journal: Journal, head: Head, trouble: str) -> None:
    with suppress(SessionBusy):  # somebody drives it: then it is no dead letter
        uid = head.uid or uuid7()
        lease = await journal.claim(head.session_id, uid=uid, agent=head.agent, owner=process_name())
        await journal.release(lease, trouble=trouble)


def _first(error: BaseException) -> BaseException:
    """Return the error of a group that says most: a take-over, else the journal's, else the first."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    inner = [_first(each) for each in error.exceptions]
    telling = (each for kind in (Fenced, JournalError) for each in inner if isinstance(each, kind))
    return next(telling, inner[0])

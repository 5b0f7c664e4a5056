"""`doctor`: what has to be right before an agent can work, one line per check, and what to do where it is not."""

import argparse
import os
import platform
import shutil
import stat
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from re import match
from typing import Any, Final, Literal

from anyio import to_thread

from agentkit.cli.agents import opened
from agentkit.cli.exits import Exit
from agentkit.cli.figures import count
from agentkit.cli.project import hint, journal_of, place_of, project
from agentkit.cli.screen import ASK, BAD, DIM, GOOD, Screen
from agentkit.core.contract import Contract
from agentkit.core.spec import VERSION
from agentkit.errors import AgentkitError, ConfigurationError, ModelError
from agentkit.journal.address import is_address, redacted
from agentkit.journal.sqlite_check import check
from agentkit.models import Model, contracts, openai
from agentkit.models.address import loopback, port_of
from agentkit.models.openai import Recipient
from agentkit.models.scripted import ScriptedModel
from agentkit.models.sse import decode

_PACKAGE: Final = "agentkit-reasoning"
_TIMEOUT: Final = 10.0  # seconds the endpoint may stay silent
_SKEW: Final = 60.0  # seconds of the clock that deserve a word
_LOW, _FULL = 1_000_000_000, 50_000_000  # bytes free on the disk
_EVER: Final = "1970-01-01"  # of rows without a date
_STYLES: Final = {"ok": GOOD, "warn": ASK, "FAIL": BAD}


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what was looked at, how it stands, and what to do where it is not ok."""

    what: str
    state: Literal["ok", "warn", "FAIL"]
    says: str
    todo: str = ""


async def doctor(options: argparse.Namespace, screen: Screen) -> int:
    """Check, and tell as it goes. The exit code is 1 where a check has failed."""
    found: list[Check] = []
    async for each in _checks(options):
        found.append(each)
        if not screen.json:
            _tell(screen, each)
    failed = any(each.state == "FAIL" for each in found)
    if screen.json:
        screen.result([asdict(each) for each in found])
    return Exit.ERROR if failed else Exit.OK


def _tell(screen: Screen, each: Check) -> None:
    screen.entry([(each.state, _STYLES[each.state], 5), (each.what, DIM, 10)], each.says)
    if each.todo:
        screen.entry([("", "", 15), ("→", _STYLES[each.state], 2)], each.todo, _STYLES[each.state])


async def _checks(options: argparse.Namespace) -> AsyncIterator[Check]:
    for each in _versions():
        yield each
    async for each in _answering(options):
        yield each
    async for each in _journal(options):
        yield each


def _versions() -> Sequence[Check]:
    python = Check(
        "python", "ok", f"{platform.python_version()} on {platform.platform(terse=True)}, agentkit {VERSION}"
    )
    try:
        needed = [text for text in requires(_PACKAGE) or () if "extra ==" not in text]
    except PackageNotFoundError:
        todo = f"pip install {_PACKAGE}, or `pip install -e .` in its source"
        return python, Check("packages", "warn", "agentkit is not installed as a package", todo)
    names = [found.group() for text in needed if (found := match(r"[A-Za-z0-9._-]+", text))]
    there = {name: _version(name) for name in names}
    missing = [name for name, number in there.items() if number is None]
    if missing:
        return python, Check("packages", "FAIL", f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    return python, Check("packages", "ok", ", ".join(f"{name} {number}" for name, number in there.items()))


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


async def _answering(options: argparse.Namespace) -> AsyncIterator[Check]:
    """Check who answers: the model that is named, else the models of the agent."""
    named = options.model or options.agent or options.contract or project(Path.cwd()).agent
    if named is None:
        todo = "name one to check its key and endpoint: --agent MODULE:NAME, or --model NAME (and --base-url URL)"
        yield Check("model", "warn", "no agent and no model is named", todo)
        return
    try:
        models = await _models(options)
    except AgentkitError as error:
        yield Check("model", "FAIL", str(error), "mend this, and run the command again")
        return
    for model in models:
        async for each in _model(model, offline=options.offline):
            yield each


async def _models(options: argparse.Namespace) -> Sequence[Any]:
    if options.model is not None:
        return [Model(options.model, base_url=options.base_url, contract=_row(options.contract))]
    if options.contract is not None:
        raise ConfigurationError("--contract says the row for --model: name the model, too (and --base-url URL)")
    async with opened(options.agent, "doctor") as (agent, _):
        return agent.endpoints


def _row(named: str | None) -> str | Path:
    return "auto" if named is None else Path(named) if contracts.means_file(named) else named


async def _model(model: Any, *, offline: bool) -> AsyncIterator[Check]:
    if not isinstance(model, Model) or isinstance(model, ScriptedModel):
        yield Check("model", "ok", f"{model.name} is {type(model).__name__}: it needs no endpoint")
        return
    row = model.resolve()
    yield _contract(model, row)
    recipient, key = _key(model, row)
    yield key
    if offline:
        yield Check("endpoint", "ok", f"{model.base_url} was not asked (--offline)")
        return
    async for each in _endpoint(recipient or Recipient(model.name, model.base_url, {}, _TIMEOUT)):
        yield each


def _contract(model: Model, row: Contract) -> Check:
    since = f", since {row.effective_from}" if row.effective_from > _EVER else ""
    says = f"{row.id!r} rules for {model.name} at {model.host}{since}"
    if model.missed():
        todo = "mend the host and model patterns of its rows; `agentkit probe` writes a row that fits"
        return Check("contract", "warn", f"your file has no row for this host and model: {says}", todo)
    if row.match.host == ("*",) and row.match.model == ("*",) and row.base_url is None:
        todo = "nothing is known of this service: `agentkit probe` finds out what it demands and writes a row"
        return Check("contract", "warn", f"{says}: it takes any host and any model", todo)
    today = datetime.now(UTC).date()
    if contracts.ruling(model.host, model.name, today, port=port_of(model.base_url)) != row:
        return Check("contract", "ok", f"{says}: it was asked for, by name or in a file")
    host = "any host" if row.match.host == ("*",) else "this host"
    name = "any model" if row.match.model == ("*",) else "this model"
    return Check("contract", "ok", f"{says}: the table has it for {host} and {name}")


def _key(model: Model, row: Contract) -> tuple[Recipient | None, Check]:
    try:
        recipient = model.recipient()
    except AgentkitError as error:
        missing = row.api_key_env is not None and not os.environ.get(row.api_key_env)
        return None, Check("key", "FAIL", str(error), f"export {row.api_key_env}=…" if missing else "")
    sent = any(name.lower() == "authorization" for name in recipient.headers)
    named = row.api_key_env is not None and bool(os.environ.get(row.api_key_env))
    if sent:
        return recipient, Check("key", "ok", f"from {row.api_key_env}" if named else "given by the program")
    if loopback(model.base_url):
        return recipient, Check("key", "ok", "none is sent; the server is on this machine")
    return recipient, Check("key", "warn", f"none is sent to {model.host}", "if it wants one: Model(…, api_key=…)")


async def _endpoint(recipient: Recipient) -> AsyncIterator[Check]:
    to = Recipient(recipient.model, recipient.base_url, recipient.headers, _TIMEOUT)
    asked = datetime.now(UTC)
    try:
        got = await openai.exchange(to, "/models")
    except ModelError as error:
        yield Check("endpoint", "FAIL", str(error), f"curl -i {to.base_url}/models shows what this machine gets")
        return
    took = datetime.now(UTC) - asked
    yield _answered(to, got.status, got.content)
    yield _clock(got.headers.get("date"), asked + took / 2)


def _answered(to: Recipient, status: int, content: bytes) -> Check:
    place = f"{to.base_url}/models answered {status}"
    if status in {401, 403} and not to.headers:
        return Check("endpoint", "ok", f"{place}: it is there, and wants the key")
    if status in {401, 403}:
        return Check(
            "endpoint", "FAIL", f"{place}: the key is refused", "check the key, and that it is for this service"
        )
    if status >= 500:  # noqa: PLR2004 - the class of a service's own errors
        return Check(
            "endpoint", "FAIL", f"{place}: the service is in trouble", "wait, and look at the service's status"
        )
    if status != 200:  # noqa: PLR2004 - HTTP's own
        return Check("endpoint", "warn", f"{place}: it is there, and lists no models", "base_url usually ends in /v1")
    return _listed(to.model, place, _ids(content))


def _listed(model: str, place: str, known: set[str] | None) -> Check:
    if known is None:
        says = f"{place}, but no list of models: perhaps not the service answered"
        return Check("endpoint", "warn", says, "check base_url (it usually ends in /v1)")
    if known and model not in known:
        some = ", ".join(sorted(known)[:5])
        return Check("endpoint", "warn", f"{place}, and does not list {model!r}", f"check the name; it lists {some}")
    return Check("endpoint", "ok", f"{place}{f', and lists {model}' if known else ''}")


def _ids(content: bytes) -> set[str] | None:
    """Return the names in a list of models; None where it is no such list."""
    try:
        value = decode(content)
    except ValueError:
        return None
    listed = value.get("data") if isinstance(value, dict) else None
    if not isinstance(listed, list):
        return None
    return {str(each["id"]) for each in listed if isinstance(each, dict) and "id" in each}


def _clock(date: str | None, now: datetime) -> Check:
    try:
        theirs = parsedate_to_datetime(date or "")
    except ValueError:
        return Check("clock", "ok", "the endpoint tells no time to compare with")
    skew = (now - theirs.replace(tzinfo=theirs.tzinfo or UTC)).total_seconds()
    side = "ahead of" if skew > 0 else "behind"
    says = f"{abs(skew):.0f} s {side} the endpoint's"
    if abs(skew) <= _SKEW:
        return Check("clock", "ok", says if abs(skew) >= 1 else "the same as the endpoint's, within a second")
    return Check("clock", "warn", says, "set this machine's clock (NTP): costs by the hour and leases go by it")


async def _journal(options: argparse.Namespace) -> AsyncIterator[Check]:
    try:
        place = place_of(options)
        if is_address(place):
            async for each in _sessions(options, redacted(place)):
                yield each
            return
        path = Path(place)
        file = _file(path)
        yield _disk(path)
        yield file
        if file.what == "journal":
            return
        checked = await to_thread.run_sync(check, path)
        if checked.damage:
            todo = "keep the file, and restore a copy; `agentkit export` saves sessions that can still be read"
            damage = ", ".join(checked.damage.splitlines())
            yield Check("journal", "FAIL", f"{path} is damaged: {damage}", todo)
            return
        async for each in _sessions(options, f"{path}, format {checked.format}, every page sound"):
            yield each
    except AgentkitError as error:
        yield Check("journal", "FAIL", str(error), "name the right file with --journal, or mend this one")


def _disk(path: Path) -> Check:
    folder = next((each for each in path.absolute().parents if each.is_dir()), Path("/"))
    if folder != path.absolute().parent:
        return Check("disk", "FAIL", f"{path.absolute().parent} does not exist", f"mkdir -p {path.absolute().parent}")
    if not os.access(folder, os.W_OK):
        return Check("disk", "FAIL", f"{folder} cannot be written by this user", f"chown or chmod {folder}")
    free = shutil.disk_usage(folder).free
    says = f"{free / 1e9:,.1f} GB free at {folder}"
    if free < _FULL:
        return Check("disk", "FAIL", says, "make room: a journal that cannot be written stops its sessions")
    return Check("disk", "ok" if free > _LOW else "warn", says, "" if free > _LOW else "make room soon")


def _file(path: Path) -> Check:
    if not path.exists():
        return Check("journal", "ok", f"{path} is not there yet: the first session makes it")
    if path.is_dir():
        return Check("journal", "FAIL", f"{path} is a folder, and a journal is a file", f"--journal {path}/agentkit.db")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        says = f"{path} has mode {mode:04o}: others on this machine can read conversations"
        return Check("file", "warn", says, f"chmod 600 {path}")
    return Check("file", "ok", f"{path} has mode {mode:04o}")


async def _sessions(options: argparse.Namespace, says: str) -> AsyncIterator[Check]:
    resting: Counter[str] = Counter()
    async with journal_of(options) as journal:
        async for session_id in journal.sessions():
            head = await journal.head(session_id)
            resting[head.status if head is not None else "gone"] += 1
        waits = Counter([asked.kind async for _, asked in journal.asked()])
    yield Check("journal", "ok", f"{says}, {count(sum(resting.values()), 'session')}")
    if resting["faulted"] or resting["open"]:
        says = f"{count(resting['open'], 'turn')} open, {resting['faulted']} faulted"
        which = [hint(options, "sessions", "--status", each) for each in ("open", "faulted") if resting[each]]
        yield Check("turns", "warn", says, f"which: {', '.join(which)}; `agentkit resume` goes on with one")
    if waits["unknown"]:
        says = f"{count(waits['unknown'], 'call')} whose outcome nobody knows"
        yield Check("calls", "warn", says, f"{hint(options, 'pending')} shows them: look, and `agentkit resolve` each")
    elif waits:
        says = f"{count(sum(waits.values()), 'question')} for a person"
        yield Check("calls", "ok", f"{says}: {hint(options, 'pending')} shows them")

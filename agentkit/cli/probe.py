"""`probe`: ask a live endpoint what it demands, show it beside the table, and write the row."""

import argparse
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from agentkit import probe as probing
from agentkit.cli.agree import agreed
from agentkit.cli.exits import Exit
from agentkit.cli.figures import count, money, runs
from agentkit.cli.screen import ASK, BAD, BOLD, DIM, GOOD, Screen
from agentkit.core.contract import Contract
from agentkit.errors import ConfigurationError
from agentkit.models import Model, contracts
from agentkit.models.address import checked, encrypted, host_of, port_of
from agentkit.models.asking import laid
from agentkit.probe.agreement import Compared, differing, told
from agentkit.probe.facts import TITLES, Findings

_MARKS = {True: " ", False: "≠", None: " "}


async def probe(options: argparse.Namespace, screen: Screen) -> int:
    """Find out what an endpoint demands, and write a contract row."""
    url, today = checked(options.base_url), datetime.now(UTC).date()
    ruling = _ruling(options, url, today)
    key_env, headers = _key(options.api_key_env, url, ruling)
    file = _file(options)
    target = probing.Target(options.model, url, headers, _set(options.set), options.wire)
    plan = probing.plan(contracts.rows())
    _announce(screen, target, plan)
    if not agreed(options, screen, "Go on?"):
        screen.line(("nothing was sent", DIM))
        return Exit.OK
    findings = await probing.probe(target, plan, lambda number, what: _going(screen, number, what))
    row = probing.row_of(findings, contract_id=file.stem, base_url=url, api_key_env=key_env, today=today)
    _write(file, probing.toml_of(row, findings), row)
    agreeing = [each.id for each in contracts.rows() if not differing(findings, each)]
    if screen.json:
        screen.result(_as_json(findings, probing.compare(findings, ruling), agreeing, file))
        return Exit.MODEL if findings.broke else Exit.OK
    _tell(screen, findings, ruling)
    _conclude(screen, findings, agreeing, file)
    return Exit.MODEL if findings.broke else Exit.OK


def _ruling(options: argparse.Namespace, url: str, today: date) -> Contract:
    """Return the row to compare with: the one that is named, else the one that rules there."""
    if options.contract is not None:
        return contracts.named(options.contract, today)
    return contracts.ruling(host_of(url), options.model, today, port=port_of(url))


def _key(named: str | None, url: str, row: Contract) -> tuple[str | None, Mapping[str, str]]:
    """Return the key's variable and the header with it: the one that is named, else the row's own at its own host."""
    at_home = row.base_url is not None and host_of(row.base_url) == host_of(url)
    name = named or (row.api_key_env if at_home else None)
    if name is None:
        return None, {}
    key = os.environ.get(name, "").strip()
    if not key:
        raise ConfigurationError(f"the environment variable {name} is not set: put the endpoint's key there")
    if not encrypted(url):
        raise ConfigurationError(f"{name} would go to {url} in the open: use https, or http on this machine only")
    return name, {"Authorization": f"Bearer {key}"}


def _set(pairs: Sequence[str]) -> dict[str, Any]:
    """Return `key.key=value` pairs as one object; a value that is no JSON is text."""
    found: dict[str, Any] = {}
    for pair in pairs:
        path, equals, text = pair.partition("=")
        if not (path and equals):
            raise ConfigurationError(f"--set {pair}: give KEY=VALUE, or KEY.KEY=VALUE")
        value: Any = _json_or(text)
        for name in reversed(path.split(".")):
            value = {name: value}
        found = laid(found, value)
    return found


def _json_or(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _file(options: argparse.Namespace) -> Path:
    """Return where the row goes. Raises: ConfigurationError: there is a file, or no directory, before any request."""
    name = re.sub(r"[^a-z0-9.]+", "-", options.model.lower()).strip("-.") or "model"
    file = Path(options.out or f"{name}-probed.toml")
    if file.exists():
        raise ConfigurationError(f"{file} exists: name another file with --out, or remove it")
    if not file.parent.is_dir() or not os.access(file.parent, os.W_OK):
        raise ConfigurationError(f"{file.parent} is no directory that can be written: name another file with --out")
    return file


def _announce(screen: Screen, target: probing.Target, plan: probing.Plan) -> None:
    screen.line((f"{target.model} at {target.base_url}", BOLD))
    screen.line("gets up to ", (count(plan.requests, "request"), BOLD), ", one after the other:")
    screen.line(f"up to {plan.sent:,} tokens sent and {plan.answered:,} answered", _most(target, plan), ".", indent=2)
    screen.line(("Most answers are cut off after 16 tokens; what is refused costs nothing.", DIM), indent=2)


def _most(target: probing.Target, plan: probing.Plan) -> str:
    """Return what that can cost, where the price table knows the model."""
    prices = Model(target.model, base_url=target.base_url).prices()
    if prices is None:
        return ""
    return f", {money((plan.sent * prices.input + plan.answered * prices.output) / Decimal(1_000_000))} at most"


def _going(screen: Screen, number: int, what: str) -> None:
    if screen.terminal:
        screen.passing(f"request {number}: {what}")


def _write(file: Path, text: str, row: Contract) -> None:
    """Write the row, and read it as a program will."""
    with file.open("x", encoding="utf-8") as opened:
        opened.write(text)
    if contracts.of_file(file) != (row,):
        raise ConfigurationError(f"{file} does not hold the row that was found: please report this")


def _tell(screen: Screen, findings: Findings, row: Contract) -> None:
    compared = probing.compare(findings, row)
    head = ("", "FACT", "FOUND", f"ROW {row.id}", "REQUESTS")
    screen.fresh()
    screen.grid(head, [_line(each) for each in compared], [_style(each) for each in compared])
    reasons = _reasons(compared)
    if reasons:
        screen.line()
        screen.line(("why", BOLD))
    for (differs, why), titles in reasons.items():
        mark, style = ("≠", BAD) if differs else ("?", DIM)
        screen.entry([("", "", 2), (mark, style, 2)], f"{', '.join(titles)}: {why}", style)


def _reasons(compared: Sequence[Compared]) -> Mapping[tuple[bool, str], Sequence[str]]:
    """Return the facts that differ or are unknown, those with the same reason together: by (it differs, why)."""
    found: dict[tuple[bool, str], list[str]] = {}
    for each in compared:
        differs = each.agrees is False
        if differs or not each.fact.found:
            found.setdefault((differs, each.fact.why), []).append(TITLES[each.fact.name])
    return found


def _line(each: Compared) -> tuple[str, ...]:
    found = told(each.fact.value) if each.fact.found else "unknown"
    mark = "?" if not each.fact.found else _MARKS[each.agrees]
    return mark, TITLES[each.fact.name], found, each.says, runs(each.fact.by)


def _style(each: Compared) -> str:
    return BAD if each.agrees is False else "" if each.fact.found else DIM


def _conclude(screen: Screen, findings: Findings, agreeing: Sequence[str], file: Path) -> None:
    screen.line()
    if findings.broke:
        screen.entry([("broke off", BAD, 9)], f" {findings.broke}", BAD)
    spent = f"{findings.tokens:,} tokens" if findings.tokens else "tokens not counted by the endpoint"
    screen.line(("spent    ", DIM), f"{count(findings.requests, 'request')}, {spent}")
    if agreeing:
        screen.line(("agree    ", DIM), ("with all that was found: ", GOOD), ", ".join(agreeing))
    else:
        screen.line(("agree    ", DIM), ("no shipped row agrees with all that was found", ASK))
    screen.line(("row      ", DIM), "written to ", (str(file), BOLD))
    screen.line(f'Model({findings.model!r}, base_url=…, contract=Path("{file}"))', indent=9)


def _as_json(findings: Findings, compared: Sequence[Compared], agreeing: Sequence[str], file: Path) -> dict[str, Any]:
    facts = [{**asdict(each.fact), "row": each.says, "agrees": each.agrees} for each in compared]
    about = {"host": findings.host, "model": findings.model, "requests": findings.requests, "tokens": findings.tokens}
    return {**about, "broke": findings.broke, "facts": facts, "agreeing": list(agreeing), "file": str(file)}

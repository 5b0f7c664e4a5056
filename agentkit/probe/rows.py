"""A contract row from what was found, and the row as TOML: what is unknown stays at its default, and says so."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final
from urllib.parse import urlsplit

from agentkit.core.contract import INLINE_TAGS, ITEMS, THINKING_PARTS, Contract
from agentkit.core.messages import Json
from agentkit.probe.answers import TAGS
from agentkit.probe.chat import TEXT_FIELDS
from agentkit.probe.facts import Findings
from agentkit.probe.settings import IDS

_USUAL: Final = ("system", "developer")
_BRIDGE: Final = "I have read this."
_NINE: Final = "[a-zA-Z0-9]{9}"
_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


def row_of(findings: Findings, *, contract_id: str, base_url: str, api_key_env: str | None, today: date) -> Contract:
    """Return the row that says what was found.

    Args:
        findings: of `probe`.
        contract_id: the row's id.
        base_url: where it was found.
        api_key_env: the variable the key came from.
        today: from when on the row rules.
    """
    given: dict[str, Any] = {
        "id": contract_id,
        "effective_from": today.isoformat(),
        "match": {"host": [_place(findings.host, base_url)], "model": [findings.model]},
        "base_url": base_url,
        "api_key_env": api_key_env,
        "body": dict(findings.body),
        "carrier": _carrier(findings),
        "thinking": _thinking(findings),
        "bridges": {
            name: _BRIDGE for name in ("user_after_tool", "user_after_user") if findings.fact(name).value == "refused"
        },
        **_plain(findings),
    }
    return Contract.model_validate({name: value for name, value in given.items() if value not in (None, {})})


def _place(host: str, base_url: str) -> str:
    """Return the pattern of a host: with the port, where the address names one."""
    port = urlsplit(base_url).port
    return host if port is None or ":" in host else f"{host}:{port}"


def _plain(findings: Findings) -> dict[str, Any]:
    """Return the fields that one fact tells."""
    value = {fact.name: fact.value for fact in findings.facts}
    needed = value["missing"] == "error"
    taken, roles, ids = value["token_limit_key"], value["system_role"], value["call_ids"]
    forced = value["forced_tool_choice"]
    return {
        "wire": value["wire"],
        "retention": value["retention"],
        "missing": None if value["missing"] is None else "error" if needed else _degrades(value),
        "applies_to": value["applies_to"],
        "empty": value["empty"],
        "placeholder": _placeholder(value) if needed else None,
        "on_model_switch": "drop" if value["validated"] == "signature" and not needed else None,
        "always_stream": value["always_stream"],
        "tools": value["tools"],
        "forced_tool_choice": "never" if forced == "ignored" else forced,
        "sampling": "fixed_error" if value["sampling"] == "refused" else None,
        "system_role": _first(roles),
        "token_limit_key": _first(taken) if value["wire"] == "chat" else None,
        "parallel_calls_key": value["parallel"] if value["parallel"] not in {"unasked", "no"} else None,
        "json_mode": value["json_mode"],
        "usage_in_stream": value["usage_in_stream"],
        "call_ids": {"pattern": _NINE} if ids == [IDS[1]] else None,
        "error_match": {"reasoning": [_quote(str(value["refusal"]))]} if value["refusal"] else None,
    }


def _degrades(value: Mapping[str, Json]) -> str:
    return "degrade" if value["write"] is not None else "ignore"


def _placeholder(value: Mapping[str, Json]) -> str:
    return "" if value["empty"] == "send" else " "


def _first(values: Json) -> Json:
    return values[0] if isinstance(values, Sequence) and values else None


def _quote(said: str) -> str:
    """Return the part of a refusal that does not name this request: what stands before its first figure or name."""
    return re.split(r"\s*(?:\d|call_|'rs_|`default_api)", said.strip(), maxsplit=1)[0] or said[:40]


def _carrier(findings: Findings) -> dict[str, Any]:
    seen = findings.fact("carrier").value
    fields = [str(name) for name in seen] if isinstance(seen, Sequence) else []
    framed = {INLINE_TAGS, THINKING_PARTS, ITEMS}
    private = [name for name in fields if name not in framed and name not in TEXT_FIELDS]
    beside = [name for name in private if name == "extra_content"]
    write = findings.fact("write").value
    if findings.fact("retention").value == "hidden":
        write = "none"
    return {
        "read": [name for name in fields if name in TEXT_FIELDS] or list(TEXT_FIELDS),
        "write": _into(write, fields),
        "tags": [list(pair) for pair in TAGS[:1]] if INLINE_TAGS in fields else [],
        "opaque": [name for name in private if name not in beside],
        "with_opaque": "both" if write in TEXT_FIELDS else "alone",
        "beside_calls": beside,
    }


def _into(write: Json, fields: Sequence[str]) -> str:
    """Return where text is written; unknown: the field it came in, and never two."""
    if write is None:
        return next((name for name in fields if name in {INLINE_TAGS, THINKING_PARTS, ITEMS}), "same")
    known = {*TEXT_FIELDS, INLINE_TAGS, THINKING_PARTS, ITEMS, "none"}
    return str(write) if write in known else "none"


def _thinking(findings: Findings) -> dict[str, Any]:
    works, efforts = findings.fact("off").value, findings.fact("efforts").value
    off = _first(works)
    found = {
        "default": findings.fact("thinks").value,
        "off": off,
        "effort_key": _first(efforts),
    }
    return {name: value for name, value in found.items() if value is not None}


def toml_of(row: Contract, findings: Findings) -> str:
    """Return the row as the text of a file of rows, with a comment for each fact that is unknown."""
    given = row.model_dump(mode="json", exclude_defaults=True)
    who = f"{_line(findings.model)} at {_line(findings.host)}"
    lines = [
        f"# Found by `agentkit probe` in {findings.requests} requests: {who}.",
        "# The fields are told in agentkit/core/contract.py; what is not named here is at its default.",
        "",
        "[[row]]",
    ]
    lines += [f"{_key(name)} = {_value(value)}" for name, value in given.items()]
    unknown = [fact for fact in findings.facts if not fact.found]
    lines += [f"# unknown: {fact.name}: {_line(fact.why)}" for fact in unknown]
    return "\n".join(lines) + "\n"


def _line(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+", " ", text)


def _key(name: str) -> str:
    return name if _KEY.fullmatch(name) else _text(name)


def _value(value: Json) -> str:
    """Return a value as TOML; there is no null in it, and none in a row that leaves its defaults out."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(_pairs(value)) + " }" if value else "{}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value)


def _pairs(value: Mapping[str, Json]) -> Iterator[str]:
    yield from (f"{_key(name)} = {_value(item)}" for name, item in value.items() if item is not None)


def _text(text: str) -> str:
    """Return a text as TOML's basic string: JSON's, but for DEL and lone surrogates, which TOML cannot hold."""
    clean = re.sub(r"[\ud800-\udfff]", "�", text)
    return json.dumps(clean, ensure_ascii=False).replace("\x7f", "\\u007f")

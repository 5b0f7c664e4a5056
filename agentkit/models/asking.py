"""How the model is asked, pure: settings to body fields by the row, and what the row refuses said beforehand."""

from collections.abc import Mapping
from typing import Any, Final

from agentkit.core.contract import Contract
from agentkit.core.spec import Binding, Settings
from agentkit.errors import ConfigurationError

# `Settings.extra` may not speak of these.
_OURS: Final = frozenset({"messages", "input", "model", "tools", "stream", "stream_options"})


def check(binding: Binding) -> None:
    """Refuse what the service would refuse at every request.

    Raises:
        ConfigurationError: naming the contract row, the setting and the way out.
    """
    row, extra = binding.contract, binding.settings.extra
    if taken := _OURS & extra.keys():
        raise ConfigurationError(f"ModelSettings.extra may not hold {', '.join(sorted(taken))}: agentkit sets them")
    if binding.tools:
        _check_tools(binding)
    _check_choice(binding)
    text = extra.get("text")
    if binding.settings.output and not {"response_format", "text"}.isdisjoint(extra):
        raise ConfigurationError("output_type asks for the answer's form: leave it out of ModelSettings.extra")
    mode = _mode(extra.get("response_format")) or _mode(text.get("format") if isinstance(text, Mapping) else None)
    if mode is not None and mode not in row.json_mode:
        known = ", ".join(row.json_mode) or "none"
        raise ConfigurationError(f"contract {row.id!r}: response_format {mode!r} is not served (it knows: {known})")


def _check_tools(binding: Binding) -> None:
    row = binding.contract
    effort = _found(binding.settings.extra, row.thinking.effort_key or "") or binding.settings.effort
    if row.tools == "refused":
        raise ConfigurationError(
            f"model {binding.model!r} takes no tools (contract {row.id!r}): leave tools= out, or choose another model"
        )
    if row.tools == "without_effort" and effort not in (None, "none"):
        raise ConfigurationError(
            f"contract {row.id!r}: tools are refused beside effort={effort!r}; leave one of them out, "
            "or choose a contract row of another wire"
        )


def _check_choice(binding: Binding) -> None:
    row, choice = binding.contract, binding.settings.extra.get("tool_choice")
    rule = row.forced_tool_choice
    if choice in (None, "auto", "none") or rule == "ok":
        return
    told = f"contract {row.id!r}: tool_choice={choice!r} is refused"
    if rule == "never" or (rule == "named_only" and choice == "required"):
        raise ConfigurationError(f"{told}; leave it out" + (", or name a tool" if rule == "named_only" else ""))
    if rule != "named_only" and not (rule == "required_only" and choice == "required") and _thinks(binding):
        way = "" if row.thinking.off is None else ', or switch thinking off (effort="none")'
        raise ConfigurationError(f"{told} while the model thinks; leave it out{way}")


def _thinks(binding: Binding) -> bool:
    """Tell whether the model will think: by the row, unless the effort or `extra` says otherwise."""
    thinking, effort, extra = binding.contract.thinking, binding.settings.effort, binding.settings.extra
    if effort == "none" or (thinking.off and laid(extra, thinking.off) == dict(extra)):
        return False
    return thinking.default or effort is not None


def _mode(given: Any) -> str | None:
    mode = given.get("type") if isinstance(given, Mapping) else None
    return None if mode in (None, "text") else str(mode)


def unsent(settings: Mapping[str, Any], contract: Contract) -> list[str]:
    """Return the settings that this row leaves out of a request, each with the reason."""
    left = []
    if settings.get("temperature") is not None and contract.sampling == "fixed_error":
        left.append("temperature (the service fixes it, and refuses another)")
    if settings.get("parallel_calls") is not None and contract.parallel_calls_key is None:
        left.append("parallel_calls (the service has no field for it)")
    return left


def fields(settings: Settings, contract: Contract, *, tools: bool = True) -> dict[str, Any]:
    """Return the body's fields beside model, messages and tools; `tools` tells whether there are any.

    Raises:
        ConfigurationError: an effort the contract row does not know, or fields of which only one may be sent.
    """
    given: dict[str, Any] = dict(contract.body)
    if settings.temperature is not None and contract.sampling != "fixed_error":
        given["temperature"] = settings.temperature
    if settings.max_tokens is not None:
        given[contract.token_limit_key] = settings.max_tokens
    if settings.parallel_calls is not None and contract.parallel_calls_key is not None and tools:
        given[contract.parallel_calls_key] = settings.parallel_calls > 1
    given = laid(laid(given, _thinking(settings, contract)), settings.extra)
    _check_apart(given, contract)
    return given


def _check_apart(given: Mapping[str, Any], contract: Contract) -> None:
    for names in contract.apart:
        if len(sent := [name for name in names if _holds(given, name)]) > 1:
            raise ConfigurationError(
                f"contract {contract.id!r}: {' and '.join(sent)} are refused side by side; leave one of them out "
                "(effort= and the row set fields too, beside those of ModelSettings.extra)"
            )


def _holds(given: Any, path: str) -> bool:
    *above, name = path.split(".")
    inner = _found(given, ".".join(above)) if above else given
    return isinstance(inner, Mapping) and name in inner


def _found(given: Any, path: str) -> Any:
    """Return what stands at a path of a body, None where there is nothing."""
    for name in path.split("."):
        given = given.get(name) if isinstance(given, Mapping) else None
    return given


def _thinking(settings: Settings, contract: Contract) -> Mapping[str, Any]:
    thinking, effort = contract.thinking, settings.effort
    if effort is None:
        return thinking.on if thinking.default else {}
    if effort == "none":
        if thinking.off is None:
            raise ConfigurationError(f'contract {contract.id!r}: thinking cannot be switched off (effort="none")')
        return thinking.off
    if thinking.effort_key is None:
        raise ConfigurationError(f"contract {contract.id!r} knows no effort; leave the setting out")
    if thinking.effort_only and effort not in thinking.effort:
        known = ", ".join(thinking.effort)
        raise ConfigurationError(f"contract {contract.id!r} knows the efforts {known}, not {effort!r}")
    value: Any = thinking.effort.get(effort, effort)
    for name in reversed(thinking.effort_key.split(".")):
        value = {name: value}
    return laid(thinking.on, value)


def laid(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one object over another, objects inside them too: two of them may speak of one field (`reasoning`)."""
    found = dict(old)
    for name, value in new.items():
        known = found.get(name)
        both = isinstance(known, Mapping) and isinstance(value, Mapping)
        found[name] = laid(known, value) if both else value  # type: ignore[arg-type]  # both are mappings
    return found

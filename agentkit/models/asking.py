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
    if binding.tools and row.tools == "refused":
        raise ConfigurationError(
            f"model {binding.model!r} takes no tools (contract {row.id!r}): leave tools= out, or choose another model"
        )
    if _forced_in_vain(binding):
        raise ConfigurationError(
            f"contract {row.id!r}: tool_choice={extra['tool_choice']!r} is refused while the model thinks; "
            'leave it out, or switch thinking off (effort="none") if the row can'
        )
    mode = _mode(extra.get("response_format"))
    if mode is not None and mode not in row.json_mode:
        known = ", ".join(row.json_mode) or "none"
        raise ConfigurationError(f"contract {row.id!r}: response_format {mode!r} is not served (it knows: {known})")


def _forced_in_vain(binding: Binding) -> bool:
    choice, rule = binding.settings.extra.get("tool_choice"), binding.contract.forced_tool_choice
    if choice in (None, "auto", "none") or rule == "ok":
        return False
    thinks = binding.contract.thinking.default and binding.settings.effort != "none"
    return thinks and not (rule == "required_only" and choice == "required")


def _mode(given: Any) -> str | None:
    mode = given.get("type") if isinstance(given, Mapping) else None
    return None if mode in (None, "text") else str(mode)


def fields(settings: Settings, contract: Contract) -> dict[str, Any]:
    """Return the body's fields beside model, messages and tools.

    Raises:
        ConfigurationError: an effort the contract row does not know.
    """
    given: dict[str, Any] = dict(contract.body)
    if settings.temperature is not None and contract.sampling != "fixed_error":
        given["temperature"] = settings.temperature
    if settings.max_tokens is not None:
        given[contract.token_limit_key] = settings.max_tokens
    if settings.parallel_calls is not None and contract.parallel_calls_key is not None:
        given[contract.parallel_calls_key] = settings.parallel_calls > 1
    return _merged(_merged(given, _thinking(settings, contract)), settings.extra)


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
    return _merged(thinking.on, value)


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one object over another, objects inside them too: two of them may speak of one field (`reasoning`)."""
    merged = dict(old)
    for name, value in new.items():
        known = merged.get(name)
        both = isinstance(known, Mapping) and isinstance(value, Mapping)
        merged[name] = _merged(known, value) if both else value  # type: ignore[arg-type]  # both are mappings
    return merged

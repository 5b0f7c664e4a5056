"""What services say of the tokens of an answer, pure."""

from agentkit.core.spec import Usage


def usage_of(given: object) -> Usage | None:
    """Read a `usage` object; None where it says nothing.

    Reasoning tokens are part of the output; where a service counts them apart, its total tells so.
    """
    if not isinstance(given, dict):
        return None
    prompt = _count(given, "prompt_tokens", "input_tokens")
    completion = _count(given, "completion_tokens", "output_tokens")
    if not prompt and not completion:
        return None
    asked = given.get("prompt_tokens_details") or given.get("input_tokens_details")
    said = given.get("completion_tokens_details") or given.get("output_tokens_details")
    return Usage(
        input_tokens=prompt,
        cached_tokens=_count(given, "prompt_cache_hit_tokens")
        or _count(asked, "cached_tokens")
        or _count(given, "cached_tokens", "num_cached_tokens"),
        output_tokens=max(completion, _count(given, "total_tokens") - prompt),
        reasoning_tokens=_count(said, "reasoning_tokens") or _count(given, "reasoning_tokens"),
        cost=None,
    )


def _count(given: object, *names: str) -> int:
    """Return the first figure that is there and above zero."""
    if not isinstance(given, dict):
        return 0
    for name in names:
        value = given.get(name)
        if isinstance(value, (int, float)) and value > 0:
            return int(value)
    return 0

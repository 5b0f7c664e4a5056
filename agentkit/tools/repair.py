"""Broken JSON made readable: the only home of `json_repair`, an extra (`pip install 'agentkit-reasoning[repair]'`)."""

import json
from typing import Any

import json_repair

LONGEST = 20_000  # characters: the time it takes grows faster than the text


def repaired(raw: str) -> str | None:
    """Return what a broken text must have meant, as JSON text; None where nothing can be made of it.

    Only syntax is repaired. What is JSON but not allowed (a key twice, NaN) stays as it is, and so does a text that
    holds no object, or one without content.
    """
    if len(raw) > LONGEST or not _broken(raw):
        return None
    try:
        value: Any = json_repair.repair_json(raw, return_objects=True, skip_json_loads=True)
        return json.dumps(value, ensure_ascii=False, allow_nan=False) if isinstance(value, dict) and value else None
    except (ValueError, RecursionError):
        return None


def _broken(raw: str) -> bool:
    try:
        json.loads(raw)
    except json.JSONDecodeError:
        return True
    except (ValueError, RecursionError):
        return False
    return False

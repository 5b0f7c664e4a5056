"""May a well-formed Responses request be served? Pure: the contract's row decides, and each rule is one function.

What a request may ask for is judged as on the other wire; here are the rules about items.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from agentkit.emulator.responses.fault import ItemFault
from agentkit.emulator.responses.items import Conversation, Item, answers, grouped, kind_of
from agentkit.emulator.responses.seal import reasoning_of, unseal
from agentkit.emulator.rules import missing
from agentkit.emulator.rules_settings import SETTINGS
from agentkit.emulator.script import Fault

Rule = Callable[[Conversation], Fault | None]


def refusal(asked: Conversation, *, minted: Collection[str] = (), tokens: int = 0) -> Fault | None:
    """Return the error the service gives to a well-formed request, or None.

    Args:
        asked: the request.
        minted: ids of calls for which a warm service tolerates missing reasoning.
        tokens: the prompt's size.
    """
    for rule in (*SETTINGS, *RULES):
        if fault := rule(asked):
            return fault
    return _covered(asked, minted) or _context(asked, tokens)


def _sealed(asked: Conversation) -> ItemFault | None:
    """A blob that the service did not make cannot be read."""
    for item in asked.items:
        blob = item.get("encrypted_content") if asked.contract.sealed and kind_of(item) == "reasoning" else None
        if blob is not None and unseal(blob, asked.contract.name) is None:
            return ItemFault(
                400,
                f"The encrypted content {blob[:4]}...{blob[-4:]} could not be verified. "
                "Reason: Encrypted content could not be decrypted or parsed.",
                code="invalid_encrypted_content",
                param=None,
            )
    return None


def _paired(asked: Conversation) -> ItemFault | None:
    """Every call has its output after it, and every output its call before it."""
    calls: set[str] = set()
    owed: list[str] = []
    for item in asked.items:
        kind = kind_of(item)
        if kind == "function_call":
            calls.add(item["call_id"])
            owed.append(item["call_id"])
        elif kind == "function_call_output":
            if item["call_id"] not in calls:
                return ItemFault(400, f"No tool call found for function call output with call_id {item['call_id']}.")
            owed = [call for call in owed if call != item["call_id"]]
        elif owed and asked.contract.adjacent:
            break
    return ItemFault(400, asked.contract.unanswered.format(id=owed[0])) if owed else None


def _bound(asked: Conversation) -> ItemFault | None:
    """What was sent together comes back together."""
    if not asked.contract.bound:
        return None
    present: set[Any] = set()
    for group in grouped(asked.items):
        named = {item.get("id") for item in group if kind_of(item) == "reasoning"}
        # Reasoning without an id is taken for that of the items it stands before, and for no other's.
        present = (present - {None}) | named
        if fault := next(_torn(group, asked.contract.name, present), None):
            return fault
    return None


def _torn(group: Sequence[Item], realm: str, present: Collection[Any]) -> Iterator[ItemFault]:
    if kind_of(group[-1]) == "reasoning":
        yield ItemFault(
            400,
            f"Item '{group[-1].get('id', '')}' of type 'reasoning' was provided without its required following item.",
        )
    for item in group if answers(group[0]) else ():
        needed = reasoning_of(item.get("id") or "", realm)
        if needed and needed not in present and None not in present:
            yield ItemFault(
                400,
                f"Item '{item['id']}' of type '{kind_of(item)}' was provided without its required 'reasoning' item: "
                f"'{needed}'.",
            )


def _covered(asked: Conversation, minted: Collection[str]) -> ItemFault | None:
    """Each answer for which it is demanded begins with reasoning that has text."""
    for index in missing(asked):
        calls = asked.messages[index].get("tool_calls") or ()
        if not calls or any(call["id"] not in minted for call in calls):
            return ItemFault(400, asked.contract.missing, code="invalid_request_error", param=None)
    return None


def _context(asked: Conversation, tokens: int) -> ItemFault | None:
    contract = asked.contract
    output = asked.body.get("max_output_tokens") or 0
    if tokens + output <= contract.context:
        return None
    text = contract.too_long.format(limit=contract.context, wanted=tokens + output, tokens=tokens, output=output)
    return ItemFault(400, text, code=contract.too_long_code)


RULES: tuple[Rule, ...] = (_sealed, _bound, _paired)

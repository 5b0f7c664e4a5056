"""What the service has stored: items by id, and conversations by the id of the response that ended them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agentkit.emulator.responses.fault import RefusedError
from agentkit.emulator.responses.items import Item, kind_of

_NOT_STORED = (
    " Items are not persisted when `store` is set to false. Try again with `store` set to true, or remove this item "
    "from your input."
)


@dataclass
class Shelf:
    """The stored responses of one service. What was answered to `store: false` is not among them."""

    _items: dict[str, Item] = field(default_factory=dict)
    _conversations: dict[str, list[Item]] = field(default_factory=dict)

    def keep(self, response: str, before: Sequence[Item], output: Sequence[Item]) -> None:
        """Store a response: what was asked, and what was answered."""
        self._conversations[response] = [*before, *output]
        self._items.update({item["id"]: item for item in output})

    def filled(self, body: dict[str, Any], items: Sequence[Item]) -> list[Item]:
        """Return the input with what came before it, and with what it only names.

        Raises:
            RefusedError: something it names is not stored.
        """
        before: list[Item] = []
        if previous := body.get("previous_response_id"):
            if previous not in self._conversations:
                raise RefusedError(
                    f"Previous response with id '{previous}' not found.",
                    "previous_response_id",
                    "previous_response_not_found",
                )
            before = self._conversations[previous]
        return [*before, *(self._filled(item, stores=body.get("store") is not False) for item in items)]

    def _filled(self, item: Item, *, stores: bool) -> Item:
        if kind_of(item) != "reasoning" or item.get("encrypted_content") or not item.get("id"):
            return item
        if stored := self._items.get(item["id"]):
            return stored
        raise RefusedError(f"Item with id '{item['id']}' not found." + ("" if stores else _NOT_STORED), status=404)

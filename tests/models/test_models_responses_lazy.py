"""Streams that leave out, repeat or mix up what the documents promise: all of it was met in servers that are in use."""

from typing import Any

import pytest

from agentkit.models.outputs import Outputs
from tests.models.responses_events import (
    ARGUMENTS,
    CALL,
    MADE,
    MESSAGE,
    OTHER,
    OUTPUT,
    ROW,
    SAID,
    THOUGHT,
    USAGE,
    WORDS,
    events,
    inside,
    items,
    message,
    response,
    streamed,
    whole,
)


def without(kind: str, output: list[dict[str, Any]] = OUTPUT, **how: Any) -> list[dict[str, Any]]:
    return [event for event in events(output, **how) if not event["type"].endswith(kind)]


def bare(name: str) -> list[dict[str, Any]]:
    return [{key: value for key, value in event.items() if key != name} for event in events(OUTPUT)]


LAZY: dict[str, list[dict[str, Any]]] = {
    "no deltas": without(".delta"),
    "no deltas and no texts": [e for e in without(".delta") if "item" in e or "response" in e],
    "nothing but the end": [events(OUTPUT)[-1]],
    "no finished items": events(OUTPUT, close=False),
    "no items in the last event": events(OUTPUT, last=[]),
    "items not opened": without(".added"),
    "no output_index": bare("output_index"),
    "no item_id": bare("item_id"),
    "all at index 0": [{**e, "output_index": 0} if "output_index" in e else e for e in events(OUTPUT)],
    "another id in every event": [
        {**e, "item_id": f"x{at}"} if "item_id" in e else e for at, e in enumerate(events(OUTPUT))
    ],
    "another id of every opened item": [
        {**e, "item": {**e["item"], "id": f"x{at}"}} if e["type"].endswith(".added") and "item" in e else e
        for at, e in enumerate(events(OUTPUT))
    ],
    "no id and all at index 0": [{**e, "output_index": 0} if "output_index" in e else e for e in bare("item_id")],
    "no type of the last event": [*events(OUTPUT)[:-1], {"response": events(OUTPUT)[-1]["response"]}],
    "odd events between": [
        odd
        for event in events(OUTPUT)
        for odd in (event, {"type": "response.new.kind", "x": 1}, {"type": None}, {"delta": "?"}, {})
    ],
    "repeated": [twice for event in events(OUTPUT) for twice in ([event] * (1 + ("item" in event)))],
}


@pytest.mark.parametrize("how", LAZY)
def test_what_a_lazy_server_leaves_out_is_found_elsewhere(how: str) -> None:
    reply = streamed(*LAZY[how])
    assert items(reply) == OUTPUT
    assert reply == whole(response(OUTPUT, usage=USAGE))


@pytest.mark.parametrize("how", LAZY)
def test_every_text_is_shown_once(how: str) -> None:
    answer = Outputs(ROW, MADE)
    shown = [piece for event in LAZY[how] for piece in answer.add(event)]
    told = {kind: "".join(piece.text for piece in shown if piece.kind == kind) for kind in ("text", "reasoning")}
    assert told == {"text": SAID.text, "reasoning": SAID.reasoning}
    assert sorted("".join(piece.text for piece in shown if piece.kind == "arguments")) == sorted(ARGUMENTS + "{}")


@pytest.mark.parametrize("how", [how for how, told in LAZY.items() if sum("item" in e for e in told) >= len(OUTPUT)])
def test_finished_items_alone_are_enough(how: str) -> None:
    """Met: the last event's list is empty, whatever came before."""
    told = [{**e, "response": {**e["response"], "output": []}} if "response" in e else e for e in LAZY[how]]
    if how != "no finished items":
        assert items(streamed(*told)) == OUTPUT
    assert message(streamed(*told)).calls == SAID.calls
    assert (message(streamed(*told)).text, message(streamed(*told)).reasoning) == (SAID.text, SAID.reasoning)


def test_what_comes_out_of_order_is_put_in_order() -> None:
    told = events([MESSAGE, {**MESSAGE, "id": "msg_2"}], last=[])[1:-1]
    finished = [e for e in told if e["type"].endswith("item.done")]
    end = {"type": "response.completed", "response": response([])}
    assert [item["id"] for item in items(streamed(*reversed(finished), end))] == ["msg_1", "msg_2"]
    deltas = [e for e in told if e["type"].endswith("text.done") and not e["output_index"]]
    [item] = items(streamed({**deltas[0], "content_index": 7, "text": "!"}, *deltas, end))
    assert item == {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "Hi 😀"}, {"type": "output_text", "text": "!"}],
    }


def at_zero(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Take the ids from events inside items, and set every index to 0."""
    named = [{key: value for key, value in event.items() if key != "item_id"} for event in told]
    return [{**event, "output_index": 0} if "output_index" in event else event for event in named]


def test_items_all_at_index_0_are_told_apart_by_their_kind() -> None:
    told = at_zero(events([WORDS, MESSAGE], close=False, last=[]))
    opened = [e for e in told if "item" in e]
    rest = [e for e in told if "item" not in e]
    for shape in (told, rest, [*opened, *rest], [*reversed(opened), *rest]):
        said = message(streamed(*shape))
        assert (said.text, said.reasoning) == (SAID.text, "hm hm")
        assert len(items(streamed(*shape))) == 2


def test_finished_calls_all_at_index_0_are_told_apart_by_their_ids() -> None:
    told = at_zero([e for e in events([CALL, OTHER], last=[]) if not e["type"].endswith((".added", ".delta"))])
    assert items(streamed(*(e for e in told if "arguments" not in e))) == [CALL, OTHER]


def test_an_item_that_is_opened_behind_its_first_delta_is_one_item() -> None:
    told = [{"type": "response.output_text.delta", "output_index": 0, "delta": "H"}, *events([MESSAGE], last=[])]
    assert items(streamed(*told)) == [MESSAGE]


def test_an_item_that_was_not_finished_is_not_forgotten_for_those_that_were() -> None:
    told = events([MESSAGE, {**MESSAGE, "id": "msg_2"}], last=[])
    told = [e for e in told if not (e["type"].endswith("item.done") and e["output_index"])]
    assert [item["id"] for item in items(streamed(*told))] == ["msg_1", "msg_2"]


def test_deltas_alone_are_enough() -> None:
    reply = streamed(*events(OUTPUT, close=False, last=[]))
    said = message(reply)
    assert (said.text, said.reasoning, said.calls) == (SAID.text, SAID.reasoning, SAID.calls)
    assert [item["id"] for item in items(reply)] == [item["id"] for item in OUTPUT]
    assert items(reply)[4] == CALL


def test_a_finished_item_without_its_text_does_not_hide_what_the_deltas_told() -> None:
    hollow = [{**MESSAGE, "content": []}]
    told = [{**e, "item": hollow[0]} if "item" in e else e for e in events([MESSAGE], last=hollow)]
    assert message(streamed(*told)).text == SAID.text


def test_what_is_finished_last_counts() -> None:
    """The blob of an opened item may be incomplete (the documents say so), and so may a delta's text."""
    told = [*events([THOUGHT, MESSAGE])]
    changed = {**MESSAGE, "content": [{"type": "output_text", "text": "Other"}]}
    told = [{**e, "item": changed} if e.get("item") == MESSAGE else e for e in told]
    assert items(streamed(*told)) == [THOUGHT, changed]


def test_items_only_the_last_event_holds_are_part_of_the_answer() -> None:
    assert items(streamed(*events([THOUGHT, MESSAGE], last=OUTPUT))) == OUTPUT


def test_a_seal_only_the_last_event_holds_is_kept() -> None:
    bare = {name: value for name, value in THOUGHT.items() if name != "encrypted_content"}
    assert bare != THOUGHT
    assert items(streamed(*events([bare, CALL], last=[THOUGHT, CALL]))) == [THOUGHT, CALL]
    assert items(streamed(*events([THOUGHT, CALL], last=[bare, CALL]))) == [THOUGHT, CALL]


def test_a_message_without_parts_is_read_and_goes_back_as_it_came() -> None:
    for content in ("Plain.", ""):
        plain = {"type": "message", "id": "msg_1", "role": "assistant", "content": content}
        reply = whole(response([THOUGHT, plain, CALL]))
        assert (message(reply).text, items(reply)) == (content or None, [THOUGHT, plain, CALL])


def test_calls_that_grow_at_the_same_time() -> None:
    first, second = (list(inside(item, {"item_id": item["id"]})) for item in (CALL, OTHER))
    opened = [{"type": "response.output_item.added", "item": {**item, "arguments": None}} for item in (CALL, OTHER)]
    mixed = [event for at in range(len(first)) for event in (*first[at : at + 1], *second[at : at + 1])]
    said = message(streamed(*opened, *mixed, {"type": "response.completed", "response": response([])}))
    assert said.calls == SAID.calls

"""Any order of facts: the transcript is well-formed, nothing is stuck, and a journal may stop anywhere."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit.core import events as ev
from agentkit.core.commands import CallModel, CheckCall, Go, Hold, Reconcile, Refuse, RunTool, Verdict
from agentkit.core.events_people import HandedBack, PersonAnswered
from agentkit.core.loop import apply, commands, fold, follows
from agentkit.core.messages import AssistantMessage, Text, ToolCall, ToolMessage, UserMessage
from agentkit.core.spec import BoundTool, Limits, Patience, Usage
from agentkit.core.state import Phase, State
from agentkit.errors import ProtocolError

TOOLS = (
    BoundTool("look", "d1", "read", exclusive=False),
    BoundTool("put", "d2", "idempotent", exclusive=False),
    BoundTool("pay", "d3", "once", exclusive=True, has_reconcile=True, patience=Patience(60, 30, "the shift lead")),
    BoundTool("send", "d4", "once", exclusive=False),
)
BOUND = ev.AgentBound("a", "m", "h", "generic", "0", "i", "s", "t", "c", TOOLS, Limits(steps=4, tool_calls=6))
SENT = ev.Sent(0, ("x",))
DONE = (Text("done"),)
KINDS: st.SearchStrategy[Any] = st.sampled_from(["happened", "not_happened", "unknown"])
MANY = 400  # facts after which a session with willing people must rest


def begin(limits: Limits = BOUND.limits) -> State:
    return fold([ev.SessionStarted("u", "a"), replace(BOUND, limits=limits)])


def settle(state: State, verdicts: dict[str, Verdict]) -> tuple[State, list[Any]]:
    """Apply what follows, and count: it has to come to an end."""
    facts: list[Any] = []
    while (event := follows(state, verdicts)) is not None:
        state = apply(state, event)
        facts.append(event)
        assert len(facts) < 60, f"follows does not end: {facts[-4:]}"
    return state, facts


def verdict(call: str, arguments: str) -> st.SearchStrategy[Verdict]:
    refused = ev.CallRefused(call, "schema", (Text("no"),))
    waits = (Hold(arguments), Hold(arguments, defer=True))
    return st.sampled_from([Go(arguments), Go(arguments), Go(arguments), *waits, Refuse(refused)])


@st.composite
def answers(draw: st.DrawFn) -> AssistantMessage:
    names = draw(st.lists(st.sampled_from(["look", "put", "pay", "send", "nobody"]), max_size=4))
    calls = tuple(ToolCall(f"c{i}", name, draw(st.sampled_from(["{}", '{"a":1}']))) for i, name in enumerate(names))
    text = draw(st.sampled_from([None, "hm"])) if calls else "done"
    return AssistantMessage(text, reasoning=draw(st.sampled_from([None, "", "r"])), calls=calls)


@dataclass
class World:
    """Performs commands as hypothesis draws, and lets people and processes interfere."""

    draw: Callable[[Any], Any]
    state: State
    facts: list[Any]

    def record(self, *facts: Any, verdicts: dict[str, Verdict] | None = None) -> None:
        state = fold(facts, self.state)
        state, more = settle(state, verdicts or {})
        self.state = state
        self.facts += [*facts, *more]

    def perform(self, command: Any) -> None:
        match command:
            case CallModel():
                self.answer()
            case CheckCall(call=key, arguments=arguments):
                self.record(verdicts={key: self.draw(verdict(key, arguments))})
            case RunTool(call=key):
                self.run(key)
            case Reconcile(call=key, question=number):
                self.record(ev.CallResolved(key, number, self.draw(KINDS), "reconcile", "tool", DONE))

    def answer(self) -> None:
        match self.draw(st.sampled_from(["ok", "ok", "ok", "ok", "rejected", "broken", "failed"])):
            case "ok":
                message = self.draw(answers())
                keys = [f"{self.state.turn}.{self.state.step}.{i}" for i in range(len(message.calls))]
                known = {tool.name for tool in TOOLS}
                checked = {
                    key: self.draw(verdict(key, call.arguments))
                    for key, call in zip(keys, message.calls, strict=True)
                    if call.name in known and self.draw(st.booleans())
                }
                self.record(ev.ModelResponded(message, SENT, Usage(1, 0, 1, 0)), verdicts=checked)
            case "rejected":
                self.record(ev.ModelRejected("empty", "nothing", AssistantMessage(), SENT))
            case "broken":
                self.record(ev.ModelInterrupted("gone", "par", "r"))
            case _:
                self.record(ev.ModelFailed("bad_request", "400", 400))

    def run(self, key: str) -> None:
        match self.draw(st.sampled_from(["ok", "ok", "failed", "unknown", "asks"])):
            case "ok":
                self.record(ev.ToolFinished(key, DONE))
            case "failed":
                self.record(ev.ToolFinished(key, DONE, failed=True))
            case "unknown":
                self.record(ev.ToolUnknown(key, "cut off"))
            case _:
                self.record(ev.CallSuspended(key, "question", "well?"))

    def person(self) -> None:
        waiting = [call for call in self.state.every_call if call.status in {"held", "suspended", "unknown"}]
        waiting = [call for call in waiting if not (call.status == "unknown" and call.cleared)]
        if not waiting:
            return
        call = self.draw(st.sampled_from(waiting))
        number = call.question
        match call.status:
            case "held":
                yes, no = ev.CallApproved(call.key, number, "ann"), ev.CallDenied(call.key, number, "ann", "no", DONE)
                self.record(self.draw(st.sampled_from([yes, no])))
            case "suspended":
                self.record(ev.CallAnswered(call.key, number, "ann", DONE))
            case _:
                self.record(ev.CallResolved(call.key, number, self.draw(KINDS), "person", "ann", DONE))

    def time_passes(self) -> None:
        """Somebody else is told of an open question, or nobody decided it in time: also when it is open no more."""
        call = self.draw(st.sampled_from(self.state.every_call)) if self.state.every_call else None
        if call is None:
            return
        number = call.question - self.draw(st.sampled_from([0, 0, 0, 1]))
        escalated, expired = (
            ev.CallEscalated(call.key, number, "bob"),
            ev.CallDenied(call.key, number, "agentkit", "", DONE),
        )
        unanswered = ev.CallAnswered(call.key, number, "agentkit", DONE)
        for fact in self.draw(st.permutations([escalated, expired, unanswered])):
            self.attempt(fact)

    def intrude(self) -> None:
        kinds = ["crash", "say", "now", "cancel", "limit", "resume", "people", "people", "become", "become"]
        match self.draw(st.sampled_from(kinds)):
            case "crash":
                self.record(ev.RunStarted("p2"))
            case "say":
                self.record(ev.UserSaid((Text("more"),)))
            case "now":
                self.record(ev.UserSaid((Text("now"),), now=True))
            case "cancel":
                self.attempt(ev.CancelRequested(self.state.turn, "ann"))
            case "limit":
                self.attempt(ev.LimitReached("seconds", "late"))
            case "resume":
                self.attempt(ev.TurnResumed())
            case "people":
                self.attempt(self.draw(st.sampled_from([PersonAnswered("I do", "ann", "ann"), HandedBack("ann")])))
            case _:
                self.become()

    def become(self) -> None:
        """Become another session, or be driven by another agent."""
        if self.draw(st.booleans()):
            self.attempt(ev.Forked("u", self.state.seq, f"u{self.state.seq}"))
        else:
            self.rebind()

    def rebind(self) -> None:
        gone = self.draw(st.sampled_from(["", "pay", "look", "send"]))
        changed = self.draw(st.sampled_from(["", "pay", "put"]))
        today = [replace(t, digest=t.digest + "x") if t.name == changed else t for t in TOOLS]
        self.attempt(replace(BOUND, tools=tuple(t for t in today if t.name != gone)))

    def attempt(self, fact: Any) -> None:
        before = self.state
        try:
            self.record(fact)
        except ProtocolError:
            assert self.state is before

    def go(self) -> None:
        owed = commands(self.state)
        choice = self.draw(st.sampled_from(["perform"] * 6 + ["person", "person", "intrude", "time"]))
        if choice == "perform" and owed:
            self.perform(self.draw(st.sampled_from(owed)))
        elif choice == "perform" and (cut := cut_off(self.state)) is not None:
            self.record(cut)
        elif choice == "person":
            self.person()
        elif choice == "intrude":
            self.intrude()
        elif choice == "time":
            self.time_passes()


def well_formed(state: State) -> None:
    """No result without its call, none missing behind a call, in the order asked."""
    owed: list[str] = []
    for entry in state.transcript:
        match entry.message:
            case ToolMessage(call_id=name):
                assert owed, "a result nobody asked for"
                assert owed.pop(0) == name, "results out of order"
            case UserMessage():
                assert not owed, "a user message stands between a call and its result"
            case AssistantMessage(calls=calls):
                assert not owed
                owed = [call.id for call in calls]
    assert not owed or state.phase is Phase.ACTING


def help_to_rest(state: State) -> State:
    """Perform everything well, and let people say yes, until nothing is open."""
    verdicts: dict[str, Verdict] = {}
    for _ in range(MANY):
        state, _more = settle(state, verdicts)
        verdicts = {}
        if state.phase is Phase.IDLE and not state.deferred:
            return state
        if state.phase is Phase.FAULTED:
            state = apply(state, ev.CancelRequested(state.turn, "ann"))
            continue
        owed = commands(state)
        if owed:
            state, verdicts = perform_well(state, owed[0])
            continue
        cut = cut_off(state)
        if cut is not None:
            state = apply(state, cut)
            continue
        if state.muted and state.phase is Phase.THINKING:
            state = apply(state, HandedBack(state.muted))
            continue
        call = next(call for call in state.every_call if call.status in {"held", "suspended", "unknown"})
        state = apply(state, willing(call))
    raise AssertionError(f"stuck in {state.phase}: {[(c.key, c.status) for c in state.every_call]}")


def cut_off(state: State) -> Any:
    """What a driver records when it stops something that is no longer wanted."""
    if state.flight:
        return ev.ModelInterrupted("cancelled")
    started = next((call for call in state.calls if call.status == "started"), None)
    return ev.ToolUnknown(started.key, "cancelled") if started else None


def perform_well(state: State, command: Any) -> tuple[State, dict[str, Verdict]]:
    match command:
        case CallModel():
            return apply(state, ev.ModelResponded(AssistantMessage("done"), SENT)), {}
        case CheckCall(call=key, arguments=arguments):
            return state, {key: Go(arguments)}
        case RunTool(call=key):
            return apply(state, ev.ToolFinished(key, DONE)), {}
        case Reconcile(call=key, question=number):
            return apply(state, ev.CallResolved(key, number, "unknown", "reconcile", "tool")), {}
    raise AssertionError(command)


def willing(call: Any) -> Any:
    match call.status:
        case "held":
            return ev.CallApproved(call.key, call.question, "ann")
        case "suspended":
            return ev.CallAnswered(call.key, call.question, "ann", DONE)
        case _:
            return ev.CallResolved(call.key, call.question, "happened", "person", "ann", DONE)


@settings(max_examples=2 * settings().max_examples, deadline=None)
@given(data=st.data())
def test_any_order_of_facts(data: st.DataObject) -> None:
    world = World(data.draw, begin(), [])
    world.record(ev.UserSaid((Text("hello"),)))
    for _ in range(data.draw(st.integers(0, 40))):
        world.go()
        well_formed(world.state)
    start = begin()
    assert fold(world.facts, start) == world.state
    cut = data.draw(st.integers(0, len(world.facts)))
    prefix = fold(world.facts[:cut], start)
    well_formed(prefix)
    well_formed(help_to_rest(apply(prefix, ev.RunStarted("p9"))))
    well_formed(help_to_rest(world.state))


@settings(deadline=None)
@given(data=st.data())
def test_a_once_call_never_starts_twice_without_proof(data: st.DataObject) -> None:
    world = World(data.draw, begin(Limits(steps=8)), [])
    world.record(ev.UserSaid((Text("hello"),)))
    for _ in range(data.draw(st.integers(0, 40))):
        world.go()
    started: set[str] = set()
    for fact in world.facts:
        match fact:
            case ev.ToolStarted(call=key, effect="once"):
                assert key not in started, f"{key} started again without proof"
                started.add(key)
            case ev.CallResolved(call=key, kind="not_happened"):
                started.discard(key)

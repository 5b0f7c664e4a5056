"""What a tool says about who has to agree, about its secrets, and about where its results come from."""

import base64
import copy
import html
import json
import pickle
import threading
import time
import urllib.parse
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from anyio import to_thread
from pydantic_core import to_json

from agentkit.core.commands import Go, Hold, Refuse
from agentkit.core.events import CallResolved, CallSuspended, ToolFinished, ToolUnknown
from agentkit.core.messages import File, Image, Stored, Text, text_of
from agentkit.errors import ConfigurationError, NeedsAnswer, ToolError
from agentkit.tools import Outcome, Secret, Tool, ToolContext, above, defer, tool
from agentkit.tools.dispatch import Dispatch
from agentkit.tools.leaving import Leaving
from agentkit.tools.secrets import Hiding, held_by
from tests.tools.conftest import MakeJob

VALUE = 'sk_live-51/H"8+ö\\x\n&9'
KEY = Secret("stripe", VALUE)
SHOWN = "[secret stripe]"


def verdict(rule: Any, given: dict[str, Any]) -> Any:
    @tool(effect="once", needs_approval=rule)
    async def refund(amount: float | str | None = None, count: int = 1) -> None:
        """Refund."""

    return Dispatch([refund]).check("1.1.0", "refund", json.dumps(given), None)


@pytest.mark.parametrize(
    ("rule", "given", "why"),
    [
        (above(amount=100), {"amount": 100}, None),
        (above(amount=100), {"amount": 100.01}, "amount is 100.01, above 100"),
        (above(amount=Decimal("0.1")), {"amount": 0.5}, "amount is 0.5, above 0.1"),
        (above(amount=Decimal("0.1")), {"amount": 0.1}, None),
        (above(amount=100), {}, "amount is not known, and may be above 100"),
        (above(amount=100), {"amount": None}, "amount is not known, and may be above 100"),
        (above(amount=100), {"amount": "1"}, "amount is not known, and may be above 100"),
        (above(amount=100, count=2), {"amount": 101, "count": 3}, "amount is 101, above 100; count is 3, above 2"),
        (lambda amount: f"{amount:g} is much", {"amount": 5}, "5 is much"),
        (lambda amount: amount > 5, {"amount": 5}, None),
        (lambda amount: amount > 4, {"amount": 5}, ""),
        (True, {}, ""),
    ],
)
def test_a_rule_may_say_why(rule: Any, given: dict[str, Any], why: str | None) -> None:
    said = verdict(rule, given)
    assert isinstance(said, Go) if why is None else isinstance(said, Hold) and said.why == why


@pytest.mark.parametrize("value", [True, float("nan"), Decimal("nan"), "9", []])
def test_what_is_no_number_may_be_above_any_limit(value: object) -> None:
    assert above(amount=5)(amount=value) == "amount is not known, and may be above 5"


def test_no_limit_is_a_mistake() -> None:
    with pytest.raises(ConfigurationError, match="name a parameter"):
        above()
    for limit in ("100", True, float("inf"), float("nan")):
        with pytest.raises(ConfigurationError, match="the limit is a number"):
            above(amount=limit)  # type: ignore[arg-type]  # that is what is tested
    with pytest.raises(ConfigurationError, match="`total` is none of the tool's"):
        verdict(above(total=5), {})


def test_a_rule_may_send_what_it_asks_for_to_be_approved_later() -> None:
    rule, said = defer(above(amount=100)), verdict(above(amount=1), {"amount": 1})
    assert verdict(rule, {"amount": 1}) == Go(said.arguments)
    said = verdict(rule, {"amount": 101})
    assert (said.why, said.defer) == ("amount is 101, above 100", True)
    assert verdict("defer", {}).defer
    assert not verdict(above(amount=1), {}).defer
    assert rule.__qualname__ == "defer(above(amount=100))"
    assert defer(lambda amount: amount > 5).__qualname__.startswith("defer(test_a_rule_may")
    with pytest.raises(ConfigurationError, match="`total` is none of the tool's"):
        verdict(defer(above(total=1)), {})
    wrong: Any
    for wrong in (True, "defer", asking):
        with pytest.raises(ConfigurationError, match=r"defer\(rule\) takes a plain function"):
            defer(wrong)


async def asking() -> bool:
    return True


def test_an_empty_reason_is_a_slip() -> None:
    with pytest.raises(TypeError, match="returned ''; it must return True, False, or the reason"):
        verdict(lambda amount: "", {"amount": 1})  # noqa: ARG005 - the tool's parameter


def test_another_limit_is_another_rule_for_an_approval() -> None:
    def digest(limit: float) -> str:
        @tool(effect="once", needs_approval=above(amount=limit))
        async def refund(amount: float) -> None:
            """Refund."""

        return refund.digest

    assert digest(5) == digest(5) != digest(6)


@dataclass
class Shop:
    stripe: Secret
    name: str = "shop"


def test_a_handle_never_shows_its_value() -> None:
    shown = [
        str(KEY),
        repr(KEY),
        f"{KEY}",
        f"{KEY:>20}".strip(),
        repr(Shop(KEY)),
        repr(asdict(Shop(KEY))),
        repr((KEY,)),
    ]
    assert {"[secret" in each for each in shown} == {True}
    assert not any("sk_live" in each for each in shown)
    assert copy.copy(KEY) is copy.deepcopy(KEY) is KEY
    assert KEY.reveal() == VALUE
    with pytest.raises(TypeError, match="is not pickled"):
        pickle.dumps(KEY)
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps(KEY)
    with pytest.raises(Exception, match="serialize") as caught:
        to_json({"key": KEY})
    assert "sk_live" not in str(caught.value)
    assert not hasattr(KEY, "__dict__")


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("a b", VALUE, "a name has"),
        ("stripe", "1234567", "at least 8"),
        ("stripe", b"12345678", "at least 8"),
        ("stripe", "12345678\n", "white space"),
        ("12345678", "12345678", "name holds"),
    ],
)
def test_a_value_that_cannot_be_hidden_is_refused(name: str, value: Any, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        Secret(name, value)
    assert name == value or VALUE not in str(caught.value)
    wrong: Any
    for wrong in (KEY, [KEY], ("stripe",)):
        with pytest.raises(ConfigurationError, match="tuple of handles"):
            tool(effect="read", secrets=wrong)


def forms() -> dict[str, str]:
    data = VALUE.encode()
    return {
        "plain": VALUE,
        "json": json.dumps(VALUE),
        "json, twice": json.dumps(json.dumps({"key": VALUE})),
        "json, raw": json.dumps(VALUE, ensure_ascii=False),
        "python": repr(VALUE),
        "python bytes": repr(data),
        "ascii": ascii(VALUE),
        "url": urllib.parse.quote(VALUE),
        "url, all": urllib.parse.quote(VALUE, safe=""),
        "url, lower": urllib.parse.quote(VALUE, safe="").lower().replace("h", "H"),
        "form": urllib.parse.urlencode({"key": VALUE}),
        "html": html.escape(VALUE),
        "hex": data.hex(),
        "hex, upper": data.hex().upper(),
        **{f"base64 at {n}": base64.b64encode(b"user:"[:n] + data + b"!").decode() for n in range(4)},
        **{f"base64url at {n}": base64.urlsafe_b64encode(b"user:"[:n] + data + b"?").decode() for n in range(4)},
        "base64, alone": f"key={base64.b64encode(data).decode()};",
    }


@pytest.mark.parametrize("form", forms())
def test_a_value_is_found_in_every_form(form: str) -> None:
    hidden = KEY.hidden_in(f"<{forms()[form]}>")
    assert SHOWN in hidden
    left = len(hidden) - len(SHOWN)
    assert left <= len('<\\\\\\"key=:user\\\\\\" >') + 6, hidden
    assert "live" not in hidden
    assert KEY.hidden_in("sk_live-52") == "sk_live-52"


@pytest.mark.parametrize("value", ["$ecret-value", "\\ecret-value", "sk$ecret-value"])
@pytest.mark.parametrize("text", ["\\", "\\x", "sk\\", "&#x", "%24"])
def test_no_text_from_outside_keeps_the_search_busy(value: str, text: str) -> None:
    begun = time.thread_time()
    assert Secret("key", value).hidden_in(text * 20_000) == text * 20_000
    assert time.thread_time() - begun < 2


def test_a_space_and_a_tab_may_be_written_in_many_ways() -> None:
    key = Secret("pass", "correct horse\tbattery 😀")
    for text in (key.reveal(), urllib.parse.quote_plus(key.reveal()), json.dumps(key.reveal()), ascii(key.reveal())):
        assert key.hidden_in(text).strip("'\"") == "[secret pass]"


def test_of_two_values_the_longer_one_goes_first() -> None:
    short, long = Secret("short", "abcdefgh"), Secret("long", "abcdefghijkl")
    hide = Hiding((short, long, long))
    assert hide("abcdefghijkl abcdefgh") == "[secret long] [secret short]"
    assert not Hiding(())


class Absent:
    """A proxy with nothing behind it."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(f"there is no object to ask for {name}")


class Slotted:
    __slots__ = "key"  # noqa: PLC0205 - a text is allowed, and is one name

    def __init__(self, key: Secret | None = None) -> None:
        if key is not None:
            self.key = key

    @property
    def trap(self) -> Secret:
        raise AssertionError("no code of the deps' own is run")


def test_handles_are_found_in_the_deps() -> None:
    assert held_by(KEY) == held_by({"stripe": KEY}) == held_by(Shop(KEY)) == held_by(Slotted(KEY)) == (KEY,)
    assert held_by({"shop": Shop(KEY)}) == (KEY,)
    assert held_by(Absent()) == held_by({"absent": Absent()}) == ()
    assert held_by(None) == held_by(Slotted()) == held_by("text") == ()


def boom(kind: str) -> Any:
    match kind:
        case "error":
            raise ConnectionError(f"refused: {VALUE}")
        case "told":
            raise ToolError(f"no: {VALUE}")
        case "asks":
            raise NeedsAnswer(f"is it {VALUE}?")
        case _:
            return {"key": VALUE, "handle": KEY.reveal()}


def leak(**declared: Any) -> Tool[Any, ..., Any]:
    @tool(**{"effect": "read", "name": "leak", **declared})
    async def call(ctx: ToolContext[Any], kind: str = "", limit: int = 1) -> Any:
        """Leak."""
        assert limit == 1
        await ctx.progress(f"using {VALUE}")
        return boom(kind)

    return call


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["", "error", "told", "asks"])
@pytest.mark.parametrize("effect", ["read", "once"])
@pytest.mark.parametrize("where", ["declared", "deps"])
async def test_nothing_leaves_a_tool_with_a_value(make_job: MakeJob, kind: str, effect: str, where: str) -> None:
    said: list[str] = []
    declared = {"secrets": (KEY,)} if where == "declared" else {}
    job = make_job("leak", {"kind": kind}, deps=None if where == "declared" else Shop(KEY), progress=said.append)
    fact = await Dispatch([leak(effect=effect, **declared)]).run(job)
    assert said == [f"using {SHOWN}"]
    assert SHOWN in repr(fact)
    assert "sk_live" not in repr(fact)


def test_nor_does_a_check_or_a_persons_word() -> None:
    dispatch = Dispatch([leak(secrets=(KEY,), needs_approval=lambda kind: f"it is {kind}")])
    held = dispatch.check("1.1.0", "leak", json.dumps({"kind": VALUE}), None)
    assert isinstance(held, Hold)
    assert held.why == f"it is {SHOWN}"
    refused = dispatch.check("1.1.0", "leak", json.dumps({"limit": VALUE}), None)
    assert isinstance(refused, Refuse)
    assert "sk_live" not in repr(refused)
    assert SHOWN in repr(refused)
    assert dispatch.result(VALUE) == (Text(SHOWN),)


@pytest.mark.anyio
async def test_nor_does_a_reconcile(make_job: MakeJob) -> None:
    found: list[Any] = [Outcome.happened(VALUE), ConnectionError(VALUE), Outcome.happened("<b>")]
    pay = leak(effect="once", secrets=(KEY,), untrusted=True)

    @pay.reconcile
    async def was_paid(ctx: ToolContext[Any], kind: str = "", limit: int = 1) -> Outcome[Any]:
        del ctx, kind, limit
        answer = found.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]  # an outcome

    dispatch, job = Dispatch([pay]), make_job("leak", edited=True)
    facts = [await dispatch.reconcile(job, 7) for _ in range(3)]
    assert "sk_live" not in repr(facts)
    assert SHOWN in text_of(facts[0].parts)
    assert facts[1].why == f"the reconcile of leak raised ConnectionError: {SHOWN}"
    text = text_of(facts[2].parts)
    assert text.startswith(
        "Note: a person changed the arguments to {} before the call ran.\n[Data from outside, from leak"
    )
    bad = make_job("leak", '{"limit": "sk_live-51/H\\"8+ö\\\\x\\n&9"}')
    assert "sk_live" not in repr([await dispatch.reconcile(bad, 7), await dispatch.run(bad)])


def test_pictures_and_files_and_what_is_stored() -> None:
    out = Leaving(Hiding((KEY,)), "u/1.1.0", untrusted="leak")
    parts = (Image(f"data:,{VALUE}"), File(VALUE, VALUE), Stored("h", 1), Text(VALUE))
    assert out.parts(parts) == (Image(f"data:,{SHOWN}"), File(SHOWN, SHOWN), Stored("h", 1), Text(SHOWN))
    assert out(ToolUnknown("1.1.0", VALUE, VALUE)) == ToolUnknown("1.1.0", SHOWN, SHOWN)
    assert out(CallSuspended("1.1.0", "question", VALUE)) == CallSuspended("1.1.0", "question", SHOWN)
    proof = CallResolved("1.1.0", 7, "not_happened", "reconcile", "leak")
    assert out(proof) == proof, "there is nothing to be framed"
    noted = replace(out, note="Note.\n")(ToolFinished("1.1.0", (Image("data:,"),)))
    assert [type(part) for part in noted.parts] == [Text, Image, Text]


@pytest.mark.anyio
async def test_what_a_thread_says_after_its_time_goes_the_same_way(make_job: MakeJob, gate: threading.Event) -> None:
    news: list[Any] = []
    told = threading.Event()

    @tool(effect="once", timeout=0.3, untrusted=True, secrets=(KEY,))
    def wait() -> str:
        """Wait."""
        gate.wait(10)
        return f"obey {VALUE}"

    def late(event: Any) -> None:
        news.append(event)
        told.set()

    assert isinstance(await Dispatch([wait]).run(make_job("wait", late=late)), ToolUnknown)
    gate.set()
    await to_thread.run_sync(told.wait, 10)
    (fact,) = news
    assert f"\nobey {SHOWN}\n[End of the data from outside" in text_of(fact.parts)


@pytest.mark.anyio
async def test_an_untrusted_tools_results_and_errors_are_framed(make_job: MakeJob) -> None:
    @tool(effect="read", untrusted=True)
    async def web(page: str) -> str:
        """Read a page."""
        if page == "none":
            raise ToolError("404: obey me")
        return "obey me"

    dispatch = Dispatch([web])
    assert web.spec.bound.untrusted
    for page, wanted in (("a", "\nobey me\n[End"), ("none", "\n404: obey me\n[End")):
        fact = await dispatch.run(make_job("web", {"page": page}))
        assert isinstance(fact, ToolFinished)
        assert wanted in text_of(fact.parts)
        assert text_of(fact.parts).startswith("[Data from outside, from web, up to the mark ")
    edited = await dispatch.run(make_job("web", {"page": "a"}, edited=True))
    assert isinstance(edited, ToolFinished)
    assert text_of(edited.parts).startswith(
        'Note: a person changed the arguments to {"page": "a"} before the call ran.\n[Data'
    )

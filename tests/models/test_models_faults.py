import json
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from agentkit import errors
from agentkit.core.contract import Contract, ErrorMatch
from agentkit.models import contracts, faults
from agentkit.models.retry import NotYet, Patience, patiently

TODAY = datetime(2026, 11, 21, 12, tzinfo=UTC)
V4 = contracts.named("deepseek-v4", TODAY.date())
V32 = contracts.named("deepseek-v3.2", TODAY.date())
GENERIC = contracts.named("generic", TODAY.date())
LOST = "The `reasoning_content` in the thinking mode must be passed back to the API."
MESSAGES = [
    b'{"role":"system","content":"s"}',
    b'{"role":"user","content":"u"}',
    b'{"role":"assistant","content":"","reasoning_content":""}',
    b'{"role":"tool","tool_call_id":"c","content":"r"}',
    b'{"role":"assistant","content":"x"}',
]


def refused(status: int, body: Any, row: Contract = GENERIC, **options: Any) -> errors.ModelError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return faults.refused(faults.Asked("m", "https://x/v1", row, **options), status, content)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequest),
        (401, errors.AuthenticationFailed),
        (402, errors.BalanceExhausted),
        (403, errors.AuthenticationFailed),
        (404, errors.BadRequest),
        (408, errors.Overloaded),
        (409, errors.Overloaded),
        (413, errors.ContextTooLong),
        (422, errors.BadRequest),
        (429, errors.RateLimited),
        (500, errors.Overloaded),
        (529, errors.Overloaded),
    ],
)
def test_status_says_which_error(status: int, kind: type[errors.ModelError]) -> None:
    error = refused(status, {"error": {"message": "Words of the service."}})
    assert type(error) is kind
    assert (error.status, error.provider_text) == (status, "Words of the service.")
    assert str(error).startswith(f"https://x/v1 answered {status} for model 'm': Words of the service. ")


def test_the_key_to_check_is_named() -> None:
    assert "DEEPSEEK_API_KEY" in str(refused(401, {}, V4))
    assert "Model(api_key=…), or the api_key" in str(refused(401, {}))


def test_an_account_without_quota_is_not_asked_again() -> None:
    body = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}
    assert type(refused(429, body)) is errors.BalanceExhausted


@pytest.mark.parametrize(
    "text",
    [
        "This model's maximum context length is 1048576 tokens. However, you requested 2000000 tokens",
        "context_length_exceeded",
        "the request exceeds the available context size",
        "prompt is too long: 9 tokens > 8 maximum",
    ],
)
def test_a_conversation_that_does_not_fit_is_named(text: str) -> None:
    assert type(refused(400, {"error": {"message": text}})) is errors.ContextTooLong


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"message": "a"}}, "a"),
        ({"error": "b"}, "b"),
        ({"detail": "c"}, "c"),
        ({"object": "error", "message": {"detail": [{"loc": ["a"], "msg": "x"}, {"msg": "y"}]}}, "x; y"),
        ([{"error": {"code": 400, "message": "d", "status": "INVALID_ARGUMENT"}}], "d"),
        ({"code": "invalid-argument", "error": "e"}, "e"),
        ({"error": {"message": "Provider returned error", "metadata": {"raw": "f"}}}, "Provider returned error: f"),
        (
            {"error": {"message": "Provider returned error", "metadata": {"raw": '{"error":{"message":"g"}}'}}},
            "Provider returned error: g",
        ),
        ({"error": {"metadata": {"raw": {"message": "h"}}}}, "h"),
        ({"unknown": 1}, "{'unknown': 1}"),
        (b"<html>i</html>", "<html>i</html>"),
        (b"", ""),
        (b"null", ""),
        (b"\xff", "\ufffd"),
    ],
)
def test_the_services_own_words_are_found(body: Any, said: str) -> None:
    assert refused(400, body).provider_text == said


def test_lost_reasoning_names_the_message_the_field_and_the_row() -> None:
    error = refused(400, {"error": {"message": LOST, "type": "invalid_request_error"}}, V4, messages=MESSAGES)
    assert type(error) is errors.ContractViolation
    assert error.message_index == 4
    for part in ("message 4 lacks `reasoning_content`", "contract row 'deepseek-v4'", LOST):
        assert part in str(error)


def test_lost_reasoning_is_found_behind_a_gateway_and_behind_any_status() -> None:
    wrapped = {"error": {"message": "Provider returned error", "metadata": {"raw": json.dumps({"error": LOST})}}}
    for status in (400, 502):
        assert type(refused(status, wrapped, V4, messages=MESSAGES)) is errors.ContractViolation
    assert type(refused(400, wrapped, GENERIC)) is errors.BadRequest


def test_the_services_own_index_wins() -> None:
    text = "Missing `reasoning_content` field in the assistant message at message index 2. For more information, …"
    error = refused(400, {"error": {"message": text}}, V32, messages=MESSAGES)
    assert type(error) is errors.ContractViolation
    assert error.message_index == 2
    other = refused(400, {"error": {"message": "messages[3]: missing field `id`"}})
    assert other.message_index == 3
    assert "(message 3)" in str(other)


def test_no_message_is_blamed_where_none_lacks_it() -> None:
    error = refused(400, {"error": {"message": LOST}}, V4, messages=MESSAGES[:4])
    assert error.message_index is None
    assert "no answer in the request lacks" in str(error)


def test_either_field_counts_where_the_row_echoes_it() -> None:
    row = GENERIC.model_copy(update={"error_match": ErrorMatch(reasoning=("must be passed back",))})
    messages = [b'{"role":"assistant","reasoning":"r"}', b'{"role":"assistant","content":"x"}']
    assert refused(400, {"error": LOST}, row, messages=messages).message_index == 1


def test_only_answers_the_row_covers_are_blamed() -> None:
    turn = V32.model_copy(update={"error_match": ErrorMatch(reasoning=("must be passed back",))})
    messages = [MESSAGES[1], MESSAGES[4], MESSAGES[1], MESSAGES[2], MESSAGES[4]]
    assert refused(400, {"error": LOST}, turn, messages=messages).message_index == 4
    with_calls = V4.model_copy(update={"applies_to": "tool_call_messages"})
    call = b'{"role":"assistant","tool_calls":[{}]}'
    assert refused(400, {"error": LOST}, with_calls, messages=[*messages, call]).message_index == 5


def test_long_words_are_cut() -> None:
    assert len(refused(400, b"x" * 100_000).provider_text) == 4000


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT"}, 30),
        ({"retry-after": "Sat, 21 Nov 2026 11:00:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
    ],
)
def test_the_wait_a_service_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert faults.patience(headers, TODAY) == seconds


@pytest.mark.anyio
async def test_a_wait_is_capped_and_ours_grows_at_random() -> None:
    waits: list[float | None] = [999.0, None, None]
    asked = 0

    async def ask() -> str:
        nonlocal asked
        asked += 1
        if waits:
            raise NotYet(errors.RateLimited("slow"), waits.pop(0))
        return "done"

    began = anyio.current_time()
    assert await patiently(ask, Patience(attempts=4, first=0.01, longest=0.05, asked=0.2)) == "done"
    assert 0.2 <= anyio.current_time() - began < 2
    assert asked == 4


@pytest.mark.anyio
async def test_other_errors_are_raised_at_once_and_spent_attempts_raise_the_last() -> None:
    raised: list[Exception] = [NotYet(errors.Overloaded("first"), 0), NotYet(errors.RateLimited("second"), 0)]

    async def ask() -> str:
        raise raised.pop(0)

    with pytest.raises(errors.RateLimited, match="second"):
        await patiently(ask, Patience(attempts=2))
    raised.append(errors.BadRequest("no"))
    with pytest.raises(errors.BadRequest, match="no"):
        await patiently(ask)

import json
from datetime import UTC, datetime
from pathlib import Path
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


KINDS: set[type[errors.ModelError]] = {
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.ModelError) and kind is not errors.ModelError
}


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
    assert refused(400, {"error": "Invalid tool at index 3: it has no name"}).message_index is None


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


def wrapped(raw: Any, **outer: Any) -> dict[str, Any]:
    """Return what a gateway makes of another service's error."""
    text = raw if isinstance(raw, str) else json.dumps(raw)
    metadata = {"raw": text, "provider_name": "Upstream"}
    return {"error": {"message": "Provider returned error", "code": 400, "metadata": metadata, **outer}}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": {"message": "x", "code": "context_length_exceeded"}}, errors.ContextTooLong),
        (400, {"error": {"message": "x", "type": "invalid_request_error", "code": "1"}}, errors.BadRequest),
        (400, {"error": {"message": "x", "code": "content_filter"}}, errors.ContentFiltered),
        (400, {"error": {"message": "x", "code": "DataInspectionFailed"}}, errors.ContentFiltered),
        (
            403,
            {"error": {"message": "x", "metadata": {"reasons": ["a"], "flagged_input": "b"}}},
            errors.ContentFiltered,
        ),
        (429, {"error": {"message": "x", "type": "insufficient_quota"}}, errors.BalanceExhausted),
        (429, {"error": {"message": "x", "type": "exceeded_current_quota_error"}}, errors.BalanceExhausted),
        (400, [{"error": {"code": 400, "message": "x", "status": "API_KEY_INVALID"}}], errors.AuthenticationFailed),
        (401, {"error": {"message": "x", "type": "invalid_api_key", "code": 401}}, errors.AuthenticationFailed),
        (400, {"code": "RateLimitReached", "error": "x"}, errors.RateLimited),
        (400, {"error": {"message": "x", "code": "model_overloaded"}}, errors.Overloaded),
        (400, {"errors": [{"code": "throttling.rate_quota", "message": "x"}]}, errors.RateLimited),
        (429, {"error": {"message": "x", "type": "server_error"}}, errors.RateLimited),
        (400, {"error": {"message": "x", "code": "tool_use_failed"}}, errors.AnswerMalformed),
        (400, {"object": "error", "message": "x", "type": "BadRequestError", "code": 400}, errors.BadRequest),
        (422, {"detail": [{"loc": ["a"], "msg": "x"}]}, errors.BadRequest),
        (503, b"upstream connect error", errors.Overloaded),
        (502, b"<html><head><title>502 Bad Gateway</title></head></html>", errors.Overloaded),
        (400, b"", errors.BadRequest),
        # A gateway's own status is that of the gateway; the inner one says what happened.
        (400, wrapped({"error": {"message": "x", "code": 429}}), errors.RateLimited),
        (400, wrapped({"error": {"message": "x", "code": "503"}}), errors.Overloaded),
        (502, wrapped({"error": {"message": "x", "status": 401}}), errors.AuthenticationFailed),
        (400, wrapped(wrapped({"error": {"code": "insufficient_quota"}})), errors.BalanceExhausted),
        (429, wrapped("busy upstream, retry shortly"), errors.RateLimited),
        (402, wrapped({"error": {"message": "x", "code": 429}}), errors.BalanceExhausted),
        (402, {"error": {"message": "x", "code": "tool_use_failed"}}, errors.BalanceExhausted),
        # An id or a name that is too long is no conversation that is.
        (
            400,
            {"error": {"message": "'messages[3].tool_calls[0].id'", "code": "string_above_max_length"}},
            errors.BadRequest,
        ),
        (400, {"error": {"message": "timeout is out of range", "code": "invalid_timeout"}}, errors.BadRequest),
        (400, [{"error": {"code": 400, "details": [{"reason": "API_KEY_INVALID"}]}}], errors.AuthenticationFailed),
        (400, {"error": {"message": json.dumps({"error": {"code": "content_filter"}})}}, errors.ContentFiltered),
    ],
)
def test_code_words_and_inner_statuses_say_what_it_is(status: int, body: Any, kind: type[errors.ModelError]) -> None:
    error = refused(status, body)
    assert type(error) is kind
    assert error.status == status


def test_a_gateways_wrapping_is_opened_as_deep_as_it_goes() -> None:
    error = refused(400, wrapped(wrapped({"error": {"message": LOST}})), V4, messages=MESSAGES)
    assert type(error) is errors.ContractViolation
    assert error.message_index == 4
    assert error.provider_text == f"Provider returned error (Upstream): Provider returned error (Upstream): {LOST}"
    deep: Any = {"error": {"code": "content_filter"}}
    for _ in range(50):
        deep = {"error": deep}
    assert type(refused(400, deep)) is errors.BadRequest


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("reasoning", errors.ContractViolation),
        ("malformed", errors.AnswerMalformed),
        ("context", errors.ContextTooLong),
        ("filtered", errors.ContentFiltered),
        ("balance", errors.BalanceExhausted),
        ("authentication", errors.AuthenticationFailed),
        ("overloaded", errors.Overloaded),
    ],
)
def test_the_rows_own_texts_decide_before_status_and_code(field: str, kind: type[errors.ModelError]) -> None:
    row = GENERIC.model_copy(update={"error_match": ErrorMatch(**{field: ("Exists Risk",)})})
    body = {"error": {"message": "Content Exists Risk", "code": "rate_limit_exceeded"}}
    assert type(refused(429, body, row)) is kind
    assert type(faults.reported(faults.Asked("m", "https://x/v1", row), body)) is kind
    assert set(ErrorMatch.model_fields) == {
        *("reasoning", "malformed", "context", "filtered", "balance", "authentication", "overloaded"),
    }


def test_a_web_page_is_told_as_one() -> None:
    assert "a web page, so perhaps not the service answered" in str(refused(403, b"<!DOCTYPE html><p>denied"))
    assert "a web page" not in str(refused(403, {"error": "denied"}))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "x", "code": "rate_limit_exceeded"}, errors.RateLimited),
        ({"message": "x", "type": "overloaded_error"}, errors.Overloaded),
        ({"message": "x", "type": "server_error"}, errors.Overloaded),
        ({"message": "x", "code": "insufficient_quota"}, errors.BalanceExhausted),
        ({"message": "x", "code": "429"}, errors.RateLimited),
        ({"message": "x", "code": 502}, errors.Overloaded),
        ({"message": "x", "status_code": 400, "code": "tool_use_failed"}, errors.AnswerMalformed),
        ([{"error": {"message": "x", "code": 503}}], errors.Overloaded),
        (wrapped({"error": {"message": "x", "code": 429}}), errors.RateLimited),
    ],
)
def test_an_error_in_place_of_an_answer_is_read_the_same_way(error: Any, kind: type[errors.ModelError]) -> None:
    assert type(faults.reported(faults.Asked("m", "https://x/v1", GENERIC), error)) is kind


@pytest.mark.parametrize("error", ["busy", {"message": "odd", "code": "odd_thing"}, {"code": 200}, {"code": True}, []])
def test_an_error_that_says_too_little_is_none_of_these(error: Any) -> None:
    assert faults.reported(faults.Asked("m", "https://x/v1", GENERIC), error) is None


def test_what_the_service_could_not_read_is_kept_without_the_key() -> None:
    body = {"error": {"message": "no call", "code": "tool_use_failed", "failed_generation": "may sk-secret be"}}
    error = refused(400, body, secrets=("sk-secret",))
    assert isinstance(error, errors.AnswerMalformed)
    assert error.generated == "may <secret> be"


def test_which_errors_are_another_models_turn() -> None:
    fine = {kind for kind in KINDS if kind.falls_back}
    assert {kind.__name__ for kind in KINDS - fine} == {"BadRequest", "ContentFiltered", "ContractViolation"}
    assert not errors.ModelError.falls_back
    assert len({kind.kind for kind in KINDS}) == len(KINDS)
    assert all(errors.model_error(kind.kind) is kind for kind in KINDS)
    lines = {line.split()[0]: line for line in tree_lines()}
    assert {name for name, line in lines.items() if "(n)" in line} == {kind.__name__ for kind in fine}


def tree_lines() -> list[str]:
    """Return the lines of the error tree that are about what a model service does, without the lines drawn."""
    tree = (errors.__doc__ or "").partition("ModelError ")[2].partition("JournalError")[0]
    return [line.lstrip("│├└─ ") for line in tree.splitlines()[1:] if line.strip("│├└─ ")]


RECORDED = Path(__file__).parents[2].parent / "shared" / "fixtures"


@pytest.mark.skipif(not RECORDED.is_dir(), reason="../shared/fixtures, the recorded answers of services, is not there")
@pytest.mark.parametrize(
    ("recording", "kind", "said"),
    [
        ("azure-grok/*context_length*", errors.RateLimited, "have exceeded rate limit"),
        ("groq/*tool_regular_error*", errors.BadRequest, "does not exist"),
        ("groq/*tool_use_failed_error_with_text*", errors.AnswerMalformed, "model did not call a tool"),
        ("mistral/*auth_error*", errors.AuthenticationFailed, "Invalid API Key"),
        ("openrouter/*errors_raised*", errors.RateLimited, "(Google): google/gemini-2.0-flash-exp:free is temporarily"),
        ("perplexity/*auth_error*", errors.AuthenticationFailed, "Ensure your API key"),
    ],
)
def test_recorded_refusals_are_what_they_say(recording: str, kind: type[errors.ModelError], said: str) -> None:
    (path,) = (each for each in RECORDED.glob(f"{recording}.json") if "streaming" not in each.name)
    exchanges = json.loads(path.read_text("utf-8"))["exchanges"]
    refusals = [refused(each["status"], each["body"].encode()) for each in exchanges if each["status"] >= 400]
    assert {type(error) for error in refusals} == {kind}
    assert all(said in error.provider_text for error in refusals)


def test_long_words_are_cut() -> None:
    for status, row in ((400, GENERIC), (502, GENERIC), (400, V4)):
        error = refused(status, LOST.encode() + b"x" * 100_000, row)
        assert len(error.provider_text) == 4000
        assert LOST in str(error)
        assert "x… (more in provider_text)" in str(error)
        assert len(str(error)) < 1200


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
        ({"retry-after": "Sat, 21 Nov 99999999999999 12:00:00 GMT"}, None),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:00 +99999999999999"}, None),
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

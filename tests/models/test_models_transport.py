import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Semaphore, Thread
from typing import Any

import anyio
import pytest

from agentkit.core.contract import Contract
from agentkit.core.messages import Text, UserMessage
from agentkit.core.request import Sending
from agentkit.errors import AuthenticationFailed, BadRequest, BalanceExhausted, Overloaded, RateLimited, Unreachable
from agentkit.models import Model, openai, wire
from agentkit.models.base import Answered, Body, Broken, Piece, Reply, Unusable
from agentkit.models.endpoint import FEW, MANY, connection

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("transport")]

BODY = Body(b'{"model":"m"}', [wire.encode(Sending(UserMessage((Text("hey\ud83d"),))), Contract(id="row"))])
WHOLE = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}
DONE = b"data: [DONE]\n\n"


def sse(finish: str | None = None, **delta: Any) -> bytes:
    value = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return b"data: " + json.dumps(value).encode() + b"\n\n"


async def ask(base_url: str, shown: list[Any] | None = None, **options: Any) -> Reply:
    model = Model("m", base_url=base_url, **options)
    return await model.call(BODY, model.resolve(), None if shown is None else shown.append)


def text(reply: Reply) -> str | None:
    assert isinstance(reply, Answered), reply
    return reply.message.text


async def test_the_same_bytes_go_out_streamed_and_not_but_for_the_wish_to_stream(
    serving: Any, http: Any, stream: Any
) -> None:
    async with serving(http(json.dumps(WHOLE).encode()), stream(sse(content="Hi"), sse("stop"), DONE)) as server:
        assert await ask(server.base_url) == await ask(server.base_url, [])
    plain, streamed = (heard.body for heard in server.heard)
    assert plain == wire.whole(BODY, Contract(id="row"), stream=False)
    assert streamed == plain[:-1] + b',"stream":true,"stream_options":{"include_usage":true}}'
    assert server.heard[0].json()["messages"][0]["content"] == "hey\ud83d"
    assert server.connections == 1


async def test_nothing_but_these_headers_is_sent(serving: Any, http: Any) -> None:
    async with serving(http(json.dumps(WHOLE).encode())) as server:
        await ask(server.base_url, api_key="k-1", headers={"X-Mine": "yes"})
        headers = server.heard[0].headers
    assert {name: headers[name] for name in headers.keys() - {"host", "content-length"}} == {
        "accept": "application/json",
        "accept-encoding": "gzip, deflate",
        "authorization": "Bearer k-1",
        "connection": "keep-alive",
        "content-type": "application/json",
        "user-agent": "agentkit",
        "x-mine": "yes",
    }
    assert server.heard[0].head.startswith("POST /v1/chat/completions HTTP/1.1")


async def test_a_header_of_ones_own_replaces_the_key(serving: Any, http: Any) -> None:
    async with serving(http(json.dumps(WHOLE).encode())) as server:
        await ask(server.base_url, api_key="k-1", headers={"authorization": "Basic x"})
        await ask(server.base_url)
        assert server.heard[0].headers["authorization"] == "Basic x"
        assert "authorization" not in server.heard[1].headers


async def test_pieces_of_one_network_read_are_shown_together(serving: Any, stream: Any) -> None:
    head, *chunks = stream(sse(reasoning="a"), sse(reasoning="b"), sse(content="c"), sse("stop"), DONE)
    async with serving([head, chunks[0], 0.2, b"".join(chunks[1:])]) as server:
        shown: list[Any] = []
        assert text(await ask(server.base_url, shown)) == "c"
    assert shown == [[Piece("reasoning", "a")], [Piece("reasoning", "b"), Piece("text", "c")]]


async def test_keep_alives_and_blank_lines_before_an_answer_are_nothing(serving: Any, http: Any, stream: Any) -> None:
    blank = b"\r\n\n\n" + json.dumps(WHOLE).encode()
    quiet = stream(b": keep-alive\n\n", 0.05, b": keep-alive\n\n", sse(content="Hi"), b": x\n\n", sse("stop"), DONE)
    async with serving(http(blank), quiet) as server:
        assert text(await ask(server.base_url)) == "Hi"
        assert text(await ask(server.base_url, [])) == "Hi"


async def test_a_service_that_answers_whole_although_asked_to_stream(serving: Any, http: Any) -> None:
    async with serving(http(json.dumps(WHOLE).encode())) as server:
        assert text(await ask(server.base_url, [])) == "Hi"


async def test_a_stream_cut_in_the_middle_is_broken_and_not_asked_again(serving: Any, stream: Any) -> None:
    async with serving(stream(sse(reasoning="hm"), sse(content="Hal"), None, end=False)) as server:
        reply = await ask(server.base_url, [])
    assert isinstance(reply, Broken)
    assert (reply.text, reply.reasoning) == ("Hal", "hm")
    assert "RemoteProtocolError" in reply.why
    assert len(server.heard) == 1


async def test_a_whole_answer_cut_in_the_middle_is_broken(serving: Any) -> None:
    half = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{"choices": [{"mes'
    async with serving([half, None]) as server:
        assert isinstance(await ask(server.base_url), Broken)


async def test_an_answer_complete_before_the_cut_counts(serving: Any, stream: Any) -> None:
    async with serving(stream(sse(content="Hi"), sse("stop"), 0.05, None, end=False)) as server:
        reply = await ask(server.base_url, [])
    assert text(reply) == "Hi"
    assert isinstance(reply, Answered)
    assert reply.notes[0].startswith("behind the answer: RemoteProtocolError")


async def test_a_connection_that_ends_before_an_answer_began_is_tried_again(
    serving: Any, http: Any, stream: Any
) -> None:
    plays = ([None], stream(b": keep-alive\n\n", None, end=False), http(b""), stream(sse(content="Hi"), sse("stop")))
    async with serving(*plays) as server:
        assert text(await ask(server.base_url, [])) == "Hi"
        assert len(server.heard) == 4


async def test_an_unreachable_address_is_named_with_what_to_check() -> None:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - not Django's
    with pytest.raises(Unreachable, match=rf"no answer from http://127.0.0.1:{port}/v1 .*Check that the server runs"):
        await ask(f"http://127.0.0.1:{port}/v1")


async def test_silence_longer_than_the_timeout_breaks_the_answer_off(serving: Any, stream: Any) -> None:
    async with serving(stream(sse(content="Hal"), 5.0)) as server:
        reply = await ask(server.base_url, [], timeout=0.2)
    assert isinstance(reply, Broken)
    assert reply.why.startswith("ReadTimeout")


async def test_a_server_that_does_not_close_behind_its_answer_is_not_waited_for(serving: Any, stream: Any) -> None:
    async with serving(stream(sse(content="Hi"), sse("stop"), 60.0)) as server:
        with anyio.fail_after(openai.REST + 5):
            assert text(await ask(server.base_url, [])) == "Hi"
        await anyio.sleep(0.1)
        assert server.left == 1


async def test_cancelling_in_mid_answer_closes_the_connection(serving: Any, stream: Any) -> None:
    async with serving(stream(sse(content="Hal"), 60.0), stream(sse(content="Hi"), sse("stop"), DONE)) as server:
        shown: list[Any] = []
        with anyio.move_on_after(0.3) as scope:
            await ask(server.base_url, shown)
        assert scope.cancelled_caught
        assert shown == [[Piece("text", "Hal")]]
        await anyio.sleep(0.1)
        assert server.left == 1
        assert text(await ask(server.base_url, shown)) == "Hi"
        assert server.connections == 2


async def test_redirects_are_refused(serving: Any, http: Any) -> None:
    there = http(b"", status="307 Temporary Redirect", headers="Location: http://127.0.0.1:1/v1/chat/completions\r\n")
    async with serving(there) as server:
        with pytest.raises(BadRequest, match="redirects are refused: set base_url") as caught:
            await ask(server.base_url, api_key="k-1")
    assert caught.value.status == 307
    assert len(server.heard) == 1


async def test_waiting_is_as_long_as_the_service_asks(serving: Any, http: Any) -> None:
    busy = http(b'{"error":{"message":"slow down"}}', status="429 Too Many", headers="Retry-After: 0.3\r\n")
    async with serving(busy, busy, http(json.dumps(WHOLE).encode())) as server:
        began = anyio.current_time()
        assert text(await ask(server.base_url)) == "Hi"
        assert 0.6 <= anyio.current_time() - began < 3
        assert len(server.heard) == 3


@pytest.mark.parametrize(
    ("status", "kind", "asked"),
    [
        ("408 Slow", Overloaded, 4),
        ("429 Too Many", RateLimited, 4),
        ("503 No", Overloaded, 4),
        ("400 Bad", BadRequest, 1),
        ("401 No", AuthenticationFailed, 1),
        ("402 Pay", BalanceExhausted, 1),
        ("403 No", AuthenticationFailed, 1),
        ("404 No", BadRequest, 1),
        ("422 No", BadRequest, 1),
    ],
)
async def test_attempts_are_spent_or_never_begun(serving: Any, http: Any, status: str, kind: Any, asked: int) -> None:
    async with serving(http(b'{"error":{"message":"no"}}', status=status, headers="Retry-After: 0\r\n")) as server:
        with pytest.raises(kind, match="no") as caught:
            await ask(server.base_url)
        assert len(server.heard) == asked
    assert caught.value.status == int(status[:3])
    assert caught.value.provider_text == "no"


async def test_an_error_object_in_place_of_an_answer_is_an_error_of_its_kind(
    serving: Any, http: Any, stream: Any
) -> None:
    error = {"error": {"message": "upstream is busy", "code": 400}}
    async with serving(stream(b"data: " + json.dumps(error).encode() + b"\n\n"), http(json.dumps(error).encode())) as s:
        for shown in (list[Any](), None):
            with pytest.raises(BadRequest, match="reported error 400 for model 'm': upstream is busy"):
                await ask(s.base_url, shown)
        assert len(s.heard) == 2


async def test_a_transient_error_object_is_tried_again_and_one_without_status_breaks(
    serving: Any, http: Any, stream: Any
) -> None:
    busy = stream(b'data: {"error":{"message":"busy","code":503}}\n\n')
    odd = http(b'{"error":{"message":"odd","code":"odd_thing"}}')
    async with serving(busy, odd) as server:
        reply = await ask(server.base_url, [])
        assert isinstance(reply, Broken)
        assert reply.why.endswith(": odd")
        assert len(server.heard) == 2


async def test_an_answer_the_service_could_not_read_is_unusable_and_no_fault(
    serving: Any, http: Any, stream: Any
) -> None:
    failed = {"message": "no call was made", "code": "tool_use_failed", "failed_generation": "may k-secret be"}
    whole = http(json.dumps({"error": failed}).encode(), status="400 Bad")
    event = stream(b"event: error\ndata: " + json.dumps({"error": {**failed, "status_code": 400}}).encode() + b"\n\n")
    async with serving(whole, event) as server:
        for shown in (None, list[Any]()):
            reply = await ask(server.base_url, shown, api_key="k-secret")
            assert isinstance(reply, Unusable)
            assert reply.kind == "malformed"
            assert "no call was made" in reply.why
            assert reply.message.text == "may <secret> be"
            assert reply.message.producer is not None
        assert len(server.heard) == 2


async def test_where_the_service_only_streams_a_stream_is_asked_for_though_nobody_watches(
    serving: Any, stream: Any
) -> None:
    row = Contract(id="row", always_stream=True)
    async with serving(stream(sse(content="Hi"), sse("stop"), DONE)) as server:
        assert text(await ask(server.base_url, contract=row)) == "Hi"
        assert server.heard[0].json()["stream"] is True


async def test_what_is_no_answer_is_unusable(serving: Any, http: Any) -> None:
    async with serving(http(b"<html>", kind="text/html")) as server:
        reply = await ask(server.base_url)
    assert isinstance(reply, Unusable)
    assert reply.message.text == "<html>"


async def test_requests_at_once_are_limited_per_endpoint(serving: Any, http: Any) -> None:
    async with serving([0.8, *http(json.dumps(WHOLE).encode())]) as server:
        most = (await connection(server.base_url)).places.max_value
        assert most in {FEW, MANY}
        async with anyio.create_task_group() as tasks:
            for _ in range(most + 16):
                tasks.start_soon(ask, server.base_url)
        assert len(server.heard) == most + 16
        assert server.most <= most


async def test_one_client_serves_all_models_of_an_endpoint(serving: Any, http: Any) -> None:
    async with serving(http(json.dumps(WHOLE).encode())) as server:
        await ask(server.base_url)
        await ask(server.base_url + "/", api_key="other", timeout=5)
        assert server.connections == 1
        assert server.heard[1].headers["authorization"] == "Bearer other"


class _Service(BaseHTTPRequestHandler):
    """Outlives the event loops of its clients."""

    protocol_version = "HTTP/1.1"
    left = Semaphore(0)

    def finish(self) -> None:
        super().finish()
        self.left.release()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(WHOLE).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_every_event_loop_has_its_own_client_and_leaves_no_connection_open() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Service) as service:
        Thread(target=service.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{service.server_port}/v1"
        for _ in range(2):
            assert text(anyio.run(ask, url)) == "Hi"
            assert _Service.left.acquire(timeout=2)
        service.shutdown()

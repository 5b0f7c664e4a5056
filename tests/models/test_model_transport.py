from agentkit.models import Model
from agentkit.models.base import Body, Answered
from agentkit.core.spec import *
from agentkit.core.messages import *
from agentkit.core.request import *
import pytest, json

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


def c(delta=None, finish=None, **k):
    return (
        b"data: "
        + json.dumps({"choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}], **k}).encode()
        + b"\n\n"
    )


async def test_smoke(serving, stream):
    play = stream(
        b": keep-alive\n\n",
        c({"role": "assistant", "reasoning_content": ""}),
        c({"reasoning_content": "hm "}),
        c({"content": "Hi"}),
        c({}, "stop", usage={"prompt_tokens": 10, "completion_tokens": 3}),
        b"data: [DONE]\n\n",
    )
    async with serving(play) as server:
        model = Model("m", base_url=server.base_url)
        row = model.resolve()
        body = Body(b'{"model":"m"}', [model.encode(Sending(UserMessage((Text("hey"),))), row)])
        shown = []
        for _ in range(2):
            r = await model.call(body, row, shown.append)
            print(r, shown)
        print(server.heard[0].head, server.heard[0].body, server.connections)

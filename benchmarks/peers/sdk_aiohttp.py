"""As the floor on httpx, on the SDK's own `DefaultAioHttpClient` (its extra `aiohttp`)."""

import openai

from benchmarks.peers.sdk_httpx import Sdk
from benchmarks.peers.shape import serve


class SdkAiohttp(Sdk):
    """The SDK's client on aiohttp."""

    client = openai.DefaultAioHttpClient


SIDE = SdkAiohttp

if __name__ == "__main__":
    serve(SIDE())

"""Real web servers on loopback, name servers that answer as told, and certificates."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import anyio
from anyio.abc import ByteStream
from anyio.streams.tls import TLSListener
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agentkit import Tool
from agentkit_tools import http

Answer: TypeAlias = bytes | Callable[[ByteStream], Awaitable[None]]


TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # believes nobody, and is quickly made


class Server:
    """Answers each path with what is written down for it, and keeps what it was asked."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.answers: dict[str, Answer] = {}
        self.asked: list[bytes] = []

    async def serve(self, stream: ByteStream) -> None:
        async with stream:
            asked = b""
            try:
                while b"\r\n\r\n" not in asked:
                    asked += await stream.receive()
                self.asked.append(asked)
                answer = self.answers.get(asked.split()[1].decode(), ok(b"nothing here", status="404 Not Found"))
                await (stream.send(answer) if isinstance(answer, bytes) else answer(stream))
            except (anyio.EndOfStream, anyio.BrokenResourceError, OSError):
                return  # it has left, as some of the tests want it to


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as plain:
        port = int(plain.extra(anyio.abc.SocketAttribute.local_port))  # noqa: S610 - no Django here
        server = Server(port)
        listener = plain if tls is None else TLSListener(plain, tls, standard_compatible=False)
        async with anyio.create_task_group() as group:
            group.start_soon(listener.serve, server.serve)
            yield server
            group.cancel_scope.cancel()


def ok(body: bytes, *headers: str, status: str = "200 OK", kind: str = "text/plain") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def moved(to: str) -> bytes:
    return ok(b"", f"Location: {to}", status="302 Found")


def made(server: Server, **options: Any) -> dict[str, Tool[object, Any, Any]]:
    given = {"allow": [server.url], "allow_private": [f"127.0.0.1:{server.port}"]} | options
    given.setdefault("network", http.Network(tls=TLS))
    return {each.name: each for each in http.tools(**given)}


def names(**known: Iterable[str]) -> http.Network:
    """Return a network whose name server gives the next of a name's answers each time; the last one for ever."""
    answers = {name.replace("_", "."): list(each) for name, each in known.items()}

    async def resolve(host: str, port: int) -> tuple[str, ...]:
        assert port > 0
        left = answers[host]
        return tuple((left.pop(0) if len(left) > 1 else left[0]).split())

    return http.Network(resolve=resolve, tls=TLS)


def certificate(folder: Path, host: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the two ends of TLS: a server that is `host`, a client that believes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    form = serialization.Encoding.PEM
    private = key.private_bytes(form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem.write_bytes(made.public_bytes(form) + private)
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(pem)
    return ours, ssl.create_default_context(cafile=str(pem))

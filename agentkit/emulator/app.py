"""The service's web application: the paths a client may call, and the side log's."""

from dataclasses import asdict
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.requests import Request as WebRequest
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from agentkit.emulator.log import Seen
from agentkit.emulator.play import Player
from agentkit.emulator.responses.wire import PATH, timeline
from agentkit.emulator.script import Fault
from agentkit.emulator.service import Request, Service
from agentkit.emulator.stream import encode

_STREAM = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
_WHOLE = {"content-type": "application/json"}


def application(service: Service, closing: anyio.Event) -> ASGIApp:
    """Return the ASGI application of a service; `closing` ends answers that hang."""

    async def complete(web: WebRequest) -> Response | Player:
        headers = dict(web.headers)
        outcome = service.serve(Request(web.url.path, headers, await web.body()))
        if isinstance(outcome, Fault):
            return _json(outcome.body, outcome.status, outcome.headers)
        form = _STREAM if outcome.asked.streams else _WHOLE
        return Player(timeline(outcome.asked, outcome.answer), form, closing, lambda: service.finish(outcome))

    async def models(_web: WebRequest) -> Response:
        known = sorted(service.models or (service.contract.model,))
        return _json({"object": "list", "data": [{"id": name, "object": "model"} for name in known]})

    async def counts(_web: WebRequest) -> Response:
        now = service.log.counts
        return _json({**asdict(now), "cost": str(now.cost)})

    async def requests(web: WebRequest) -> Response:
        last = int(web.query_params.get("last", len(service.log.requests)))
        return _json([_shown(seen) for seen in service.log.requests[len(service.log.requests) - last :]])

    routes = [
        Route(f"{base}{path}", endpoint, methods=[method])
        for base in ("/v1", "/beta", "/beta/v1", "")
        for path, endpoint, method in (
            ("/chat/completions", complete, "POST"),
            (PATH, complete, "POST"),
            ("/models", models, "GET"),
        )
    ]
    log = [Route("/emulator/counts", counts), Route("/emulator/requests", requests)]
    return Starlette(routes=[*routes, *log], exception_handlers={Exception: _failed})


async def _failed(_web: WebRequest, error: Exception) -> Response:
    """Say what went wrong where the tester looks: in the answer (a script that is a function may raise)."""
    return _json(Fault(500, f"the emulator failed: {error!r}", type="emulator_error", code="emulator_error").body, 500)


def _json(value: Any, status: int = 200, headers: Any = None) -> Response:
    return Response(encode(value), status, headers, media_type="application/json")


def _shown(seen: Seen) -> dict[str, Any]:
    """One entry as JSON. A key is never shown whole: a real one may have come this way by mistake."""
    headers = dict(seen.headers)
    if "authorization" in headers:
        headers["authorization"] = f"Bearer ****{headers['authorization'][-4:]}"
    return {
        **{name: getattr(seen, name) for name in ("number", "path", "status", "error", "conversation")},
        "position": seen.position,
        "attempt": seen.attempt,
        "headers": headers,
        "raw": seen.raw.decode("utf-8", "backslashreplace"),
        "body": seen.body,
        "returned": [message._asdict() for message in seen.returned],
        "tokens": seen.tokens and asdict(seen.tokens),
    }

"""The bodies of errors: what a provider says with a status, and in which shape."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentkit.emulator.row import ErrorForm


@dataclass(frozen=True, slots=True)
class FaultText:
    """The body a provider sends with a status."""

    message: str
    type: str
    code: str | None = "invalid_request_error"


FAULT_TEXTS: Mapping[int, FaultText] = {
    400: FaultText("Invalid request.", "invalid_request_error"),
    401: FaultText("Authentication Fails, Your api key: ****abcd is invalid", "authentication_error"),
    402: FaultText("Insufficient Balance", "unknown_error"),
    422: FaultText("Invalid parameters.", "invalid_request_error"),
    429: FaultText("Too many concurrent requests.", "rate_limit_error", "rate_limit_error"),
    500: FaultText("Internal server error.", "internal_error", "internal_error"),
    503: FaultText("The server is overloaded.", "service_unavailable_error", "service_unavailable_error"),
}
"""The bodies of documented faults. Texts of 400, 422, 429, 500 and 503 are not pinned by any source."""

FAILED = FaultText("The service failed.", "server_error", None)
"""Any other status."""

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


def error_body(error: Mapping[str, Any], status: int, form: ErrorForm, upstream: str = "") -> Any:
    """Return the decoded body of an error.

    Args:
        error: the error object that most services send.
        status: the HTTP status.
        form: the shape.
        upstream: whose error it is that a gateway wraps; where empty, it is the gateway's own.
    """
    message, name = error["message"], _STATUSES.get(status, "UNKNOWN")
    if form == "list":
        return [{"error": {"code": status, "message": message, "status": name}}]
    if form == "flat":
        return {"code": name.lower().replace("_", "-"), "error": message}
    if form == "object":
        return {"error": dict(error)}
    if not upstream:
        return {"error": {"message": message, "code": status}}
    raw = json.dumps({"error": dict(error)}, ensure_ascii=False)
    metadata = {"raw": raw, "provider_name": upstream}
    return {"error": {"message": "Provider returned error", "code": status, "metadata": metadata}}

"""A refusal on the Responses wire: it names the parameter that is wrong, and its code may be null."""

from dataclasses import dataclass
from typing import Any

from agentkit.emulator.script import Fault


@dataclass(frozen=True, slots=True)
class ItemFault(Fault):
    """An error answer of the judge.

    Attributes:
        param: the parameter that is wrong.
    """

    param: str | None = "input"

    @property
    def error(self) -> dict[str, Any]:
        """The error object."""
        kind = self.type or "invalid_request_error"
        return {"message": self.text, "type": kind, "param": self.param, "code": self.code}


class RefusedError(Exception):
    """The request cannot be read.

    The judge's own signal: it never leaves the reading of a request.

    Attributes:
        fault: what the client is told.
    """

    def __init__(self, message: str, param: str | None = "input", code: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.fault = ItemFault(status, message, code=code, param=param)

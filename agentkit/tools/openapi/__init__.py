"""OpenAPI: the operations of an HTTP API that a document describes, as tools.

Law: the document is a stranger's. It says what may be asked; where the API is, what a call may do without a person and
where a key goes, its user says. Nothing it names is fetched. `document` reads it, `schemas` and `plan` make a tool's
parameters of it, `wire` and `sending` make a request of arguments, `client` is the face.
"""

from agentkit.errors import ConfigurationError

try:
    from agentkit.tools.openapi.client import OpenAPITools
    from agentkit.tools.openapi.keys import ApiKey, Basic, Bearer
except ModuleNotFoundError as missing:
    if missing.name not in {"httpx2", "openapi_pydantic"}:
        raise
    raise ConfigurationError(f"{missing.name} is not installed: pip install 'agentkit-reasoning[openapi]'") from missing

__all__ = ["ApiKey", "Basic", "Bearer", "OpenAPITools"]

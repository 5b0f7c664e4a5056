"""An OpenAPI document: its operations, and what its references mean. Nothing outside of it is ever looked at."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote

from openapi_pydantic.v3 import v3_0, v3_1
from pydantic import ValidationError
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable

from agentkit.errors import ConfigurationError

Parameter: TypeAlias = v3_0.Parameter | v3_1.Parameter

METHODS = ("get", "head", "put", "delete", "post", "patch")  # OPTIONS and TRACE are for machines
_HOPS = 20  # references that lead to references
_TEMPLATE = re.compile(r"/[^?#\\\s]*")
_VERSIONS = {"3.0": v3_0, "3.1": v3_1}


@dataclass(frozen=True)
class Found:
    """One operation as it stands in the document: raw, references and all.

    Attributes:
        key: its operationId; "METHOD /path" where it has none, or one that another has too.
        raw: the operation. shared: what stands beside it, for all methods of its path.
    """

    key: str
    method: str
    path: str
    tags: tuple[str, ...]
    raw: Mapping[str, Any]
    shared: Sequence[Any]

    def chosen(self, choice: str) -> bool:
        """Tell whether a choice means it: its operationId, "tag:…", "GET", "/a/*/b", or "GET /a/*"."""
        if choice == self.key:
            return True
        if choice.startswith("tag:"):
            return choice.removeprefix("tag:") in self.tags
        method, _, pattern = choice.partition(" ") if not choice.startswith("/") else ("", "", choice)
        if method and method.upper() != self.method:
            return False
        return bool(method or pattern) and (not pattern or fnmatchcase(self.path, pattern))


@dataclass(frozen=True)
class Operation:
    """An operation, read: parameters and body with their references followed, schemas still raw.

    Attributes:
        description: summary and description, as the document has them.
        parameters: each with its raw form, which holds the schema.
        body: the raw request body, None without one.
    """

    found: Found
    description: str
    parameters: tuple[tuple[Parameter, Mapping[str, Any]], ...]
    body: Mapping[str, Any] | None


class Document:
    """A document of OpenAPI 3.0 or 3.1.

    Args:
        given: a mapping, or the path of a JSON file.

    Attributes:
        old: it is of 3.0, whose schemas are not quite JSON Schema.
        operations: all of them, by key.

    Raises:
        ConfigurationError: it cannot be read, or is none.
    """

    def __init__(self, given: Mapping[str, Any] | Path | str) -> None:
        self.raw = given if isinstance(given, Mapping) else _read(Path(given))
        version = str(self.raw.get("openapi", ""))[:3]
        if version not in _VERSIONS:
            raise ConfigurationError(
                f"this is no document of OpenAPI 3.0 or 3.1: its `openapi` is {self.raw.get('openapi')!r:.80}. "
                "Convert older ones (`swagger: 2.0`) first."
            )
        self.old = version == "3.0"
        self._kinds = _VERSIONS[version]
        root = Resource.opaque(dict(self.raw))
        registry: Registry[Any] = Registry()
        self._resolver = registry.with_resource("", root).resolver()
        found = list(self._found())
        ids = Counter(str(each.raw.get("operationId")) for each in found)
        self.operations = {each.key: each for each in (replace(each, key=_key(each, ids)) for each in found)}

    def followed(self, value: Any, place: str) -> Mapping[str, Any]:
        """Return what a value is, references followed.

        Raises:
            ConfigurationError: a reference leads out of the document, to nothing, or in a circle.
        """
        for _ in range(_HOPS):
            if not isinstance(value, Mapping):
                raise ConfigurationError(f"{place}: {value!r:.80} is no object")
            ref = value.get("$ref")
            if ref is None:
                return value
            value = self._target(ref, place)
        raise ConfigurationError(f"{place}: its references lead in a circle")

    def _target(self, ref: object, place: str) -> Any:
        if not isinstance(ref, str) or not ref.startswith("#"):
            raise ConfigurationError(
                f"{place} refers to {ref!r:.200}: nothing is fetched. Put what it refers to into the document."
            )
        try:
            return self._resolver.lookup(ref).contents
        except (Unresolvable, LookupError, TypeError, ValueError):
            raise ConfigurationError(f"{place} refers to {ref[:200]!r}, which is not in the document") from None

    def keys(self) -> frozenset[tuple[str, str]]:
        """Return where its API keys go, as (where, name in small letters): never for a model to fill."""
        components = self.raw.get("components")
        schemes = components.get("securitySchemes") if isinstance(components, Mapping) else None
        if not isinstance(schemes, Mapping):
            return frozenset()
        read = [self.followed(each, f"securitySchemes/{name}") for name, each in schemes.items()]
        return frozenset((str(each.get("in")), str(each.get("name")).lower()) for each in read if "name" in each)

    def read(self, found: Found) -> Operation:
        """Return an operation, read. Raises: ConfigurationError: it does not have the form OpenAPI gives it."""
        place = f"{found.method} {found.path}"
        raws = [self.followed(each, place) for each in (*found.shared, *_list(found.raw.get("parameters"), place))]
        try:
            pairs = [(self._kinds.Parameter.model_validate(_bare(each)), each) for each in raws]
            told = self._kinds.Operation.model_validate(
                {name: found.raw[name] for name in ("summary", "description") if name in found.raw} | {"responses": {}}
            )
            body = self._body(found.raw.get("requestBody"), place)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ConfigurationError(f"{place} is not as OpenAPI has it: {where}: {first['msg']}") from None
        # the operation's own parameter stands for a shared one of the same name and place
        own: dict[tuple[str, str], tuple[Parameter, Mapping[str, Any]]] = {
            (each.name, each.param_in.value): (each, raw) for each, raw in pairs
        }
        text = "\n\n".join(each.strip() for each in (told.summary, told.description) if each and each.strip())
        return Operation(found, text, tuple(own.values()), body)

    def _body(self, given: Any, place: str) -> Mapping[str, Any] | None:
        if given is None:
            return None
        raw = self.followed(given, f"{place}: requestBody")
        self._kinds.RequestBody.model_validate(_bare(raw))
        return raw

    def _found(self) -> Iterator[Found]:
        paths = self.raw.get("paths", {})
        if not isinstance(paths, Mapping):
            raise ConfigurationError("the document's `paths` is no object")
        for path, given in paths.items():
            if not str(path).startswith("/"):
                if str(path).startswith("x-"):
                    continue
                raise ConfigurationError(f"the path {path!r:.200} has to begin with /")
            item = self.followed(given, str(path))
            shared = _list(item.get("parameters"), str(path))
            for method in METHODS:
                if method in item:
                    _check_path(path)
                    raw = self.followed(item[method], f"{method.upper()} {path}")
                    tags = tuple(map(str, _list(raw.get("tags"), str(path))))
                    yield Found("", method.upper(), path, tags, raw, shared)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"the OpenAPI document {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"the OpenAPI document {path} is no JSON ({error}). If it is YAML, read it and give the mapping."
        ) from error
    if not isinstance(content, Mapping):
        raise ConfigurationError(f"the OpenAPI document {path} holds no object")
    return content


def _key(found: Found, ids: Mapping[str, int]) -> str:
    own = found.raw.get("operationId")
    return own if isinstance(own, str) and own and ids[own] == 1 else f"{found.method} {found.path}"


def leads_elsewhere(path: str) -> bool:
    """Tell whether a path has a part `.` or `..`, also in an encoding that many a server on the way undoes."""
    return not {".", ".."}.isdisjoint(re.split(r"[/\\]", unquote(path)))


def _check_path(path: str) -> None:
    if not _TEMPLATE.fullmatch(path) or leads_elsewhere(path):
        raise ConfigurationError(f"the path {path[:200]!r} is no path: it holds `..`, ?, #, a backslash or a space")


def _bare(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out schemas and examples: those we read ourselves, and a fault in an example is no fault."""
    bare = {name: each for name, each in raw.items() if name not in {"example", "examples"}}
    if "schema" in bare:
        bare["schema"] = {}
    if isinstance(content := bare.get("content"), Mapping):
        bare["content"] = {media: {} for media in content}
    return bare


def _list(given: Any, place: str) -> Sequence[Any]:
    if given is not None and not isinstance(given, list | tuple):
        raise ConfigurationError(f"{place}: {given!r:.80} has to be a list")
    return given or ()

"""Reads the published description of the HTTP API: each operation with its fields, as a command needs them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

JSON, CSV = "application/json", "text/csv"
HEADERS_OF_THE_CLIENT = frozenset({"Idempotency-Key", "Prefer"})
"""The client sends these itself: as --key and --wait say."""
CURSOR = "after"
"""The parameter that takes ``next`` of the page before."""


@dataclass(frozen=True, slots=True)
class Field:
    """One value that an operation takes; ``kind`` is a JSON type, or ``json`` where it may be several."""

    name: str
    place: str
    kind: str
    required: bool
    says: str
    choices: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None
    item: Mapping[str, Any] | None = None
    """What a list is made of, or what a dictionary maps its names to."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address."""

    id: str
    says: str
    fields: tuple[Field, ...]
    takes: tuple[str, ...]
    """Media types of its body, none where it has no body."""
    gives: tuple[str, ...]

    @property
    def method(self) -> str:
        """GET or POST."""
        return self.id.partition(" ")[0]

    @property
    def path(self) -> str:
        """The address, with the names of its parameters in braces."""
        return self.id.partition(" ")[2]

    @property
    def cursor(self) -> str | None:
        """Name of the parameter that takes ``next`` of the page before."""
        return next((field.name for field in self.fields if (field.place, field.name) == ("query", CURSOR)), None)

    @property
    def uploads(self) -> bool:
        """Whether its body is a table that is sent as the file it is."""
        return CSV in self.takes

    def of(self, place: str) -> tuple[Field, ...]:
        """Return the fields of path, query, header or body."""
        return tuple(field for field in self.fields if field.place == place)


@cache
def operations() -> Mapping[str, Operation]:
    """Read the application's own description, by ``METHOD /address``.

    The application is built for it, which takes a moment and asks nobody: no database, no server.
    """
    from core.api.app import create_app  # noqa: PLC0415  # only who looks at these commands pays for it
    from core.api.auth import Verifier  # noqa: PLC0415
    from core.bootstrap import build_desk  # noqa: PLC0415
    from core.settings import settings  # noqa: PLC0415

    return read(create_app(build_desk(settings()), Verifier(b"", issuer="")).openapi())


def read(document: Mapping[str, Any]) -> Mapping[str, Operation]:
    """Read a description in the form of OpenAPI 3.1."""
    found = {}
    for path, offered in document["paths"].items():
        for method, said in offered.items():
            name = f"{method.upper()} {path}"
            found[name] = Operation(
                name,
                said.get("description") or said.get("summary", ""),
                (*_parameters(document, said), *_body(document, said)),
                tuple(said.get("requestBody", {}).get("content", {})),
                tuple(media for status, one in said["responses"].items() if status[0] == "2" for media in _media(one)),
            )
    return found


def _media(response: Mapping[str, Any]) -> Iterator[str]:
    yield from response.get("content", {})


def _parameters(document: Mapping[str, Any], said: Mapping[str, Any]) -> Iterator[Field]:
    for one in said.get("parameters", []):
        parameter = _followed(document, one)
        if parameter["name"] not in HEADERS_OF_THE_CLIENT:
            yield _field(
                document,
                parameter["name"],
                {"description": parameter.get("description", "")} | parameter["schema"],
                place=parameter["in"],
                required=parameter.get("required", False),
            )


def _body(document: Mapping[str, Any], said: Mapping[str, Any]) -> Iterator[Field]:
    content = said.get("requestBody", {}).get("content", {})
    if CSV in content or JSON not in content:
        return
    schema = _plain(document, content[JSON]["schema"])
    for name, one in schema.get("properties", {}).items():
        yield _field(document, name, one, place="body", required=name in schema.get("required", []))


def _field(document: Mapping[str, Any], name: str, said: Mapping[str, Any], *, place: str, required: bool) -> Field:
    schema = _plain(document, said)
    kind = schema.get("type", "json")
    inner = schema.get("items") if kind == "array" else schema.get("additionalProperties")
    bounds = {bound: schema[bound] for bound in ("minimum", "maximum") if abs(schema.get(bound, 2**63)) < 2**53}
    return Field(
        name,
        place,
        kind if isinstance(kind, str) else "json",
        required,
        _says(schema),
        tuple(str(choice) for choice in schema.get("enum", ())),
        int(bounds["minimum"]) if "minimum" in bounds else None,
        int(bounds["maximum"]) if "maximum" in bounds else None,
        _plain(document, inner) if isinstance(inner, Mapping) else None,
    )


def _says(schema: Mapping[str, Any]) -> str:
    """Say what a value is: the description, an example, what counts when it is left out."""
    examples = [one for one in schema.get("examples", ()) if one is not None]
    parts = [schema.get("description", "")]
    if examples and not isinstance(examples[0], dict | list | bool):
        parts.append(f"as {examples[0]}")
    if schema.get("default") not in (None, "", [], {}):
        parts.append(f"else {schema['default']}")
    return "; ".join(part for part in parts if part)


def _plain(document: Mapping[str, Any], said: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow references, and look through "or null"; what is said beside either goes before."""
    schema = _followed(document, said)
    options = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    beside = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**_plain(document, options[0]), **beside} if len(options) == 1 else schema


def _followed(document: Mapping[str, Any], said: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in said:
        return said
    found: Mapping[str, Any] = document
    for part in said["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return {**found, **{name: value for name, value in said.items() if name != "$ref"}}

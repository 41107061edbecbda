"""Puts together what an operation is sent: from options, from a JSON file, or from the rows of a CSV file."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.operate.description import Field, Operation
from deploy.operate.session import stop

_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
SHAPED = frozenset({"array", "object", "json"})
"""Kinds that an option takes as JSON, or a file brings."""


def takes_file(operation: Operation) -> bool:
    """Whether it is easier to give the body, or a part of it, in a file."""
    return any(field.kind in SHAPED for field in operation.of("body")) or bool(raw_media(operation))


def raw_media(operation: Operation) -> Mapping[str, str]:
    """Return by suffix the media types that are sent as the file is."""
    return {f".{media.partition('/')[2]}": media for media in operation.takes if media != "application/json"}


def assemble(
    operation: Operation, given: Mapping[str, Any], fixed: Mapping[str, Any], file: Path | None
) -> dict[str, Any]:
    """Return the JSON body; ends the command when a field that it must have was not given."""
    fields = {field.name: field for field in operation.of("body")}
    said = _of_file(file, fields) if file is not None else {}
    said |= {name: value for name, value in fixed.items() if value is not None}
    said |= {name: _value(fields[name], value) for name, value in given.items() if value not in (None, [])}
    if missing := [option(name) for name, field in fields.items() if field.required and name not in said]:
        stop(f"Missing: {', '.join(missing)}{'; or give them in --file FILE' if takes_file(operation) else ''}.")
    return said


def option(name: str) -> str:
    """Write a field's name as an option: ``--credit-code``."""
    return f"--{name.replace('_', '-').lower()}"


def read_bytes(file: Path) -> bytes:
    """Read a file, or end the command in one line."""
    try:
        return file.read_bytes()
    except OSError as error:
        stop(f"{file}: {error.strerror or error}.")


def read_text(file: Path) -> str:
    """Read a file as UTF-8, with or without a byte order mark."""
    try:
        return read_bytes(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        stop(f"{file} is not UTF-8: byte {error.start + 1}.")


def parse(text: str, where: str) -> Any:
    """Read JSON, or end the command in one line."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        stop(f"{where} is no JSON: {error}.")


def _of_file(file: Path, fields: Mapping[str, Field]) -> dict[str, Any]:
    if file.suffix.lower() == ".csv":
        field = _only_list(file, fields)
        return {field.name: _rows(file, field.item or {})}
    said = parse(read_text(file), str(file))
    if isinstance(said, list):
        return {_only_list(file, fields).name: said}
    if not isinstance(said, dict):
        stop(f"{file} holds neither a JSON object nor a list.")
    return said


def _only_list(file: Path, fields: Mapping[str, Field]) -> Field:
    lists = [field for field in fields.values() if field.kind == "array"]
    if len(lists) != 1:
        stop(f"{file} is a list, and {len(lists)} fields take one: give a JSON object, FILE.json.")
    return lists[0]


def _rows(file: Path, item: Mapping[str, Any]) -> list[Any]:
    """Read rows by the names of the first line; an empty cell says nothing.

    What is no whole number where one is due goes as it stands: the registry names it, with its line.
    """
    kinds = {name: _kind_of(said) for name, said in item.get("properties", {}).items()}
    table = csv.reader(io.StringIO(read_text(file), newline=""), strict=True)
    try:
        names, rows = next(table, []), [row for row in table if row]
    except csv.Error as error:
        stop(f"{file}, line {table.line_num}: {error}.")
    for at, row in enumerate(rows, start=2):
        if len(row) != len(names):
            stop(f"{file}, row {at}: {len(row)} cells, and {len(names)} columns.")
    if not kinds:
        return [scalar(item.get("type", "string"), cell) for row in rows for cell in row if cell]
    pairs = ([(name.strip(), cell) for name, cell in zip(names, row, strict=True) if cell] for row in rows)
    return [{name: scalar(kinds.get(name, "string"), cell) for name, cell in row} for row in pairs]


def _kind_of(said: Mapping[str, Any]) -> str:
    options = [one.get("type", "json") for one in said.get("anyOf", ()) if one.get("type") != "null"]
    return str(said.get("type") or (options[0] if len(options) == 1 else "json"))


def scalar(kind: str, text: str) -> Any:
    """Read a cell as what it is due to be, where it is that; else leave it for the registry to refuse."""
    if kind == "integer" and _WHOLE.fullmatch(text):
        return int(text) if len(text) < 100 else text
    if kind == "boolean" and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    if kind in SHAPED and text[:1] in {"[", "{"}:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text


def _value(field: Field, said: Any) -> Any:
    if field.kind == "array":
        return _array(field, said)
    if field.kind == "object":
        return _object(field, said)
    return _any(field, said) if field.kind == "json" else said


def _array(field: Field, said: list[str]) -> list[Any]:
    """Read a list from one JSON text, or from an option that is given once for each of its values."""
    if len(said) == 1 and said[0].lstrip()[:1] == "[":
        found: list[Any] = parse(said[0], option(field.name))
        return found
    kind = str((field.item or {}).get("type", "json"))
    return [parse(one, option(field.name)) if kind in SHAPED else scalar(kind, one) for one in said]


def _object(field: Field, said: list[str]) -> dict[str, Any]:
    """Read a dictionary from one JSON text, or from ``NAME=VALUE`` once for each name."""
    if len(said) == 1 and said[0].lstrip()[:1] == "{":
        found: dict[str, Any] = parse(said[0], option(field.name))
        return found
    return dictionary(said, option(field.name), str((field.item or {}).get("type", "string")))


def dictionary(said: list[str], where: str, kind: str = "string") -> dict[str, Any]:
    """Read ``NAME=VALUE``, given once for each name."""
    pairs = [one.partition("=") for one in said]
    if wrong := [name for name, between, _ in pairs if not (name and between)]:
        stop(f"{where} is NAME=VALUE or a JSON object; {wrong[0]!r} is neither.")
    return {name: scalar(kind, value) for name, _, value in pairs}


def _any(field: Field, said: str) -> Any:
    return parse(said, option(field.name)) if said.lstrip()[:1] in {"{", "["} else said

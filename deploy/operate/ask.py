"""Carries a command out: sends what it was given to its operation, follows cursors, shows or keeps what comes back."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import typer

from deploy.operate import screen, upload
from deploy.operate.body import assemble, raw_media, read_bytes
from deploy.operate.description import JSON, Field, Operation
from deploy.operate.names import Named
from deploy.operate.session import REFUSED, Session, definite, session, stop
from ha.client import Answer

NOT_CHANGED = 304


@dataclass(frozen=True, slots=True)
class Manner:
    """What every command takes beside its fields: who asks whom, for how long, and what becomes of the answer."""

    who: str
    api: list[str] | None
    token: str
    key: str
    wait_s: float
    as_json: bool
    whole: bool
    """Follow the cursor to the end."""
    out: Path | None
    file: Path | None


def carry_out(named: Named, operation: Operation, given: Sequence[tuple[Field, Any]], manner: Manner) -> None:
    """Ask, and show what is answered; ends the command with 1 when refused, with 2 where something is missing."""
    path = operation.path
    for field, value in given:
        if field.place == "path":
            path = path.replace(f"{{{field.name}}}", quote(str(value), safe=""))
    query = {field.name: _text(value) for field, value in given if field.place == "query"}
    headers = {field.name: str(value) for field, value in given if field.place == "header"}
    in_body = {field.name: value for field, value in given if field.place == "body"}
    uploads = operation.uploads
    body = None if operation.method == "GET" or uploads else _body(named, operation, in_body, manner.file)
    with session(manner.who, manner.api, manner.token, within_s=manner.wait_s) as registry:
        if operation.cursor is not None and manner.whole:
            answer = _all_pages(registry, path, query, operation)
        elif uploads:
            answer = _upload(registry, _with(path, query), manner)
        elif isinstance(body, tuple):
            media, content = body
            headers["Content-Type"] = media
            answer = registry.ask("POST", _with(path, query), content=content, key=manner.key, headers=headers)
        else:
            answer = registry.ask(
                operation.method, _with(path, query), body=body, key=manner.key, headers=headers or None
            )
        _finish(answer, manner, operation.cursor)


def _body(
    named: Named, operation: Operation, given: Mapping[str, Any], file: Path | None
) -> dict[str, Any] | tuple[str, bytes]:
    """Return a JSON body, or a file of another form that the operation takes as it is."""
    media = raw_media(operation).get(file.suffix.lower()) if file is not None else None
    if file is not None and media is not None:
        return media, read_bytes(file)
    return assemble(operation, given, named.fixed, file)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _with(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _upload(registry: Session, path: str, manner: Manner) -> Answer:
    file = manner.file
    if file is None:
        stop("Missing: FILE.")
    answer = upload.send(registry, path, file, "text/csv", key=manner.key)
    errors = answer.body.get("errors") if isinstance(answer.body, dict) and not answer.ok else None
    if errors:
        screen.refusal(answer.body | {"errors": []}, answer.status)
        upload.refuse_rows(upload.report_of(file), errors, "nothing was proposed")
    return answer


def _all_pages(registry: Session, path: str, query: dict[str, str], operation: Operation) -> Answer:
    """Read every page, in the largest there are, and put their rows into the first one."""
    most = next((field.most for field in operation.of("query") if field.name == "limit"), None)
    if most is not None:
        query.setdefault("limit", str(most))
    first = answer = registry.ask("GET", _with(path, query))
    found = definite(first)
    rows = paged(found)
    while rows is not None and found.get("next") is not None:
        answer = registry.ask("GET", _with(path, query | {str(operation.cursor): str(found["next"])}))
        found = definite(answer)
        first.body[rows] += found[rows]
    if rows is not None:
        first.body["next"] = None
    return first


def paged(body: Any) -> str | None:
    """Return the field that has the rows of a page: the last list of it."""
    if not isinstance(body, dict) or "next" not in body:
        return None
    return next((name for name in reversed(body) if isinstance(body[name], list)), None)


def _finish(answer: Answer, manner: Manner, cursor: str | None) -> None:
    if answer.status == NOT_CHANGED:
        screen.problem("not changed since")
        return
    if not answer.ok:
        screen.refusal(answer.body, answer.status)
        raise typer.Exit(REFUSED)
    kind = answer.headers.get("content-type", JSON).partition(";")[0]
    if manner.out is not None:
        _keep(answer, manner.out, kind)
    elif kind != JSON:
        _pass_on(answer.raw, kind)
    elif manner.as_json:
        screen.echo(answer.body)
    else:
        _show(answer.body)
        if cursor and isinstance(answer.body, dict) and answer.body.get("next") is not None:
            screen.problem(f"more: --{cursor} {answer.body['next']}, or --all")
        if tag := answer.headers.get("etag"):
            screen.problem(f"ETag: {tag}")
    if kind == JSON and not manner.as_json:
        screen.next_step(answer.body)


def _show(body: Any) -> None:
    rows = paged(body)
    if rows is None:
        screen.record(body)
        return
    beside = {name: value for name, value in body.items() if name not in (rows, "next")}
    if beside:
        screen.record(beside)
    screen.rows(body[rows], title=rows)


def _pass_on(content: bytes, kind: str) -> None:
    if not kind.startswith("text/") and sys.stdout.isatty():
        stop("This is no text: name a file for it with --out FILE.")
    typer.echo(content, nl=False)


def _keep(answer: Answer, out: Path, kind: str) -> None:
    """Write the answer to a file: as it came, or the rows of a list as CSV where the file is called so."""
    rows = paged(answer.body) if kind == JSON else None
    try:
        if rows is not None and out.suffix.lower() == ".csv":
            with out.open("w", encoding="utf-8", newline="") as file:
                screen.write_rows(file, answer.body[rows])
        elif rows is not None:
            out.write_text(screen.as_text(answer.body) + "\n", encoding="utf-8")
        else:
            out.write_bytes(answer.raw)
    except OSError as error:
        stop(f"{out}: {error.strerror}.")
    screen.problem(f"written to {out}")
    if rows is not None and answer.body.get("next") is not None:
        screen.problem("this is one page; --all has the rest too")

"""Finds the registry's endpoint, speaks to it as somebody, and shows what it answers."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn
from uuid import uuid4

import typer
from rich.console import Console
from rich.table import Table

from deploy.playground import tokens
from deploy.playground.state import State, default_state
from ha import control
from ha.client import Answer, NoAnswerError, RegistryClient

TOKEN_VARIABLE = "REGISTRY_TOKEN"  # noqa: S105  # the name of a variable
REFUSED, NO_MEANS = 1, 2

As = Annotated[str, typer.Option("--as", help="who acts; in the playground any name has a token")]
Api = Annotated[
    list[str] | None,
    typer.Option("--api", help="address of the endpoint, more than once for both sites; else the playground that runs"),
]
Token = Annotated[
    str, typer.Option("--token", envvar=TOKEN_VARIABLE, help="bearer token; needed with --api", show_envvar=True)
]
AsJson = Annotated[bool, typer.Option("--json", help="the answer as it is")]
Key = Annotated[str, typer.Option("--key", help="Idempotency-Key; a new one when there is none")]


class Session:
    """One caller's requests, one after the other."""

    def __init__(self, addresses: Sequence[str], token: str) -> None:
        self._runner = asyncio.Runner()
        self._client = RegistryClient(addresses, token)

    def close(self) -> None:
        """Give the connections back."""
        self._runner.run(self._client.close())
        self._runner.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        key: str = "",
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the definite answer; the command ends with exit code 2 when there is none."""
        named = (key or f"operate-{uuid4()}") if method != "GET" else None
        request = self._client.request(method, path, json=body, key=named, content=content, headers=headers)
        try:
            return self._runner.run(request)
        except NoAnswerError as error:
            stop(f"The registry gave no definite answer: {error}. Repeat with --key {named}." if named else str(error))

    def get(self, path: str) -> Any:
        """Read, or end the command with the registry's words."""
        return definite(self.ask("GET", path))

    def post(self, path: str, body: Any, *, key: str = "") -> Any:
        """Write under a key of its own, or end the command with the registry's words."""
        return definite(self.ask("POST", path, body=body, key=key))


@contextmanager
def session(who: str, api: Sequence[str] | None, token: str) -> Iterator[Session]:
    """Speak as somebody to the addresses given, else to the playground that runs here."""
    addresses = list(api or [])
    if addresses and not token:
        stop(f"With --api a token is needed: --token or {TOKEN_VARIABLE}.")
    if not addresses:
        state = State(default_state())
        try:
            addresses = control.find(state.root).status()["endpoints"]["api"]
        except control.NoPlaygroundError as error:
            stop(f"{error} Start one with `registry up`, or name an endpoint with --api.")
        token = token or tokens.mint(state, who)
    opened = Session(addresses, token)
    try:
        yield opened
    finally:
        opened.close()


def definite(answer: Answer) -> Any:
    """Return the body of an answer that says yes; else say the refusal and end with exit code 1."""
    if answer.ok:
        return answer.body
    said = answer.body if isinstance(answer.body, dict) else {}
    lines = [f"{said.get('code', answer.status)}: {said.get('title', 'refused')} {said.get('detail', '')}".rstrip()]
    lines += [f"  line {e['line']}: {e['code']} {e['title']} {e['detail']}" for e in said.get("errors", [])[:20]]
    if said.get("next"):
        lines.append(f"  {said['next']}")
    for line in lines:
        typer.echo(line, err=True)
    raise typer.Exit(REFUSED)


def stop(sentence: str) -> NoReturn:
    """Say in one line what is missing, and end with exit code 2."""
    typer.echo(" ".join(sentence.split()), err=True)
    raise typer.Exit(NO_MEANS)


def show(body: Mapping[str, Any], *, as_json: bool) -> None:
    """Show one record."""
    if as_json:
        return echo(body)
    table = Table(show_header=False)
    for name, value in body.items():
        table.add_row(name, _cell(value))
    _console().print(table)
    return None


def show_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, body: Any, as_json: bool) -> None:
    """Show records below one another; ``body`` is what the machine-readable side gets."""
    if as_json:
        return echo(body)
    table = Table(*columns)
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    _console().print(table)
    return None


def echo(body: Any) -> None:
    """Show a body as the JSON it is."""
    typer.echo(json.dumps(body, ensure_ascii=False, indent=2))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _console() -> Console:
    """Fit the terminal; into a pipe nothing is cut off."""
    return Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 200, markup=False)

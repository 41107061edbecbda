"""Finds the registry's endpoint, speaks to it as somebody, and shows what it answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn
from uuid import uuid4

import typer

from deploy.operate import screen
from deploy.playground import tokens
from deploy.playground.state import State, default_state
from ha import control
from ha.client import WITHIN_S, Answer, NoAnswerError, RegistryClient

TOKEN_VARIABLE = "REGISTRY_TOKEN"  # noqa: S105  # the name of a variable
API_VARIABLE = "REGISTRY_API"
JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)
REFUSED, NO_MEANS = 1, 2

PANEL = "Who, where, how"

As = Annotated[
    str, typer.Option("--as", help="who acts; in the playground any name has a token", rich_help_panel=PANEL)
]
Api = Annotated[
    list[str] | None,
    typer.Option(
        "--api",
        envvar=API_VARIABLE,
        help="address of the endpoint, more than once for both sites; else the playground that runs",
        rich_help_panel=PANEL,
    ),
]
Token = Annotated[
    str,
    typer.Option(
        "--token",
        envvar=TOKEN_VARIABLE,
        help="file with a bearer token, or the token; with --api",
        rich_help_panel=PANEL,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="the answer as it is", rich_help_panel=PANEL)]
Key = Annotated[
    str,
    typer.Option("--key", help="Idempotency-Key, to repeat a request safely; else a new one", rich_help_panel=PANEL),
]
Wait = Annotated[
    float, typer.Option("--wait", min=1, help="seconds to wait for a definite answer", rich_help_panel=PANEL)
]


class Session:
    """One caller's requests, one after the other."""

    def __init__(self, addresses: Sequence[str], token: str, *, within_s: float = WITHIN_S) -> None:
        self._runner = asyncio.Runner()
        self._client = RegistryClient(addresses, token, within_s=within_s)

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
        content: bytes | AsyncIterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the definite answer; the command ends with exit code 2 when there is none."""
        named = (key or f"operate-{uuid4()}") if method != "GET" else None
        request = self._client.request(method, path, json=body, key=named, content=content, headers=headers)
        try:
            return self._runner.run(request)
        except NoAnswerError as error:
            stop(f"The registry gave no definite answer: {error}." + (f" Repeat with --key {named}." if named else ""))
        except KeyboardInterrupt:
            stop(
                "Nobody waits for the answer any more." + (f" To learn it, repeat with --key {named}." if named else "")
            )

    def get(self, path: str) -> Any:
        """Read, or end the command with the registry's words."""
        return definite(self.ask("GET", path))

    def post(self, path: str, body: Any, *, key: str = "") -> Any:
        """Write under a key of its own, or end the command with the registry's words."""
        return definite(self.ask("POST", path, body=body, key=key))


@contextmanager
def session(who: str, api: Sequence[str] | None, token: str, *, within_s: float = WITHIN_S) -> Iterator[Session]:
    """Speak as somebody to the addresses given, else to the playground that runs here."""
    addresses = list(api or [])
    token = _token_of(token)
    if addresses and not token:
        stop(f"With --api a token is needed: --token or {TOKEN_VARIABLE}.")
    if not addresses:
        state = State(default_state())
        try:
            addresses = control.find(state.root).status()["endpoints"]["api"]
        except control.NoPlaygroundError as error:
            stop(f"{error} Start one with `registry up`, or name an endpoint with --api.")
        token = token or tokens.mint(state, who)
    if wrong := [address for address in addresses if not address.startswith(("http://", "https://"))]:
        stop(f"--api is an address as http://127.0.0.1:8000; {wrong[0]!r} is none.")
    opened = Session(addresses, token, within_s=within_s)
    try:
        yield opened
    finally:
        opened.close()


def _token_of(said: str) -> str:
    """Return the token itself, whether it was given or the file that holds it."""
    if not said or JWT.fullmatch(said):
        return said
    try:
        found = Path(said).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        stop("--token is neither a token nor a file that can be read.")
    if not JWT.fullmatch(found):
        stop(f"{said} holds no token.")
    return found


def definite(answer: Answer) -> Any:
    """Return the body of an answer that says yes; else say the refusal and end with exit code 1."""
    if answer.ok:
        return answer.body
    screen.refusal(answer.body, answer.status)
    raise typer.Exit(REFUSED)


def stop(sentence: str) -> NoReturn:
    """Say in one line what is missing, and end with exit code 2."""
    typer.echo(" ".join(sentence.split()), err=True)
    raise typer.Exit(NO_MEANS)


def show(body: Mapping[str, Any], *, as_json: bool) -> None:
    """Show one record, and who has to decide on it."""
    if as_json:
        return screen.echo(body)
    screen.record(body)
    return screen.next_step(body)

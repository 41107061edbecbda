"""Makes commands out of the table of names and the published description, when somebody looks at them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import typer
from rich.markup import escape
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from deploy.operate.ask import Manner, carry_out
from deploy.operate.body import SHAPED, option, takes_file
from deploy.operate.description import Field, Operation, operations
from deploy.operate.names import COMMANDS, GROUPS, Named
from deploy.operate.session import PANEL, Api, As, AsJson, Key, Token, Wait
from ha.client import WITHIN_S

TYPES: Mapping[str, Any] = {"integer": int, "boolean": bool, "array": list[str], "object": list[str]}
READER, WRITER = "auditor", "operator"

All = Annotated[bool, typer.Option("--all", help="every page to the end", rich_help_panel=PANEL)]
Out = Annotated[
    Path | None,
    typer.Option("--out", dir_okay=False, help="file for the answer; a list also as .csv", rich_help_panel=PANEL),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="show what it would come to; nothing is proposed")]
Upload = Annotated[Path, typer.Argument(metavar="FILE", help="CSV file, UTF-8")]


class Described(TyperGroup):
    """A group that has, beside the commands written for it, those that the description offers under its name."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Name those written by hand first."""
        return [*super().list_commands(ctx), *(one.name for one in COMMANDS if self._offers(one))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Make a described command when it is asked for."""
        written = super().get_command(ctx, cmd_name)
        if written is not None:
            return written
        named = next((one for one in COMMANDS if one.name == cmd_name and self._offers(one)), None)
        return None if named is None else command_of(named)

    def _offers(self, named: Named) -> bool:
        return named.group == self.name and not named.by_hand


class Root(TyperGroup):
    """The command itself; a group answers to its plural as well."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Take ``accounts`` for ``account``."""
        singular = cmd_name.removesuffix("s")
        return super().get_command(ctx, cmd_name) or (
            super().get_command(ctx, singular) if singular in GROUPS else None
        )


def join(root: typer.Typer, written: Mapping[str, typer.Typer]) -> None:
    """Add every group to the command; some have commands that are written by hand."""
    for name, says in GROUPS.items():
        group = written.get(name) or typer.Typer(no_args_is_help=True)
        root.add_typer(group, name=name, help=says, cls=Described)


@cache
def command_of(named: Named) -> TyperCommand:
    """Build a command from its operation's description."""
    app = typer.Typer(rich_markup_mode="rich")
    operation = operations()[named.operation]
    says = escape(inspect.cleandoc(named.says or operation.says).replace("``", "`"))
    app.command(named.name, help=says)(_function(named, operation))
    found = get_group(app).commands[named.name]
    if not isinstance(found, TyperCommand):
        raise TypeError(f"{named.name} is no command: {found!r}")
    return found


def _function(named: Named, operation: Operation) -> Callable[..., None]:
    """Return a function with one parameter for each option, as the command line reads them from it."""
    fields = {_word(field): field for field in operation.fields if field.name not in named.fixed}

    def run(**said: Any) -> None:
        given = [(field, said[word]) for word, field in fields.items() if said[word] is not None]
        manner = Manner(
            said["who"],
            said["api"],
            said["token"],
            said.get("key", ""),
            said["wait"],
            said["as_json"],
            said.get("whole", False),
            said["out"],
            said.get("file"),
        )
        asked = operations()[named.dry_run] if said.get("dry_run") else operation
        carry_out(named, asked, given, manner)

    parameters = [*_of_fields(named, operation, fields), *_of_every_command(named, operation)]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # where the command line looks
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def _word(field: Field) -> str:
    """Name a field's parameter so that no field is taken for an option that every command has."""
    return f"{field.place}_{field.name}".replace("-", "_").lower()


def _of_fields(named: Named, operation: Operation, fields: Mapping[str, Field]) -> Iterator[inspect.Parameter]:
    placed = {field.name: (word, field) for word, field in fields.items()}
    first = [field.name for field in operation.of("path")]
    for name in [*first, *named.arguments]:
        word, field = placed.pop(name)
        needed = field.place == "path" or (field.required and not takes_file(operation))
        info = typer.Argument(
            metavar=name.upper(), help=escape(field.says), show_default=False, min=field.least, max=field.most
        )
        yield _parameter(word, _type(field), info, ... if needed else None)
    if operation.uploads:
        yield _parameter("file", Upload, None, ...)
    for word, field in placed.values():
        name = option(field.name)
        decl = f"{name}/--no-{name[2:]}" if field.kind == "boolean" else name
        says = field.says + _how(field)
        says = f"{says} (required)" if field.place == "body" and field.required else says
        info = typer.Option(decl, help=escape(says.strip("; ")), show_default=False, min=field.least, max=field.most)
        yield _parameter(word, _type(field), info, ... if field.required and field.place == "query" else None)


def _how(field: Field) -> str:
    inner = (field.item or {}).get("type")
    if field.kind == "array":
        return "; as JSON" if inner in SHAPED else "; once for each, or as JSON"
    return "; NAME=VALUE once for each, or as JSON" if field.kind == "object" else ""


def _type(field: Field) -> Any:
    if field.choices:
        return Literal[field.choices]
    return TYPES.get(field.kind, str)


def _of_every_command(named: Named, operation: Operation) -> Iterator[inspect.Parameter]:
    reads = operation.method == "GET"
    if takes_file(operation) and not operation.uploads:
        forms = ", ".join(["FILE.json", *(["FILE.csv"] if _has_list(operation) else []), *_raw(operation)])
        yield _parameter("file", Path, typer.Option("--file", help=f"the body, or its list: {forms}"), None)
    if named.dry_run:
        yield _parameter("dry_run", DryRun, None, False)  # noqa: FBT003
    yield _parameter("who", As, None, named.who or (READER if reads else WRITER))
    yield _parameter("token", Token, None, "")
    yield _parameter("api", Api, None, None)
    if not reads:
        yield _parameter("key", Key, None, "")
    yield _parameter("wait", Wait, None, WITHIN_S)
    if operation.cursor is not None:
        yield _parameter("whole", All, None, False)  # noqa: FBT003
    yield _parameter("out", Out, None, None)
    yield _parameter("as_json", AsJson, None, False)  # noqa: FBT003


def _has_list(operation: Operation) -> bool:
    return any(field.kind == "array" for field in operation.of("body"))


def _raw(operation: Operation) -> list[str]:
    return [f"FILE.{media.partition('/')[2]}" for media in operation.takes if media != "application/json"]


def _parameter(name: str, of: Any, info: Any, default: Any) -> inspect.Parameter:
    annotation = of if info is None else Annotated[of if default is ... else Optional[of], info]  # noqa: UP045
    empty = inspect.Parameter.empty
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=empty if default is ... else default, annotation=annotation
    )

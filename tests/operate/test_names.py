"""Every published operation has exactly one command, and commands are called alike."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from deploy import cli
from deploy.operate.command import command_of
from deploy.operate.description import operations
from deploy.operate.names import COMMANDS, GROUPS, Named

VERBS = {  # what a command that changes something may be called, alone or before what it changes
    "add", "approve", "beat", "book", "cancel", "carry", "close", "deduct", "freeze", "inherit", "limit", "merge",
    "move", "offset", "open", "penalise", "pledge", "propose", "realise", "reject", "release", "remove",
    "restrict", "resume", "reverse", "review", "run", "split", "surrender", "suspend", "try",
    "unrestrict", "upload", "withdraw",
}  # fmt: skip
called = pytest.mark.parametrize("named", COMMANDS, ids=lambda one: f"{one.group} {one.name}")


def whole() -> Any:
    return get_command(cli.app)


def group(name: str) -> Any:
    found = whole().get_command(typer.Context(whole()), name)
    assert found is not None, name
    return found


def test_every_published_operation_has_exactly_one_command() -> None:
    asked = Counter(one.operation for one in COMMANDS if not one.fixed)
    asked.update(one.dry_run for one in COMMANDS if one.dry_run and not one.fixed)
    variants: dict[str, list[Named]] = {}
    for one in COMMANDS:
        if one.fixed:
            variants.setdefault(one.operation, []).append(one)
            variants.setdefault(one.dry_run or one.operation, []).append(one)
    assert [name for name, count in asked.items() if count != 1] == []
    assert {*asked, *variants} == set(operations())
    assert set(asked) & set(variants) == set()


def test_commands_for_one_operation_say_different_things() -> None:
    fixed = [(one.operation, str(dict(one.fixed))) for one in COMMANDS if one.fixed]
    assert len(fixed) == len(set(fixed))


def test_no_two_commands_are_called_the_same() -> None:
    assert len({(one.group, one.name) for one in COMMANDS}) == len(COMMANDS)


def test_every_group_has_commands_and_every_command_a_group() -> None:
    assert {one.group for one in COMMANDS} == set(GROUPS)


@called
def test_a_name_is_words_and_what_changes_something_begins_with_a_verb(named: Named) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", named.name)
    if not named.operation.startswith("GET"):
        assert named.name.partition("-")[0] in VERBS


@called
def test_a_command_is_reached_and_says_what_it_does_and_what_it_takes(named: Named) -> None:
    parent = group(named.group)
    found = parent.get_command(typer.Context(parent), named.name)
    assert found is not None
    assert found.help.strip()
    if named.by_hand:
        assert found is not command_of(named), "it is written by hand, and there"
        return
    assert found is command_of(named), "nothing written by hand hides it"
    options = [name for one in found.params for name in one.opts]
    assert len(options) == len(set(options)), "no field is taken for an option of every command"
    assert {"--as", "--token", "--api", "--wait", "--out", "--json"} <= set(options)
    operation = operations()[named.operation]
    assert ("--key" in options) == (operation.method == "POST")
    assert ("--all" in options) == (operation.cursor is not None)
    fields = {field.name for field in operation.fields}
    assert set(named.fixed) | set(named.arguments) <= fields
    assert len(options) >= len(fields - set(named.fixed))


@pytest.mark.parametrize("words", [["--help"], ["accounts", "--help"], ["compliance", "surrender", "--help"]])
def test_help_is_there(words: list[str]) -> None:
    shown = CliRunner().invoke(cli.app, words)
    assert (shown.exit_code, "Usage" in shown.output) == (0, True)


def test_a_group_answers_to_its_plural() -> None:
    assert group("tasks").name == "task"
    assert whole().get_command(typer.Context(whole()), "slos") is None
    assert CliRunner().invoke(cli.app, ["taskss"]).exit_code == 2


@pytest.mark.parametrize(
    "words", [["account", "show"], ["day", "show"], ["day", "report"], ["audit", "verify"], ["ownership", "verify"]]
)
def test_commands_that_ask_no_registry_stay_in_their_groups(words: list[str]) -> None:
    assert CliRunner().invoke(cli.app, [*words, "--help"]).exit_code == 0

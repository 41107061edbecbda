"""The demo's picture: complete in itself, on a machine without any network as well."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from defusedxml.ElementTree import parse
from rich.panel import Panel

from deploy.demo.screen import save_picture

DOCS = Path(__file__).parents[2] / "docs"
NAMESPACE = "http://www.w3.org/2000/svg"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture as the demo leaves it."""
    save_picture(tmp_path / "verdict.svg", Panel("[bold green]PASS[/] of 32 checks"))
    return tmp_path / "verdict.svg"


def outside(path: Path) -> list[str]:
    return [address for address in re.findall(r"[a-z]+://[^\s\"')]+", path.read_text("utf-8")) if address != NAMESPACE]


def test_the_picture_loads_nothing_from_elsewhere(picture: Path) -> None:
    assert outside(picture) == []
    text = "".join(parse(picture).getroot().itertext())
    assert "PASS" in text
    assert "make\xa0demo" in text or "make demo" in text


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.svg")), ids=lambda path: path.name)
def test_the_pictures_of_the_documentation_load_nothing_from_elsewhere(path: Path) -> None:
    assert outside(path) == []
    assert parse(path).getroot().tag == f"{{{NAMESPACE}}}svg"

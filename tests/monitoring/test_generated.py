"""What is checked in is what the generators give, and Prometheus understands every word of it."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.binaries import program
from monitoring import generate
from monitoring.dashboards import overview
from monitoring.samples import Prometheus

BOARD: dict[str, Any] = json.loads(overview.FILE.read_text("utf-8"))
QUERIES = [(panel["title"], target["expr"]) for panel in BOARD["panels"] for target in panel.get("targets", [])]
QUERIES += [(mark["name"], mark["expr"]) for mark in BOARD["annotations"]["list"]]


def test_every_checked_in_file_equals_what_its_generator_gives() -> None:
    assert generate.stale() == [], "run `registry slo rules`"


def test_generating_twice_gives_the_same_bytes() -> None:
    assert generate.files() == generate.files()


def test_a_file_that_somebody_edited_is_found_stale_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited, fine = tmp_path / "edited.yaml", tmp_path / "fine.yaml"
    edited.write_text("by hand", "utf-8")
    fine.write_text("generated", "utf-8")
    monkeypatch.setattr(generate, "files", lambda: {edited: "generated", fine: "generated"})
    assert generate.write() == [edited]
    assert edited.read_text("utf-8") == "generated"
    assert generate.stale() == []


def test_promtool_accepts_the_rules() -> None:
    files = sorted(str(file) for file in (generate.FOLDER / "rules").glob("*.yaml"))
    assert len(files) == 2
    subprocess.run([str(program("promtool")), "check", "rules", *files], check=True, stdout=subprocess.DEVNULL)


def test_no_rule_speaks_of_a_drill() -> None:
    """Its metrics are there only while one runs: their absence is nobody's alarm, their presence moves no objective."""
    files = (generate.FOLDER / "rules").glob("*.yaml")
    groups = [group for file in files for group in yaml.safe_load(file.read_text("utf-8"))["groups"]]
    expressions = [rule["expr"] for group in groups for rule in group["rules"]]

    assert set(re.findall(r"\bup\b(?:{[^}]*})?", " ".join(expressions))) == {'up{job="probe"}'}
    assert [expression for expression in expressions if "drill" in expression] == []


def test_the_rules_give_the_numbers_that_were_worked_out_by_hand() -> None:
    tests = Path(__file__).with_name("slo_rules.test.yaml")
    found = subprocess.run(
        [str(program("promtool")), "test", "rules", str(tests)], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_alert_list_comes_first_and_every_panel_says_what_it_shows() -> None:
    assert BOARD["uid"] == "registry-overview"
    assert BOARD["panels"][0]["type"] == "alertlist"
    assert all(panel["title"] and panel["description"] for panel in BOARD["panels"])
    assert all(panel["fieldConfig"]["defaults"]["unit"] for panel in BOARD["panels"])
    assert Counter(panel["id"] for panel in BOARD["panels"]).most_common(1)[0][1] == 1


def test_every_panel_asks_the_data_source_that_the_reader_chose() -> None:
    variable = BOARD["templating"]["list"][0]
    assert (variable["name"], variable["type"], variable["query"]) == ("datasource", "datasource", "prometheus")
    sources = {panel["datasource"]["uid"] for panel in BOARD["panels"]}
    sources |= {target["datasource"]["uid"] for panel in BOARD["panels"] for target in panel.get("targets", [])}
    assert sources == {"${datasource}"}


def test_panels_fill_the_width_without_overlapping() -> None:
    places = [panel["gridPos"] for panel in BOARD["panels"]]
    cells = Counter(
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    )
    assert max(cells.values()) == 1
    assert {at["x"] + at["w"] for at in places} <= set(range(1, 25))


@pytest.mark.parametrize(("title", "expression"), QUERIES)
def test_prometheus_understands_every_query(prometheus_url: str, title: str, expression: str) -> None:
    prometheus = Prometheus(prometheus_url)
    prometheus.instant(expression.replace("$__rate_interval", "30s"))  # an answer of any size: it was understood
    prometheus.close()

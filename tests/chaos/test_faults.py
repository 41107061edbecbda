"""Faults: six verbs in order, each written down, and an error instead of a fault that cannot be seen."""

from __future__ import annotations

from typing import Any

import pytest

from chaos import faults
from chaos.faults import LineCut, NodePowerOff, NotHealedError, applied, wait_until
from chaos.toxics import FaultDidNotBiteError


class Cluster:
    """A playground in memory: obeys, unless told to be deaf."""

    def __init__(self) -> None:
        self.node: dict[str, Any] = {"name": "main-1", "role": "primary", "state": "running", "timeline": 1}
        self.node["pids"] = {"postgres": 11}
        self.other: dict[str, Any] = {"name": "main-2", "role": "sync_standby", "state": "running", "timeline": 1}
        self.links = {"A": "up", "B": "up"}
        self.proxies = {f"line-{line}-{what}": True for line in "ab" for what in ("fix", "files")}
        self.orders: list[Any] = []
        self.deaf = False

    def status(self) -> dict[str, Any]:
        links = [{"name": name, "state": state} for name, state in self.links.items()]
        return {"nodes": [dict(self.node), dict(self.other)], "links": links}

    def power_off(self, node: str, *, heal_after_s: float | None = None) -> None:
        self.orders.append(("off", node, heal_after_s))
        if not self.deaf:
            self.node |= {"role": None, "state": "down", "pids": {"postgres": None}}
            self.other["role"] = "primary"

    def power_on(self, node: str) -> None:
        self.orders.append(("on", node))
        self.node |= {"role": "standby", "state": "running", "pids": {"postgres": 12}}

    def heal_links(self, _links: Any, *, after_s: float | None) -> None:
        self.orders.append(("heal", after_s))

    def state(self) -> dict[str, bool]:
        return self.proxies

    def down(self, names: list[str]) -> dict[str, bool]:
        return self._set(names, up=False)

    def up(self, names: list[str]) -> dict[str, bool]:
        return self._set(names, up=True)

    def _set(self, names: list[str], *, up: bool) -> dict[str, bool]:
        self.proxies |= dict.fromkeys(names, up)
        if not self.deaf:
            self.links["A"] = "up" if up else "down"
        return dict.fromkeys(names, up)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in memory takes long."""
    real = wait_until
    monkeypatch.setattr(faults, "wait_until", lambda *a, **k: real(*a, **{**k, "within_s": 0.2, "every_s": 0.02}))


def test_a_node_loses_power_and_comes_back_with_every_verb_written_down() -> None:
    cluster, told = Cluster(), []
    fault = NodePowerOff(
        "main-1", control=cluster, heal_after_s=30, recorder=lambda f, verb, facts: told.append((f.name, verb, facts))
    )

    with applied(fault) as record:
        assert record.bit
        assert fault.wait_new_primary() == {"primary": "main-2"}

    assert [verb for _, verb, _ in told] == list(faults.VERBS)
    assert told[1][2] == {"was_primary": True}
    assert told[2][2]["bit"] is True
    assert cluster.orders == [("off", "main-1", 30), ("on", "main-1")]
    assert record.healed
    assert list(record.times) == list(faults.VERBS)


def test_a_power_cut_that_kills_nobody_did_not_bite_and_is_taken_back() -> None:
    cluster, told = Cluster(), []
    cluster.deaf = True
    fault = NodePowerOff("main-1", control=cluster, recorder=lambda _, verb, facts: told.append((verb, facts)))

    with pytest.raises(FaultDidNotBiteError, match="main-1 is down"), applied(fault):
        pytest.fail("a fault that did not bite begins nothing")

    assert ("wait_propagate", False) in [(verb, facts.get("bit")) for verb, facts in told]
    assert cluster.orders[-1] == ("on", "main-1")
    assert not fault.record.bit


def test_a_node_that_is_down_already_cannot_be_the_target() -> None:
    cluster = Cluster()
    cluster.node["state"] = "down"

    with pytest.raises(FaultDidNotBiteError, match="not running"):
        NodePowerOff("main-1", control=cluster).begin()
    with pytest.raises(FaultDidNotBiteError, match="no node ghost"):
        NodePowerOff("ghost", control=cluster).begin()


def test_a_node_that_does_not_come_back_is_not_healed() -> None:
    cluster = Cluster()
    fault = NodePowerOff("main-1", control=cluster)
    fault.begin()
    cluster.power_on = lambda _: None  # type: ignore[method-assign, assignment]

    with pytest.raises(NotHealedError, match="running standby"):
        fault.end()
    assert not fault.record.healed


def test_a_line_is_cut_whole_and_the_runner_would_mend_it_without_us() -> None:
    cluster = Cluster()
    cut = LineCut("A", toxics=cluster, control=cluster, heal_after_s=40)  # type: ignore[arg-type]

    with applied(cut):
        assert cluster.proxies == {
            "line-a-fix": False, "line-a-files": False, "line-b-fix": True, "line-b-files": True,
        }  # fmt: skip
        assert cluster.orders == [("heal", 40)]

    assert all(cluster.proxies.values())
    assert cluster.orders == [("heal", 40), ("heal", None)]


def test_a_cut_that_the_registry_does_not_notice_did_not_bite() -> None:
    cluster = Cluster()
    cluster.deaf = True

    with pytest.raises(FaultDidNotBiteError), applied(LineCut("A", toxics=cluster, control=cluster)):  # type: ignore[arg-type]
        pytest.fail("a fault that did not bite begins nothing")

    assert all(cluster.proxies.values())


def test_ending_twice_is_no_harm() -> None:
    cluster = Cluster()
    fault = NodePowerOff("main-1", control=cluster)
    fault.begin()
    fault.end()
    fault.end()

    assert cluster.orders.count(("on", "main-1")) == 1

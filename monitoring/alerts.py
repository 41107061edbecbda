"""Generates the registry's own alerts: the handful of facts that somebody must hear of, whatever the budget says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.telemetry import BREAKS_OPEN, DAY_STATE, KEY_ALARMS, LEDGER_IMBALANCE, LINK_UP, UNITS_DIFFERENCE
from monitoring.burnrate import CLOCK, CLOCK_MEMORY
from monitoring.telemetry import LAST_GOOD, name_of

SILENCE_S = 5
MIN_CONFIRMING_STANDBYS = 2
"""An acknowledged write is on two standbys; with fewer than two left the cluster lives on its last protection."""

_CLOCK_RUNS = f"last_over_time({CLOCK}[{CLOCK_MEMORY}])"
"""What is still starting, on somebody's order, is nobody's alarm yet."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One fact, how long it must hold, whom it concerns, and what to do."""

    name: str
    expression: str
    severity: str
    summary: str
    description: str
    held_s: int = 0

    def rule(self) -> dict[str, Any]:
        """The alert as Prometheus wants it."""
        return {
            "alert": self.name,
            "expr": self.expression,
            **({"for": f"{self.held_s}s"} if self.held_s else {}),
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary, "description": self.description},
        }


ALERTS = (
    Alert(
        "RegistryTakesNoWrites",
        # last_over_time: a dead probe has seen no good write either.
        f"time() - max(last_over_time({name_of(LAST_GOOD)}[1h])) > {SILENCE_S} and {_CLOCK_RUNS}",
        "page",
        "The outside probe has had no good write for more than five seconds.",
        "Writes are held and replayed. See whether a primary is there, and whether both endpoints answer.",
    ),
    Alert(
        "RegistryLineDown",
        f"max by (line) ({name_of(LINK_UP)}) == 0",
        "ticket",
        "Exchange line {{ $labels.line }} has no session.",
        "Trades go on over the other line. Nothing is lost; there is no second line left to lose.",
        held_s=5,
    ),
    Alert(
        "RegistryAllLinesDown",
        f"max({name_of(LINK_UP)}) == 0",
        "page",
        "No exchange line has a session.",
        "No trade arrives. What the exchange sends meanwhile is asked for again when a line is back.",
        held_s=5,
    ),
    Alert(
        "RegistryLedgerImbalance",
        f"{name_of(LEDGER_IMBALANCE)} != 0",
        "page",
        "The balances of {{ $labels.asset }} do not add up to zero.",
        "End the api and settle processes, so that nothing more is booked. `registry ledger verify` then names the"
        " batches that do not match the hash chain, the seals that do not fit it, and the balances that are not the sum"
        " of their transfers.",
    ),
    Alert(
        "RegistryUnitsDifference",
        f"{name_of(UNITS_DIFFERENCE)} != 0",
        "page",
        "Ledger and units disagree on a holding.",
        "`registry ledger verify` names each holding with both figures. No day is delivered while they differ; end the"
        " api processes, so that nothing else is booked on it either.",
    ),
    Alert(
        "RegistryBreakOpen",
        f"max({name_of(BREAKS_OPEN)}) > 0",
        "ticket",
        "{{ $value }} breaks between ledger and units are not closed.",
        "The accounts concerned neither give nor take. `registry reconcile` names where their records part; explain"
        " each break and have a second person close it, which works once the records agree again.",
    ),
    Alert(
        "RegistrySameKeyOtherContent",
        f"sum by (kind) (increase({name_of(KEY_ALARMS)}[10m])) > 0",
        "ticket",
        "A key was used again with other content ({{ $labels.kind }}).",
        "It was refused and nothing was changed. The audit rows of the action `same key, other content` name caller,"
        " key and route: ask that client which of the two it meant, and end its token if it cannot say.",
    ),
    Alert(
        "RegistryDayHalted",
        f'max({name_of(DAY_STATE)}{{state="HALTED"}}) == 1',
        "page",
        "A market day is halted on a break.",
        "`registry day show YYYY-MM-DD` lists the breaks: find out with the party named in each whose figure is wrong."
        " The day stays halted, since breaks cannot be closed yet.",
    ),
    Alert(
        "RegistryStandbyMissing",
        f"(sum(max by (node) (patroni_quorum_standby) + max by (node) (patroni_sync_standby)) or vector(0))"
        f" < {MIN_CONFIRMING_STANDBYS} and {_CLOCK_RUNS}",
        "page",
        "Fewer than two standbys can confirm a write.",
        "Acknowledged writes may be on one site only. Bring the missing standby back before any planned work.",
        held_s=10,
    ),
    Alert(
        "RegistryTwoPrimaries",
        "sum(max by (node) (patroni_primary)) > 1",
        "page",
        "Two nodes say that they are primary.",
        "The old one must be fenced at once; writes that only it has acknowledged would be lost.",
        # Nodes are scraped at different moments, so that a switchover shows two for a few seconds.
        held_s=15,
    ),
)


def groups() -> list[dict[str, Any]]:
    """Return the rule group of these alerts."""
    return [{"name": "registry", "interval": "1s", "rules": [alert.rule() for alert in ALERTS]}]

"""What the overview shows: every panel with its question, its queries and its unit, in the order people look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.telemetry import (
    BREAKS_OPEN,
    DAY_STATE,
    LEDGER_IMBALANCE,
    LINK_UP,
    TRADES_BOOKED,
    UNITS_DIFFERENCE,
    WRITE_GROUP_SIZE,
    WRITE_QUEUE_DEPTH,
    WRITES_HELD,
)
from monitoring.alerts import SILENCE_S
from monitoring.burnrate import AVAILABILITY, BUDGET_LEFT, BURN_RATE
from monitoring.objectives import Objective
from monitoring.telemetry import LAST_GOOD, LONGEST_GAP, WRITE_SECONDS, name_of

Kind = Literal["alerts", "stat", "graph", "timeline"]

GREEN, YELLOW, RED, GREY = "green", "yellow", "red", "text"


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression and what its series are called."""

    expression: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. ``steps`` are thresholds from below, ``words`` name the values of a state."""

    title: str
    description: str
    kind: Kind
    unit: str
    width: int
    height: int
    queries: tuple[Query, ...] = ()
    decimals: int | None = None
    steps: tuple[tuple[float | None, str], ...] = ((None, GREEN),)
    words: tuple[tuple[int, str, str], ...] = ()


_LAST_GOOD = f"max(last_over_time({name_of(LAST_GOOD)}[1h]))"
_RATE = "[$__rate_interval]"
_REPLAYED_AT = "patroni_xlog_replayed_timestamp"
_UNREPLAYED = "(patroni_xlog_received_location > 0) - patroni_xlog_replayed_location"


def panels(objective: Objective) -> tuple[Panel, ...]:
    """Return the panels of the overview, worst news first."""
    return (*_health(), *_promise(objective), *_cluster(), *_writes(), *_market(), *_foundations())


def _health() -> tuple[Panel, ...]:
    return (
        Panel("Alerts", "What needs somebody now, worst first. Empty is good.", "alerts", "none", 12, 7),
        Panel(
            "Is the registry taking writes?",
            f"Yes while the outside probe's last good write is younger than {SILENCE_S} s. A dead probe is a no.",
            "stat",
            "none",
            6,
            7,
            (Query(f"{_LAST_GOOD} > bool time() - {SILENCE_S}", "taking writes"),),
            steps=((None, RED), (1, GREEN)),
            words=((0, "NO", RED), (1, "YES", GREEN)),
        ),
        Panel(
            "Age of the last good write",
            "How long ago the outside probe's write was last acknowledged through the endpoint.",
            "stat",
            "s",
            6,
            7,
            (Query(f"time() - {_LAST_GOOD}", "age"),),
            decimals=1,
            steps=((None, GREEN), (2, YELLOW), (SILENCE_S, RED)),
        ),
    )


def _promise(objective: Objective) -> tuple[Panel, ...]:
    budget, days = objective.budget_s, objective.window_days
    return (
        Panel(
            "Availability",
            f"Good share of the time watched in the last {days} days; missing samples count as bad.",
            "stat",
            "percentunit",
            6,
            5,
            (Query(f"max({AVAILABILITY})", "availability"),),
            decimals=4,
            steps=((None, RED), (objective.target, GREEN)),
        ),
        Panel(
            "Error budget left",
            f"Seconds of complete outage that the promise still bears: {budget:g} s in {days} days at "
            f"{objective.target * 100:g} %.",
            "stat",
            "s",
            6,
            5,
            (Query(f"min({BUDGET_LEFT}) * {budget:g}", "budget left"),),
            decimals=1,
            steps=((None, RED), (0.001, YELLOW), (budget / 2, GREEN)),
        ),
        Panel(
            "Burn rate",
            "How many times faster than allowed the budget went in the last five minutes; 1 lasts exactly the window.",
            "stat",
            "suffix:x",
            6,
            5,
            (Query(f"max({BURN_RATE})", "burn rate"),),
            decimals=1,
            steps=((None, GREEN), (1, YELLOW), (14.4, RED)),
        ),
        Panel(
            "Continuity: longest write gap",
            "Longest time between two good writes since the probe started: sixty short gaps cost the budget of one "
            "long one, and feel different.",
            "stat",
            "s",
            6,
            5,
            (Query(f"max({name_of(LONGEST_GAP)})", "longest gap"),),
            decimals=2,
            steps=((None, GREEN), (5, YELLOW), (30, RED)),
        ),
    )


def _cluster() -> tuple[Panel, ...]:
    return (
        Panel(
            "Primary",
            "Which node says that it is primary. A gap in a node's line: its Patroni did not answer.",
            "timeline",
            "none",
            12,
            7,
            (Query("max by (node) (patroni_primary)", "{{node}}"),),
            words=((0, "standby", GREY), (1, "primary", GREEN)),
        ),
        Panel(
            "Exchange lines",
            "Whether a session is logged on, per leased line. One line down costs no trade.",
            "timeline",
            "none",
            12,
            7,
            (Query(f"max by (line) ({name_of(LINK_UP)})", "line {{line}}"),),
            words=((0, "down", RED), (1, "up", GREEN)),
        ),
        Panel(
            "Replication lag",
            "How old the newest commit is that a standby has replayed. The probe alone commits five times a second.",
            "graph",
            "s",
            8,
            8,
            (Query(f"max by (node) (timestamp({_REPLAYED_AT}) - ({_REPLAYED_AT} > 0))", "{{node}}"),),
        ),
        Panel(
            "WAL received, not yet replayed",
            "What a standby would still have to replay before it could take over. Both positions are of one scrape.",
            "graph",
            "bytes",
            8,
            8,
            (Query(f"clamp_min(max by (node) ({_UNREPLAYED}), 0)", "{{node}}"),),
        ),
        Panel(
            "Write time seen from outside",
            "99th and 50th percentile of the probe's acknowledged writes, through proxy and endpoint.",
            "graph",
            "s",
            8,
            8,
            (Query(_quantile("0.99"), "p99"), Query(_quantile("0.5"), "p50")),
        ),
    )


def _quantile(share: str) -> str:
    return f"histogram_quantile({share}, sum by (le) (rate({name_of(WRITE_SECONDS, 'bucket')}{_RATE})))"


def _writes() -> tuple[Panel, ...]:
    # Every process of ours shows the unlabelled metrics of core, at zero: only the API's mean anything.
    api = '{job="api"}'
    grouped, commits = (f"sum(rate({name_of(WRITE_GROUP_SIZE, part)}{api}{_RATE}))" for part in ("sum", "count"))
    return (
        Panel(
            "Write group size",
            "Requests committed together, on average: the price of one commit is shared by so many.",
            "graph",
            "none",
            8,
            8,
            (Query(f"{grouped} / {commits}", "requests a commit"),),
        ),
        Panel(
            "Write queue",
            "Writes that wait for the writer thread; during a failover the held ones pile up here.",
            "graph",
            "none",
            8,
            8,
            (Query(f"sum by (node) ({name_of(WRITE_QUEUE_DEPTH)}{api})", "{{node}}"),),
        ),
        Panel(
            "Writes held",
            "Writes a second that had to wait for a primary and were answered later instead of failing.",
            "graph",
            "wps",
            8,
            8,
            (Query(f"sum by (node) (rate({name_of(WRITES_HELD)}{api}{_RATE}))", "{{node}}"),),
        ),
    )


def _none_while(job: str) -> str:
    """Zero as long as a process of that job answers; no sample when none does: silence must not look like zero."""
    return f'0 * count(up{{job="{job}"}} == 1)'


def _market() -> tuple[Panel, ...]:
    booked = f"sum by (outcome) (rate({name_of(TRADES_BOOKED)}{_RATE}))"
    return (
        Panel(
            "Trades booked",
            "Trades made durable a second, by outcome. Zero while an intake runs and the exchange sends nothing.",
            "graph",
            "ops",
            12,
            8,
            # Outcomes have no series before the first trade; without any intake the panel stays empty, and should.
            (Query(f"{booked} or {_none_while('intake')}", "{{outcome}}"),),
        ),
        Panel(
            "State of the market day",
            "The state the newest market day is in; an ordered day walks down the list.",
            "timeline",
            "none",
            12,
            8,
            (Query(f"max by (state) ({name_of(DAY_STATE)})", "{{state}}"),),
            words=((0, " ", "transparent"), (1, "here", GREEN)),
        ),
    )


def _foundations() -> tuple[Panel, ...]:
    return (
        Panel(
            "Conservation",
            "Sum of all balances of an asset, the outside world's counter-accounts included, and the number of "
            "holdings on which ledger and units disagree. Anything but 0 is an alarm.",
            "stat",
            "none",
            8,
            6,
            (
                # A registry in which nobody holds anything yet has no asset to add up.
                Query(f"max by (asset) (abs({name_of(LEDGER_IMBALANCE)})) or {_none_while('settle')}", "{{asset}}"),
                Query(f'max({name_of(UNITS_DIFFERENCE)}{{job="settle"}})', "units against ledger"),
                Query(f'max({name_of(BREAKS_OPEN)}{{job="settle"}})', "open breaks"),
            ),
            steps=((None, GREEN), (1, RED)),
        ),
        Panel(
            "Endpoint: servers that take traffic",
            "Per site and backend of HAProxy. The write backend has exactly one: the primary.",
            "stat",
            "none",
            8,
            6,
            (Query("sum by (node, proxy) (haproxy_backend_active_servers)", "{{node}} {{proxy}}"),),
            steps=((None, RED), (1, GREEN)),
        ),
        Panel(
            "etcd members that see a leader",
            "Without a leader no failover can be decided; two of three members are enough.",
            "timeline",
            "none",
            8,
            6,
            (Query("max by (node) (etcd_server_has_leader)", "{{node}}"),),
            words=((0, "no leader", RED), (1, "has leader", GREEN)),
        ),
    )

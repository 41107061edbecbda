"""What a person sees of the playground: the waiting lines, the live table, the last screen with lines to copy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_COLOURS = {"running": "green", "starting": "yellow", "down": "red", "up": "green"}


def nodes_table(status: Mapping[str, Any]) -> Table:
    """Nodes with their roles, and below them what else each site runs."""
    table = Table(title=None, pad_edge=False)
    for column in ("node", "site", "role", "state", "address", "postgres", "lag"):
        table.add_column(column, no_wrap=True)
    for node in status["nodes"]:
        pid = str(node["pids"]["postgres"] or "")
        lag = "" if node["lag_bytes"] is None else f"{node['lag_bytes']:,} B"
        role = Text(node["role"] or "-", style="bold" if node["role"] == "primary" else "")
        state = Text(node["state"], style=_COLOURS.get(node["state"], ""))
        table.add_row(node["name"], node["site"], role, state, node["address"], pid, lag)
    return table


def services_table(status: Mapping[str, Any]) -> Table:
    """Every process beside the databases."""
    table = Table(title=None, pad_edge=False)
    for column in ("service", "node", "pid", "url"):
        table.add_column(column)
    for service in status["services"]:
        if service["kind"] not in ("patroni", "etcd"):
            pid = Text("down", style="red") if service["pid"] is None else Text(str(service["pid"]))
            table.add_row(service["kind"], service["node"], pid, service["url"] or "")
    return table


def links_line(status: Mapping[str, Any]) -> Text:
    """Both exchange lines in one line."""
    line = Text("exchange lines: ")
    for link in status["links"]:
        line.append(f"{link['name']} ")
        line.append(link["state"], style=_COLOURS.get(link["state"], ""))
        line.append(f" (last number {link['last_seq'] or 0})   ")
    return line


def live(status: Mapping[str, Any]) -> RenderableType:
    """The screen of a playground in the foreground."""
    return Group(nodes_table(status), services_table(status), links_line(status))


def farewell(status: Mapping[str, Any]) -> RenderableType:
    """The last screen of a start: where everything is."""
    headline = Text("The registry is up and takes writes.", style="bold green")
    return Group(headline, nodes_table(status), services_table(status))


def lines_to_copy(status: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a person pastes next; printed unwrapped, so that a narrow terminal does not break a line in two."""
    ends: Mapping[str, Any] = status["endpoints"]
    call = 'curl -H "Authorization: Bearer $(.venv/bin/registry token --as me)"'
    return [
        ("SQL writes", f"psql '{ends['write'][0]}'"),
        ("SQL reads", f"psql '{ends['read'][0]}'"),
        ("API", f"{call} {ends['api'][0]}/v1/accounts"),
        ("described at", f"{ends['api'][0]}/openapi.json"),
        ("other site", f"{ends['api'][1]} and {ends['write'][1].partition('@')[2]}"),
        ("Prometheus", ends["prometheus"]),
        ("Toxiproxy", ends["toxiproxy"]),
        ("status", ends["status"]),
        ("break it", "registry ha power-off main-1"),
    ]


def ending(state: Path, *, foreground: bool) -> str:
    """What ends when, and what is destroyed then."""
    how = "Ctrl-C stops" if foreground else "`registry down` stops"
    return f"{how} every process. The data stays in {state}; `registry up --fresh` destroys it."

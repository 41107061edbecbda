"""One page about one drill: verdict, timeline with the faults shaded, figures, checks; needs nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment

from chaos.evidence import Evidence, sort_evidence
from chaos.history import Event
from chaos.judge import budget_share
from chaos.verdict import Verdict

NS = 1_000_000_000
WIDTH, HEIGHT, SLOT_S = 1000, 160, 0.5

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ verdict.name }} {{ verdict.seed }}: {{ verdict.word }}</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 66rem; padding: 0 1rem; color: #1b1f24 }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .25rem .8rem; text-align: left;
border-bottom: 1px solid #d8dee4; vertical-align: top } td.n { text-align: right; font-variant-numeric: tabular-nums }
.pass { color: #116329 } .fail { color: #a40e26 } .invalid { color: #7d4e00 } svg { width: 100%; height: auto }
code { background: #f2f4f6; padding: .1rem .3rem }
@media (prefers-color-scheme: dark) { body { background: #14181d; color: #e3e7eb } code { background: #262c33 }
.pass { color: #57c26f } .fail { color: #ff7b88 } .invalid { color: #e3b341 } td, th { border-color: #38404a } }
</style></head><body>
<h1>{{ verdict.name }}: <span class="{{ verdict.word }}">{{ verdict.word }}</span></h1>
<p>Repeat: <code>{{ verdict.repeat }}</code></p>
<svg viewBox="0 -18 {{ width }} {{ height + 40 }}" role="img" aria-label="Acknowledged writes over time, faults shaded">
{% for shade in shades %}<rect x="{{ shade.x }}" y="0" width="{{ shade.width }}" height="{{ height }}"
fill="#d97706" opacity="0.25"/><text x="{{ shade.x + 3 }}" y="-5" font-size="12" fill="currentColor"
>{{ shade.name }}</text>
{% endfor %}{% for bar in bars %}<rect x="{{ bar.x }}" y="{{ bar.y }}" width="{{ bar.width }}"
height="{{ bar.height }}" fill="#2563eb"/>{% endfor %}
<line x1="0" y1="{{ height }}" x2="{{ width }}" y2="{{ height }}" stroke="currentColor" stroke-width="0.5"/>
<text x="0" y="{{ height + 16 }}" font-size="12" fill="currentColor">0 s</text>
<text x="{{ width }}" y="{{ height + 16 }}" font-size="12" fill="currentColor" text-anchor="end"
>{{ "%.0f"|format(seconds) }} s</text>
</svg>
<p>Acknowledged writes, one bar for each {{ slot_s }} s, highest {{ top }}. Shaded: from the order of a fault until
it was healed.</p>
<table>{% for name, figure in figures %}<tr><td>{{ name }}</td><td class="n">{{ figure }}</td></tr>{% endfor %}</table>
<table><tr><th>check</th><th></th><th></th></tr>
{% for check in verdict.checks %}<tr><td>{{ check.name }}</td><td class="{{ 'pass' if check.passed else 'fail' }}"
>{{ "yes" if check.passed else "no" }}</td><td>{{ check.detail }}</td></tr>
{% endfor %}</table>
<table><tr><th>at</th><th>what happened</th><th>read back</th></tr>
{% for row in timeline %}<tr><td class="n">{{ row.at }}</td><td>{{ row.what }}</td><td>{{ row.facts }}</td></tr>
{% endfor %}</table>
</body></html>
"""


@dataclass(frozen=True, slots=True)
class _Bar:
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class _Shade:
    name: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class _Row:
    at: str
    what: str
    facts: str


def write_report(path: Path, events: Sequence[Event], verdict: Verdict) -> None:
    """Write the page."""
    found = sort_evidence(events)
    begun = found.begun or (events[0].time if events else 0)
    times = found.acknowledged_at
    ended = max([found.ended or begun, *times, *(event.time for event in found.faults), begun + NS])
    scale = WIDTH / (ended - begun)
    slots = Counter(int((at - begun) / NS / SLOT_S) for at in times)
    top = max(slots.values(), default=0)
    page = Environment(autoescape=True).from_string(PAGE)
    path.write_text(
        page.render(
            verdict=verdict,
            width=WIDTH,
            height=HEIGHT,
            slot_s=SLOT_S,
            top=top,
            seconds=(ended - begun) / NS,
            bars=[_bar(slot, count, top, scale) for slot, count in sorted(slots.items())],
            shades=_shades(found, begun, scale),
            figures=figures_of(verdict),
            timeline=[_row(event, begun) for event in sorted([*found.faults, *found.watched], key=lambda e: e.time)],
        ),
        encoding="utf-8",
    )


def figures_of(verdict: Verdict) -> list[tuple[str, str]]:
    """Name the figures of a verdict for people."""
    figures = verdict.figures
    return [
        ("writes acknowledged", f"{figures.acknowledged:,}"),
        ("lost", str(figures.lost)),
        ("twice", str(figures.duplicated)),
        ("unknown, resolved", str(figures.unknown_resolved)),
        ("failed requests", str(figures.failed_requests)),
        ("client retries", str(figures.client_retries)),
        ("longest write gap", f"{figures.longest_write_gap_s:.1f} s"),
        ("month's budget used", budget_share(figures.budget_used_s)),
    ]


def _bar(slot: int, count: int, top: int, scale: float) -> _Bar:
    height = HEIGHT * count / top
    width = SLOT_S * NS * scale
    return _Bar(round(slot * width, 2), round(HEIGHT - height, 2), round(max(width - 0.3, 0.3), 2), round(height, 2))


def _shades(found: Evidence, begun: int, scale: float) -> list[_Shade]:
    """One shade a fault: from its injection to the last thing noted of it."""
    shades = []
    for event in found.faults:
        if event.value.get("verb") == "inject":
            end = max(other.time for other in found.faults if other.f == event.f)
            shades.append(_Shade(event.f, round((event.time - begun) * scale, 2), round((end - event.time) * scale, 2)))
    return shades


def _row(event: Event, begun: int) -> _Row:
    facts = {name: value for name, value in event.value.items() if name not in {"verb", "kind"}}
    what = f"{event.f}: {event.value['verb']}" if event.process == "nemesis" else "cluster"
    return _Row(
        f"{(event.time - begun) / NS:.2f}", what, "; ".join(f"{name}: {value}" for name, value in facts.items())
    )

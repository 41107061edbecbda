"""Fetches what was recorded: the probe's samples from Prometheus, the orders up and down from the state folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx

from monitoring.telemetry import FIRST_SAMPLE, LAST_GOOD, LONGEST_GAP, TICKS, name_of
from monitoring.verdict import Order, Sample

UPTIME = "uptime.jsonl"
"""The file in the playground's state folder to which its runner appends one line an order."""

_CHUNK_S = 6 * 3600
"""One answer holds so much: a month in one piece would be ten million numbers of JSON."""

_THIN_TO_S = 60
_HOLE_S = 2.0

_SERIES = "|".join(name_of(metric) for metric in (TICKS, LONGEST_GAP, LAST_GOOD))


class UnreachableError(Exception):
    """Prometheus does not answer, or not with what was asked."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an instant answer."""

    labels: dict[str, str]
    value: float


class Prometheus:
    """The few questions we ask a Prometheus."""

    def __init__(self, url: str, *, within_s: float = 10.0) -> None:
        self._url = url.rstrip("/")
        self._client = httpx.Client(timeout=within_s, trust_env=False)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def instant(self, expression: str, *, at: float | None = None) -> list[Series]:
        """Evaluate an expression once; scalars come back as one series without labels."""
        data = self._query(expression, at)
        if data["resultType"] == "scalar":
            return [Series({}, float(data["result"][1]))]
        return [Series(dict(row["metric"]), float(row["value"][1])) for row in data["result"]]

    def first_sample_at(self, *, within_days: int) -> float | None:
        """When the oldest probe process of the window counted its first tick; None when there was none."""
        found = self.instant(f"min(min_over_time({name_of(FIRST_SAMPLE)}[{within_days}d]) > 0)")
        return found[0].value if found else None

    def probe_samples(self, *, since: float, until: float, seams: Sequence[float]) -> Iterator[Sample]:
        """Yield what the probe counted, scrape by scrape, without the monotonous middle of each minute.

        ``seams`` are the moments at which an account may begin or end; the samples on both sides of them stay.
        """
        at = since
        while at < until:
            end = min(at + _CHUNK_S, until)
            # One second more than the chunk: the window's open end may not swallow a sample at the seam.
            data = self._query(f'{{__name__=~"{_SERIES}"}}[{int(end - at) + 1}s]', end)
            yield from _thin(_joined(data["result"]), seams)
            at = end

    def _query(self, expression: str, at: float | None) -> dict[str, Any]:
        form = {"query": expression} | ({} if at is None else {"time": f"{at:.3f}"})
        try:
            answer = self._client.post(f"{self._url}/api/v1/query", data=form)
            body = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise UnreachableError(f"Prometheus at {self._url} does not answer ({type(error).__name__})") from error
        if body.get("status") != "success":
            raise UnreachableError(f"Prometheus at {self._url} refuses the query: {body.get('error', answer.text)}")
        data: dict[str, Any] = body["data"]
        return data


def orders(state: Path) -> list[Order]:
    """Read every order up or down; none when nobody has written any. A torn last line is not an order."""
    file = state / UPTIME
    if not file.exists():
        return []
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
            found.append(Order(_epoch_s(entry["at"]), up=entry["event"] == "up"))
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _epoch_s(at: float | str) -> float:
    """Read a moment: epoch seconds, or ISO 8601 with its offset."""
    return datetime.fromisoformat(at).timestamp() if isinstance(at, str) else float(at)


def _joined(matrix: Sequence[dict[str, Any]]) -> list[Sample]:
    """Lay the series of one scrape side by side; they carry the same time."""
    scrapes: dict[float, dict[str, float]] = {}
    for series in matrix:
        labels = series["metric"]
        key = labels.get("outcome", labels["__name__"])
        for at, value in series["values"]:
            scrapes.setdefault(float(at), {})[key] = float(value)
    return [
        Sample(at, row["good"], row["bad"], row.get(name_of(LONGEST_GAP), 0.0), row.get(name_of(LAST_GOOD), 0.0))
        for at, row in sorted(scrapes.items())
        if "good" in row and "bad" in row
    ]


def _thin(samples: list[Sample], seams: Sequence[float]) -> list[Sample]:
    """Keep one sample a minute, and both sides of every hole, new beginning and seam: nothing judged changes."""
    if len(samples) < 3:
        return samples
    keep = {0, len(samples) - 1}
    for index, (before, after) in enumerate(pairwise(samples)):
        begun_again = after.good < before.good or after.bad < before.bad
        if begun_again or after.at - before.at > _HOLE_S or any(before.at < seam <= after.at for seam in seams):
            keep |= {index, index + 1}
        if int(before.at // _THIN_TO_S) != int(after.at // _THIN_TO_S):
            keep.add(index + 1)
    return [samples[index] for index in sorted(keep)]

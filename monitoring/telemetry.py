"""What the outside probe emits, and the name Prometheus gives to any metric."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)

TICKS = Counter("registry_probe_ticks_total", "Ticks of the outside probe by how they ended.", ["outcome"])
WRITE_SECONDS = Histogram("registry_probe_write_seconds", "Time to an acknowledged write.", buckets=_BUCKETS)
READ_SECONDS = Histogram("registry_probe_read_seconds", "Time to an answered read.", buckets=_BUCKETS)
LAST_GOOD = Gauge("registry_probe_last_good_timestamp_seconds", "When a write was last good; 0 before the first.")
LONGEST_GAP = Gauge("registry_probe_longest_gap_seconds", "Longest time without a good write so far.")
FIRST_SAMPLE = Gauge("registry_probe_first_sample_timestamp_seconds", "When this process counted its first tick.")


def name_of(metric: MetricWrapperBase, part: str = "") -> str:
    """Return the series name of a metric; ``part`` is the ``bucket``, ``sum`` or ``count`` of a histogram."""
    family = next(iter(metric.describe()))
    if family.type == "counter":
        return f"{family.name}_total"
    return f"{family.name}_{part}" if part else family.name

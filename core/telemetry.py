"""Names of the counters, gauges and events that core emits; monitoring imports them so that no dashboard drifts."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping

import structlog
from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("registry_requests_total", "HTTP requests answered.", ["route", "method", "status"])
REQUEST_SECONDS = Histogram(
    "registry_request_seconds",
    "Time from request to answer.",
    ["route"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 45, 60),
)
WRITE_QUEUE_DEPTH = Gauge("registry_write_queue_depth", "Writes waiting for the writer thread.")
WRITES_HELD = Counter("registry_writes_held_total", "Writes that had to wait for a primary.")
WRITE_GROUP_SIZE = Histogram(
    "registry_write_group_size", "Requests committed together.", buckets=(1, 2, 5, 10, 20, 50, 100, 200)
)
COMMITS = Counter("registry_commits_total", "Transactions by how they ended.", ["end"])
PRIMARY_REACHABLE = Gauge("registry_primary_reachable", "1 while this process has a primary to write to.")

LINK_UP = Gauge("registry_link_up", "1 while the session on the line is logged on.", ["line"])
LINK_LAST_SEQ = Gauge("registry_link_last_seq", "Highest ApplSeqNum received on the line.", ["line"])
LINK_DUPLICATES = Counter("registry_link_duplicates_total", "Trades dropped, the other line had been first.", ["line"])
LINK_GARBLED = Counter("registry_link_garbled_total", "Frames ignored as garbled.", ["line"])
LINK_READ_LAG = Gauge("registry_link_read_lag_seconds", "SendingTime against now, last message.", ["line"])
INTAKE_LEADER = Gauge("registry_intake_leader", "1 on the intake that books.")
INTAKE_NEXT_SEQ = Gauge("registry_intake_next_seq", "Durable watermark + 1, of the current market day.")
INTAKE_MISSING = Gauge("registry_intake_missing", "Numbers that no line has brought though a line has gone past them.")
TRADES_QUARANTINED = Counter("registry_trades_quarantined_total", "Numbers that came with two different bodies.")
TRADES_BOOKED = Counter("registry_trades_booked_total", "Trades made durable.", ["outcome"])

DAY_STATE = Gauge(
    "registry_day_state",
    "1 for the state the newest market day is in; for HALTED while any day is halted on a break.",
    ["state"],
)
DAY_TRANSITIONS = Counter("registry_day_transitions_total", "Arrows of the market day taken here.", ["to"])
TRADES_UNSETTLED = Gauge(
    "registry_trades_unsettled", "Trades, cancelled ones left out, of all days not yet delivered, halted days included."
)
LEDGER_IMBALANCE = Gauge("registry_ledger_imbalance", "Sum of all balances of an asset; must be 0.", ["asset"])
UNITS_DIFFERENCE = Gauge("registry_units_difference", "Holdings on which ledger and units disagree; must be 0.")
BREAKS_OPEN = Gauge("registry_reconciliation_breaks_open", "Breaks between ledger and units not closed by two people.")

KEY_ALARMS = Counter("registry_same_key_other_content_total", "Keys used again with other content.", ["kind"])
for _kind in ("request", "bank_notice"):
    KEY_ALARMS.labels(_kind)  # there from the start: an increase from nothing would not be seen

log = structlog.get_logger()


def bind_service(name: str, **facts: str) -> None:
    """Write JSON logs to standard error and give every line of this process, of every thread, its service name."""
    ours = {"service": name, **facts}

    def name_service(_logger: object, _method: str, event: MutableMapping[str, object]) -> Mapping[str, object]:
        return {**ours, **event}

    structlog.configure(
        processors=[
            name_service,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(handlers=[_OfLibraries()], level=logging.WARNING)


class _OfLibraries(logging.Handler):
    """Says in our form what libraries log in theirs."""

    def emit(self, record: logging.LogRecord) -> None:
        log.log(record.levelno, "library", logger=record.name, message=record.getMessage(), exc_info=record.exc_info)

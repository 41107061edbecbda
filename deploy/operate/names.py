"""The table that names a command for every published operation; nothing else about a command is written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

GROUPS = {
    "account": "Registration accounts: apply, review, find, restrict, close, and who may act.",
    "allocation": "Allocation plans: propose, look through, release what was withheld.",
    "audit": "Who did what.",
    "clock": "The registry's business time.",
    "compliance": "Verified emissions, obligations, surrender, offset, carry-over.",
    "day": "Market days.",
    "deposit": "Cash that came in.",
    "encumbrance": "Pledges, judicial freezes, deductions, public notices.",
    "ownership": "Voluntary cancellation, certificates, merger, split, inheritance.",
    "reconciliation": "Ledger against units: what differed, and how it was closed.",
    "rules": "The market's rules: products, modes, limits, hours, calendar, caps.",
    "serial": "The life of a serial number.",
    "service": "The service itself: is it there, what became of a request.",
    "statement": "What an account held and did on a day, as text, CSV or PDF.",
    "task": "Proposals, and the decision of a second person.",
    "transfer": "Moves between two accounts.",
    "trust": "Whom an account trusts, and what it limits itself to.",
}
"""Every group; those that core has commands in already are joined."""


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """A command: the operation it asks for, and what a person types."""

    operation: str
    group: str
    name: str
    arguments: tuple[str, ...] = ()
    """Fields beside those of the path that are given by their place, in this order."""
    who: str = ""
    """Who acts when nobody is named: else an auditor who reads, an operator who writes."""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """Fields that the command's name says already; None: a field that it has no use for."""
    dry_run: str = ""
    """The operation that ``--dry-run`` asks for in its place."""
    says: str = ""
    """Its help where the operation's own does not fit."""
    by_hand: bool = False
    """Written out in this package, because it does something with files of this machine."""


SUCCESSION = ("POST /v1/successions", "POST /v1/successions/dry-run")


def _succession(kind: str, name: str, arguments: tuple[str, ...], says: str, **without: None) -> Named:
    fixed = {"kind": kind} | without
    return Named(SUCCESSION[0], "ownership", name, arguments, "maker", fixed, SUCCESSION[1], says)


COMMANDS = (
    Named("POST /v1/accounts", "account", "open", by_hand=True),
    Named("POST /v1/accounts/csv", "account", "open-bulk", by_hand=True),
    Named("POST /v1/account-batches", "account", "open-batch"),
    Named("GET /v1/accounts", "account", "find", ("q",)),
    Named("GET /v1/accounts/{number}", "account", "details"),
    Named("GET /v1/accounts/{number}/documents", "account", "documents"),
    Named("POST /v1/accounts/{number}/documents/review", "account", "review", by_hand=True),
    Named("POST /v1/accounts/{number}/restrict", "account", "restrict", ("restriction",)),
    Named("POST /v1/accounts/{number}/unrestrict", "account", "unrestrict"),
    Named("POST /v1/accounts/{number}/suspend", "account", "suspend"),
    Named("POST /v1/accounts/{number}/resume", "account", "resume"),
    Named("POST /v1/accounts/{number}/close", "account", "close"),
    Named("GET /v1/accounts/{number}/states", "account", "history"),
    Named("GET /v1/accounts/{number}/operators", "account", "operators"),
    Named("POST /v1/accounts/{number}/operators", "account", "add-operator", ("login", "right")),
    Named("POST /v1/accounts/{number}/operators/{login}/remove", "account", "remove-operator", ("right",)),
    Named("GET /v1/me/accounts", "account", "mine"),
    Named("GET /v1/accounts/{number}/provinces", "account", "provinces"),
    Named("POST /v1/province-moves", "account", "move-province", ("account", "province", "from_day")),
    Named("GET /v1/accounts/{number}/holdings", "account", "holdings"),
    Named("GET /v1/accounts/{number}/holdings/{asset}", "account", "balance"),
    Named("GET /v1/accounts/{number}/transfers", "account", "transfers"),
    Named("GET /v1/accounts/{number}/serials", "account", "serials", ("day",)),
    Named("GET /v1/accounts/{number}/unit-moves", "account", "unit-moves"),
    Named("GET /v1/accounts/{number}/deductions", "account", "deductions"),
    Named("GET /v1/accounts/{number}/trusted", "trust", "list"),
    Named("POST /v1/accounts/{number}/trusted", "trust", "add", ("trusted",), "maker"),
    Named("POST /v1/accounts/{number}/trusted/{other}/remove", "trust", "remove", who="maker"),
    Named("POST /v1/accounts/{number}/limits", "trust", "limit", who="maker"),
    Named("POST /v1/transfers", "transfer", "book", ("from_account", "to_account", "asset", "amount"), "maker"),
    Named(
        "POST /v1/transfer-proposals",
        "transfer",
        "propose",
        ("from_account", "to_account", "asset", "amount"),
        "maker",
    ),
    Named("POST /v1/deposits", "deposit", "book", who="bank"),
    Named("POST /v1/allocations", "allocation", "propose"),
    Named("POST /v1/allocations/csv", "allocation", "upload"),
    Named("GET /v1/allocations", "allocation", "list"),
    Named("GET /v1/allocations/{plan}", "allocation", "show"),
    Named("GET /v1/allocations/{plan}/lines", "allocation", "lines"),
    Named("GET /v1/allocations/{plan}/totals", "allocation", "totals"),
    Named("POST /v1/allocations/{plan}/dry-run", "allocation", "try-out", who="auditor"),
    Named("POST /v1/allocations/{plan}/release", "allocation", "release", ("accounts",)),
    Named("GET /v1/tasks", "task", "list"),
    Named("GET /v1/tasks/{task}", "task", "show"),
    Named("POST /v1/tasks/{task}/approve", "task", "approve", who="checker"),
    Named("POST /v1/tasks/{task}/reject", "task", "reject", who="checker"),
    Named("POST /v1/tasks/{task}/withdraw", "task", "withdraw"),
    Named("GET /v1/audit", "audit", "list"),
    Named("GET /v1/accounts/{number}/statements/{day}", "statement", "show"),
    Named("POST /v1/emissions", "compliance", "propose-emissions", who="ministry-maker"),
    Named("POST /v1/emissions/csv", "compliance", "upload-emissions", who="ministry-maker"),
    Named("GET /v1/accounts/{number}/emissions", "compliance", "emissions"),
    Named("POST /v1/compliance-years", "compliance", "propose-year", ("year",)),
    Named("GET /v1/compliance-years", "compliance", "years"),
    Named("GET /v1/compliance-years/{year}", "compliance", "year"),
    Named("GET /v1/compliance-years/{year}/obligations", "compliance", "list"),
    Named("GET /v1/accounts/{number}/obligations", "compliance", "obligations"),
    Named("GET /v1/accounts/{number}/obligations/{year}", "compliance", "show"),
    Named("GET /v1/accounts/{number}/obligations/{year}/history", "compliance", "history"),
    Named(
        "POST /v1/penalties",
        "compliance",
        "penalise",
        ("account", "year"),
        "ministry-maker",
        dry_run="POST /v1/penalties/dry-run",
    ),
    Named(
        "POST /v1/surrenders",
        "compliance",
        "surrender",
        ("account", "product", "tonnes", "year"),
        "maker",
        dry_run="POST /v1/surrenders/dry-run",
    ),
    Named("GET /v1/surrenders/{surrender}", "compliance", "surrender-details"),
    Named("POST /v1/surrenders/{surrender}/reverse", "compliance", "reverse", who="maker"),
    Named("GET /v1/accounts/{number}/surrenders", "compliance", "surrenders"),
    Named("POST /v1/offset-lots", "compliance", "freeze-offset", ("account", "project", "first", "last"), "maker"),
    Named("GET /v1/offset-lots/{lot}", "compliance", "offset-lot"),
    Named("POST /v1/offset-lots/{lot}/release", "compliance", "release-offset", who="maker"),
    Named("GET /v1/accounts/{number}/offset-lots", "compliance", "offset-lots"),
    Named(
        "POST /v1/offsets",
        "compliance",
        "offset",
        ("account", "year", "lots"),
        "maker",
        dry_run="POST /v1/offsets/dry-run",
    ),
    Named("GET /v1/carry-over-rules", "compliance", "carry-over-rules"),
    Named("POST /v1/carry-over-rules", "compliance", "propose-carry-over-rule"),
    Named(
        "POST /v1/carry-overs",
        "compliance",
        "carry-over",
        ("account", "product", "tonnes"),
        "maker",
        dry_run="POST /v1/carry-overs/dry-run",
    ),
    Named("GET /v1/accounts/{number}/carry-overs", "compliance", "carry-overs"),
    Named(
        "POST /v1/pledges",
        "encumbrance",
        "pledge",
        ("account", "asset", "amount"),
        "maker",
        dry_run="POST /v1/pledges/dry-run",
    ),
    Named("POST /v1/freezes", "encumbrance", "freeze", ("account",), "maker", dry_run="POST /v1/freezes/dry-run"),
    Named("POST /v1/encumbrances/{encumbrance}/release", "encumbrance", "release", who="maker"),
    Named("POST /v1/encumbrances/{encumbrance}/realise", "encumbrance", "realise", ("to_account", "amount"), "maker"),
    Named("POST /v1/encumbrances/{encumbrance}/deduct", "encumbrance", "deduct", ("to_account", "amount"), "maker"),
    Named("GET /v1/encumbrances/{encumbrance}", "encumbrance", "show"),
    Named("GET /v1/accounts/{number}/encumbrances", "encumbrance", "list"),
    Named("GET /v1/notices", "encumbrance", "notices"),
    Named("GET /v1/notices/{number}", "encumbrance", "notice"),
    Named(
        "POST /v1/cancellations",
        "ownership",
        "cancel",
        ("account", "product", "tonnes"),
        "maker",
        dry_run="POST /v1/cancellations/dry-run",
    ),
    Named("GET /v1/certificates/{number}", "ownership", "certificate"),
    Named("GET /v1/accounts/{number}/certificates", "ownership", "certificates"),
    _succession(
        "merger",
        "merge",
        ("account", "into_account"),
        "Propose that everything of one firm goes over to another, and its account closes.",
        parts=None,
        closes=None,
    ),
    _succession("split", "split", ("account",), "Propose that parts of a firm go over to others.", into_account=None),
    _succession(
        "inheritance", "inherit", ("account",), "Propose that what a person held goes over to heirs.", closes=None
    ),
    Named("GET /v1/successions/{number}", "ownership", "succession"),
    Named("GET /v1/parameters", "rules", "list"),
    Named("POST /v1/parameters", "rules", "propose", dry_run="POST /v1/parameters/dry-run", by_hand=True),
    Named("GET /v1/market-rules/{day}", "rules", "show", by_hand=True),
    Named("POST /v1/days", "day", "open", ("day",)),
    Named("GET /v1/days/{day}", "day", "state"),
    Named("GET /v1/days/{day}/report", "day", "clearing"),
    Named("GET /v1/days/{day}/trades", "day", "trades"),
    Named("GET /v1/days/{day}/seal", "day", "seal"),
    Named("GET /v1/clock", "clock", "show"),
    Named("POST /v1/clock", "clock", "move", ("now",)),
    Named("POST /v1/reconciliations", "reconciliation", "run"),
    Named("GET /v1/reconciliations", "reconciliation", "list"),
    Named("GET /v1/reconciliation-breaks", "reconciliation", "breaks"),
    Named("GET /v1/reconciliation-breaks/{number}", "reconciliation", "break"),
    Named("POST /v1/reconciliation-breaks/{number}/close", "reconciliation", "close"),
    Named("GET /v1/serials/{serial}", "serial", "show"),
    Named("GET /v1/requests/{key}", "service", "request", who="operator"),
    Named("POST /v1/beats", "service", "beat", ("probe", "n"), "probe"),
    Named("GET /v1/beats/{probe}", "service", "last-beat"),
    Named("GET /healthz", "service", "alive"),
    Named("GET /readyz", "service", "ready"),
    Named("GET /metrics", "service", "metrics"),
)

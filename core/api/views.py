"""What callers get back, described for /openapi.json; services build these bodies, nothing is checked against them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel


class Problem(BaseModel):
    """A refusal (RFC 9457) with its published code."""

    type: str
    title: str
    status: int
    code: str
    next: str
    detail: str | None = None
    errors: list[dict[str, Any]] | None = None


class Account(BaseModel):
    """A registration account."""

    number: str
    name: str
    kind: str
    province: str
    sector: str | None
    credit_code: str | None
    contact: dict[str, str] | None
    bank: str
    state: str
    restriction: str | None
    pending: dict[str, str | None] | None
    blocked: str | None
    exchange_notified_at: str | None


class Accounts(BaseModel):
    """One page; ``next`` goes into ``after`` for the page that follows."""

    accounts: list[Account]
    next: str | None


class Holding(BaseModel):
    """An amount of one asset in one bucket."""

    asset: str
    bucket: str
    amount: int


class Balance(BaseModel):
    """What an account holds of one asset: tonnes or fen by bucket, and their sum."""

    account: str
    asset: str
    amounts: dict[str, int]
    total: int


class Serials(BaseModel):
    """A block of serial numbers, both ends included."""

    first: str
    last: str
    tonnes: int


class Holdings(BaseModel):
    """What an account holds, by both accountings."""

    account: str
    holdings: list[Holding]
    serials: list[Serials]


class BookedTransfer(BaseModel):
    """A transfer as the ledger has it: those of one ``batch`` were booked together or not at all."""

    id: str
    from_account: str
    to_account: str
    asset: str
    amount: int
    type: str
    reference: str
    batch: int
    reverses: str | None
    market_day: str


class Statement(BaseModel):
    """One page of an account's transfers, oldest first; ``next`` goes into ``after``."""

    account: str
    transfers: list[BookedTransfer]
    next: str | None


class Decision(BaseModel):
    """What one person said: approve, reject, cancel, withdraw."""

    by: str
    at: str
    verdict: str


class Approval(BaseModel):
    """Who decides a proposal, when, and who did so far; moments are business time."""

    accounts: list[str]
    decides: str
    reviews: int
    proposed_at: str
    not_before: str | None
    expires_at: str | None
    decisions: list[Decision]


class Task(BaseModel, extra="allow"):
    """A proposal and what became of it, with what was proposed beside it."""

    id: str
    kind: str
    state: str
    proposed_by: str
    decided_by: str | None
    outcome: dict[str, Any] | None
    approval: Approval


class DryRun(BaseModel, extra="allow"):
    """What carrying out the same body would come to now; with what else helps to judge it beside, and nothing kept."""

    dry_run: Literal[True]
    kind: str
    outcome: dict[str, Any]


class Transfer(BaseModel):
    """A transfer that is done."""

    id: str
    from_account: str
    to_account: str
    asset: str
    amount: int
    market_day: str


class Deposit(BaseModel):
    """A notice of credit that is booked."""

    message_id: str
    entries: int
    total_fen: int


class KeyState(BaseModel):
    """What became of a key: ``done`` with its answer, or ``not_done``, and then it never will be."""

    key: str
    state: str
    route: str | None
    status: int | None
    body: dict[str, Any] | None


class Clock(BaseModel):
    """Business time in the market's zone."""

    now: str
    market_day: str


class MarketDay(BaseModel, extra="allow"):
    """A market day: how far it has come, what came in, what is broken."""

    day: str
    state: str


class Report(BaseModel):
    """A daily clearing report."""

    text: str
    figures: dict[str, Any]


class Trade(BaseModel):
    """A trade whose both legs are in the ledger."""

    appl_seq: int
    trade_id: str
    mode: str
    product: str
    buyer: str
    seller: str
    quantity: int
    price_fen: int
    amount_fen: int
    executed_at: str


class Trades(BaseModel):
    """A page of settled trades; ``next`` goes into ``after`` for the page that follows."""

    day: str
    trades: list[Trade]
    next: int | None


class Beat(BaseModel):
    """The probe's newest number and when it was written."""

    probe: str
    n: int
    at: str | None = None

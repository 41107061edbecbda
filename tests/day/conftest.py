"""A small market on a real database, with the exchange's own floor and a bank's own books on the other side."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from sqlalchemy import Connection, Engine, text

from chaos.simulators.bank import Bank, BankSettings
from chaos.simulators.exchange.floor import Floor
from chaos.simulators.exchange.http import files_app
from core.accounts.rules import number_of
from core.bank.client import BankClient
from core.bank.service import record_deposits
from core.bank.wire import parse_camt054
from core.callers import Caller
from core.day import service, store
from core.day.arrows import Parties
from core.day.counterparty import ExchangeFiles
from core.day.rules import State
from core.day.worker import Worker
from core.db.transaction import Unknown, read, write
from core.exchange import store as exchange
from core.exchange.rules import Received, Totals, extend
from core.ledger import store as ledger
from core.ledger.rules import ISSUANCE, Transfer, place_of
from core.quantities import Vintage
from core.refusals import Answer, Refused
from core.units import store as units

DAY = date(2021, 7, 16)
OPERATOR = Caller("operator", frozenset({"operator"}))
BANK = Caller("bank", frozenset({"bank"}))


@dataclass
class Market:
    """What the tests do to the registry and its counterparties."""

    engine: Engine
    floor: Floor
    bank: Bank
    bank_http: httpx.Client
    worker: Worker
    accounts: list[str] = field(default_factory=list)

    def account(self, *, tonnes: int = 0, fen: int = 0, product: str = "CEA-2019", bank: str = "B001") -> str:
        """Open an account that holds something."""
        number = number_of("E", "42", 2001 + len(self.accounts))
        vintage = Vintage.of_product(product)

        def work(connection: Connection) -> None:
            facts = {"number": number, "name": f"Firm {number}", "bank": bank}
            connection.execute(
                text("INSERT INTO account (number, name, state, bank) VALUES (:number, :name, 'OPEN', :bank)"), facts
            )
            if tonnes:
                giver, taker = place_of(ISSUANCE, product), place_of(number, product)
                ledger.post(
                    connection, [Transfer(f"a:{number}", giver, taker, tonnes, "ALLOCATE", "t")], market_day=DAY
                )
                units.issue(
                    connection, issue_id=f"a:{number}", vintage=vintage, tonnes=tonnes, holder=number, market_day=DAY
                )

        self.write(work)
        self.accounts.append(number)
        if fen:
            self.deposit(number, fen, message_id=f"D-{len(self.accounts)}")
        return number

    def deposit(self, account: str, fen: int, *, message_id: str) -> httpx.Response:
        """Let money come in at the bank, which tells the registry."""
        entries = [{"account": account, "amount_fen": fen}]
        return self.bank_http.post("/sim/deposits", json={"message_id": message_id, "entries": entries})

    def write(self, work: Any) -> Any:
        """Run work in a transaction of the registry."""
        done = write(self.engine, work)
        assert not isinstance(done, Unknown)
        return done

    def read(self, work: Any) -> Any:
        """Read from the registry."""
        return read(self.engine, work)

    def open(self, day: date = DAY, **change: Any) -> Answer | Refused:
        """Open a day as an operator does."""
        body = {"day": day.isoformat(), "products": {"CEA-2019": 4800}, "cumulative_t": 0, "cumulative_fen": 0}
        opened: Answer | Refused = self.write(lambda c: service.open_day(c, OPERATOR, body | change))
        return opened

    def clock(self, time: str, day: date = DAY) -> None:
        """Move business time."""
        moment = datetime.fromisoformat(f"{day}T{time}:00+08:00")
        self.write(lambda c: c.execute(text("UPDATE business_clock SET now = :now"), {"now": moment}))

    def receive(self, rows: list[dict[str, Any]], day: date = DAY, *, marker: bool = True) -> None:
        """Trade on the exchange's floor, and book what it sends as the intake does."""
        self.floor.load(day.isoformat(), None, rows)
        self.floor.close()
        trading = self.floor.loaded()
        bodies = [t.row() + (f"\x01{t.refers_to}" if t.refers_to else "") for t in trading.trades]
        batch = [Received.of_body(seq, body, "A") for seq, body in enumerate(bodies, start=1)]
        theirs = trading.totals

        def work(connection: Connection) -> None:
            market = exchange.market(connection, day, exchange.APPL_ID)
            position = exchange.take_over(connection, day, exchange.APPL_ID)
            after = extend(position.totals, batch)
            exchange.copy_trades(connection, market, batch, [None] * len(batch))
            assert exchange.advance(connection, market, epoch=position.epoch, before=position.totals, after=after)
            facts = (theirs.new_count, theirs.changed_count, len(batch), theirs.quantity, theirs.turnover_fen)
            if marker:
                claimed = Totals(*facts, theirs.sha256_hex)
                assert exchange.put_marker(connection, market, epoch=position.epoch, marker=claimed)

        self.write(work)

    def trade(self, n: int, seller: str, buyer: str, tonnes: int, price_fen: int, **change: Any) -> dict[str, Any]:
        """Word a trade as the floor takes it."""
        at = datetime.fromisoformat(f"{DAY}T09:30:00+08:00") + timedelta(seconds=n)
        facts = {"trade_id": f"T{n}", "mode": "listed", "product": "CEA-2019", "buyer": buyer, "seller": seller}
        return facts | {"quantity": tonnes, "price_fen": price_fen, "executed_at": at.isoformat()} | change

    def state(self, day: date = DAY) -> State:
        """Return the day's state."""
        found: State = self.read(lambda c: store.get(c, day)).state
        return found

    def run_until(self, *states: State, day: date = DAY) -> State:
        """Let the worker tick until the day is in one of the states; a tick that moves nothing ends it too."""
        for _ in range(40):
            if self.state(day) in states or not self.worker.tick():
                break
        return self.state(day)

    def traded_day(self) -> tuple[str, str]:
        """Run a day with two sellers' trades up to CLOSED and return seller and buyer."""
        seller, buyer = self.account(tonnes=1_000), self.account(fen=10_000_000)
        assert isinstance(self.open(), Answer)
        self.clock("09:30")
        self.run_until(State.TRADING)
        rows = [
            self.trade(1, seller, buyer, 100, 4_800),
            self.trade(2, seller, buyer, 300, 5_001),
            self.trade(3, seller, buyer, 200, 5_280),
        ]
        self.receive(rows)
        self.clock("15:00")
        return seller, buyer

    def cash(self, account: str) -> int:
        """Return the account's available cash."""
        return self.bucket(account, "CNY", "available")

    def bucket(self, account: str, asset: str, bucket: str) -> int:
        """Return one balance."""
        held = self.read(lambda c: ledger.balances(c, [account]))
        return sum(b.amount for b in held if (b.asset, b.bucket) == (asset, bucket))


@contextmanager
def serving(app: Any) -> Iterator[httpx.Client]:
    """Serve an application over real HTTP, and hand out a client for it."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        host, port = listening.getsockname()
        with httpx.Client(base_url=f"http://{host}:{port}", timeout=20) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@pytest.fixture
def market(engine: Engine, tmp_path: Path) -> Iterator[Market]:
    """A registry with one exchange and one bank, all in this process."""

    def notice(request: httpx.Request) -> httpx.Response:
        body = parse_camt054(request.content).body()
        done = write(engine, lambda c: record_deposits(c, BANK, body))
        assert not isinstance(done, Unknown)
        if isinstance(done, Refused):
            return httpx.Response(done.reason.http_status, json={"detail": str(done)})
        return httpx.Response(done.status, json=dict(done.body))

    facts = BankSettings(api=["http://registry"], state=tmp_path / "bank.journal")
    bank = Bank(facts, httpx.Client(transport=httpx.MockTransport(notice)))
    floor = Floor()
    with serving(files_app(floor)) as line, serving(bank.app()) as bank_http:
        parties = Parties(engine, ExchangeFiles([line]), {"B001": BankClient("B001", bank_http)}, "settle@test")
        yield Market(engine, floor, bank, bank_http, Worker(parties))

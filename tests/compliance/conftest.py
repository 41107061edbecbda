"""A market with an authority in each of two provinces, and the offset registry's own books on the other side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, Engine, text

from chaos.simulators.ccer.server import Ccer, CcerSettings
from core.accounts.rules import number_of
from core.approvals import service as approvals
from core.callers import Caller
from core.clock import store as clock
from core.clock.rules import market_day
from core.db.transaction import Unknown, read, write
from core.emissions import service as emissions
from core.emissions.obligations import service as obligations
from core.emissions.years import service as years
from core.executors import EXECUTORS, UNDOERS
from core.ledger import store as ledger
from core.ledger.rules import ISSUANCE, Transfer, place_of
from core.offset import link
from core.offset import service as offset
from core.offset.wire import OffsetRegistry
from core.quantities import Vintage
from core.refusals import Answer
from core.surrender import service as surrender
from core.units import store as units

BOTH = frozenset({"authority_maker", "authority_checker"})


@dataclass
class World:
    """What the tests do, each step in a transaction of its own."""

    engine: Engine
    sound: Callable[[Connection], None]
    ccer: httpx.Client | None = None
    made: list[str] = field(default_factory=list)

    ann = Caller("ann", frozenset({"maker", "checker"}))
    bob = Caller("bob", frozenset({"maker", "checker"}))
    hubei = Caller("hubei-one", BOTH, "42")
    hubei_too = Caller("hubei-two", BOTH, "42")
    shanghai = Caller("shanghai-one", BOTH, "31")
    ministry = Caller("ministry-one", BOTH)
    ministry_too = Caller("ministry-two", BOTH)

    def do(self, work: Callable[[Connection], Any]) -> Any:
        """Run work in a transaction."""
        done = write(self.engine, work)
        assert not isinstance(done, Unknown)
        return done

    def look(self, work: Callable[[Connection], Any]) -> Any:
        """Read."""
        return read(self.engine, work)

    def firm(self, holding: Mapping[str, int] | None = None, *, province: str = "42", kind: str = "E") -> str:
        """Open an account that holds allowances."""
        number = number_of(kind, province, 2001 + len(self.made))
        self.made.append(number)

        def work(connection: Connection) -> None:
            now = clock.now(connection)
            facts = {"number": number, "name": f"Firm {number}", "at": now}
            connection.execute(
                text("INSERT INTO account (number, name, state, opened_at) VALUES (:number, :name, 'OPEN', :at)"), facts
            )
            for product, tonnes in (holding or {}).items():
                giver, taker, day = place_of(ISSUANCE, product), place_of(number, product), market_day(now)
                name = f"a:{number}:{product}"
                ledger.post(connection, [Transfer(name, giver, taker, tonnes, "ALLOCATE", "t")], market_day=day)
                units.issue(
                    connection,
                    issue_id=name,
                    vintage=Vintage.of_product(product),
                    tonnes=tonnes,
                    holder=number,
                    market_day=day,
                )

        self.do(work)
        return number

    def approve(self, proposed: Any, by: Caller | None = None) -> Any:
        """Let a second person approve; of the authority, where nobody is named."""
        assert isinstance(proposed, Answer), proposed
        who, task = by or self.ministry_too, str(proposed.body["id"])
        return self.do(lambda c: approvals.approve(c, who, task, EXECUTORS))

    def reject(self, proposed: Any, by: Caller | None = None) -> Any:
        """Let a second person turn it down."""
        who, task = by or self.ministry_too, str(proposed.body["id"])
        return self.do(lambda c: approvals.reject(c, who, task, {"reason": "no"}, UNDOERS))

    def year(self, year: int = 2020, deadline: str = "2021-12-31", **more: Any) -> None:
        """Lay down the rules of a year."""
        body = {"year": year, "deadline": deadline, "vintages": [2019, 2020], "reason": "plan", **more}
        done = self.approve(self.do(lambda c: years.propose(c, self.ann, body)), self.bob)
        assert isinstance(done, Answer), done

    def upload(self, lines: Any, year: int = 2020, by: Caller | None = None) -> Any:
        """Upload emissions, as account and tonnes, with a reason for corrections."""
        listed = [dict(zip(("account", "tonnes", "reason"), line, strict=False)) for line in lines]
        return self.do(lambda c: emissions.propose(c, by or self.ministry, {"year": year, "lines": listed}))

    def verify(self, account: str, tonnes: int, *reason: str, year: int = 2020) -> None:
        """Have an account's emissions verified."""
        done = self.approve(self.upload([(account, tonnes, *reason)], year))
        assert isinstance(done, Answer), done

    def surrender(self, account: str, tonnes: Any, product: str = "CEA-2019", year: int = 2020) -> Any:
        """Apply to hand units in."""
        body = {"account": account, "product": product, "tonnes": tonnes, "year": year}
        return self.do(lambda c: surrender.propose(c, self.ann, body))

    def hand_in(self, account: str, tonnes: int, product: str = "CEA-2019", year: int = 2020) -> str:
        """Hand units in; return the surrender's id."""
        proposed = self.surrender(account, tonnes, product, year)
        done = self.approve(proposed)
        assert isinstance(done, Answer), done
        return str(proposed.body["hold"])

    def clock(self, moment: str) -> None:
        """Move business time, and let become due what does."""
        at = datetime.fromisoformat(moment)
        self.do(lambda c: c.execute(text("UPDATE business_clock SET now = :now"), {"now": at}))
        self.do(obligations.close_deadlines)

    def state(self, account: str, year: int = 2020) -> dict[str, Any]:
        """Show an obligation."""
        shown = self.look(lambda c: obligations.show(c, self.ann, account, year))
        assert isinstance(shown, Answer), shown
        return dict(shown.body)

    def held(self, account: str) -> dict[tuple[str, str], int]:
        """Return balances by asset and bucket."""
        found = self.look(lambda c: ledger.balances(c, [account]))
        return {(b.asset, b.bucket): b.amount for b in found if b.amount}

    def serials(self, account: str) -> list[str]:
        """Return the blocks an account holds."""
        return [str(block) for block in self.look(lambda c: units.holdings(c, account))]

    def freeze(self, account: str, tonnes: int, *, project: str = "CCER-1", first: int = 1) -> str:
        """Give the account offset units over there, and have them frozen; return the lot's id."""
        assert self.ccer is not None
        facts = {"account": account, "project": project, "first": first, "last": first + tonnes - 1}
        self.ccer.post("/sim/units", json=facts)
        frozen = self.do(lambda c: offset.freeze(c, self.ann, facts))
        assert isinstance(frozen, Answer), frozen
        self.deliver()
        return str(frozen.body["id"])

    def offset(self, account: str, *lots: str, year: int = 2020) -> Any:
        """Apply to offset with lots."""
        body = {"account": account, "year": year, "lots": list(lots)}
        return self.do(lambda c: offset.propose(c, self.ann, body))

    def deliver(self) -> None:
        """Let the offset registry hear and answer what there is."""
        assert self.ccer is not None
        ask = link.deliver(OffsetRegistry(self.ccer))
        for reference in self.look(link.waiting):
            self.do(lambda c, reference=reference: ask(c, Caller("settle", frozenset()), reference))

    def lot(self, number: str) -> str:
        """Return a lot's state here."""
        return str(self.look(lambda c: offset.get(c, self.ann, number)).body["state"])

    def there(self, number: str) -> str:
        """Return a lot's state in the offset registry."""
        assert self.ccer is not None
        answer = self.ccer.get(f"/v1/lots/{number}")
        return str(answer.json()["state"]) if answer.status_code == 200 else "UNKNOWN"


@pytest.fixture
def ccer(tmp_path: Path) -> Iterator[httpx.Client]:
    """The offset registry, behind its own HTTP routes."""
    registry = Ccer(CcerSettings(state=tmp_path / "ccer.journal"))
    inside = httpx.ASGITransport(registry.app())

    async def answer(request: httpx.Request) -> httpx.Response:
        async with httpx.AsyncClient(transport=inside, base_url="http://ccer") as http:
            said = await http.request(request.method, request.url.path, content=request.content)
        return httpx.Response(said.status_code, content=said.content, headers=said.headers)

    transport = httpx.MockTransport(lambda request: asyncio.run(answer(request)))
    with httpx.Client(transport=transport, base_url="http://ccer") as client:
        yield client
    registry.book.close()


@pytest.fixture
def world(engine: Engine, ccer: httpx.Client, sound: Callable[[Connection], None]) -> Iterator[World]:
    """A registry, its people and its counterparty; afterwards both accountings must be sound."""
    built = World(engine, sound, ccer)
    yield built
    built.look(sound)

"""Two people who change the market's rules on a clean database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine, text

from core.approvals import service as approvals
from core.callers import Caller
from core.db.transaction import Unknown, read, write
from core.parameters import service as parameters
from core.refusals import Answer, Refused


@dataclass(frozen=True)
class Rulers:
    """Ann proposes, Bob decides."""

    engine: Engine
    ann: Caller
    bob: Caller

    def propose(self, *changes: Mapping[str, Any], why: str = "a test") -> Answer | Refused:
        body = {"changes": [dict(one) for one in changes], "why": why}
        return self.write(lambda c: parameters.propose(c, self.ann, body))

    def approve(self, proposed: Answer | Refused) -> Answer | Refused:
        assert isinstance(proposed, Answer), proposed
        task = str(proposed.body["id"])
        return self.write(lambda c: approvals.approve(c, self.bob, task, parameters.EXECUTORS))

    def set(self, *changes: Mapping[str, Any]) -> None:
        done = self.approve(self.propose(*changes))
        assert isinstance(done, Answer), done

    def clock(self, moment: str) -> None:
        at = datetime.fromisoformat(f"{moment}+08:00")
        self.write(lambda c: c.execute(text("UPDATE business_clock SET now = :now"), {"now": at}))

    def write(self, work: Any) -> Any:
        done = write(self.engine, work)
        assert not isinstance(done, Unknown)
        return done

    def read(self, work: Any) -> Any:
        return read(self.engine, work)


@pytest.fixture
def rulers(engine: Engine) -> Rulers:
    """The business clock stands on 2021-07-15, the day before the market's first."""
    return Rulers(engine, Caller("ann", frozenset({"maker"})), Caller("bob", frozenset({"checker"})))

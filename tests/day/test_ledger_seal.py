"""The day that is reported seals the ledger's chain, in the same transaction; what is set aside ends with the clock."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from core.chores import CHORES
from core.day import store, transitions
from core.day.chores import Housekeeper
from core.day.rules import State
from core.day.worker import Worker
from core.ledger import store as ledger
from core.ledger.holds import service as holds
from core.ledger.holds.rules import Hold
from core.ledger.keys import SealingKey
from core.ledger.rules import place_of
from core.ledger.seals import service as seals
from core.ledger.seals import store as seal_store

DAY, NEXT = date(2021, 7, 16), date(2021, 7, 19)
KEY = SealingKey(Ed25519PrivateKey.generate())


def test_a_reported_day_is_sealed_and_signed_and_its_event_says_so(market: Any) -> None:
    market.traded_day()
    market.worker = Worker(replace(market.worker.parties, sealing_key=KEY))

    market.run_until(State.OPENING_BUILT)
    assert market.read(seal_store.every) == []
    market.run_until(State.REPORTED)

    [sealed] = market.read(seal_store.every)
    assert (sealed.day, sealed.first_seq, sealed.key_id) == (DAY, 1, KEY.id)
    assert market.read(seals.wrong_seals) == []
    assert market.read(ledger.verify_chain) == []
    assert market.read(lambda c: store.events(c, DAY))[-1]["detail"] == (
        f"ledger seal {sealed.hash.hex()}, batches 1 to {sealed.last_seq}, signed by {KEY.id}"
    )


def test_a_report_that_is_not_committed_leaves_no_seal(market: Any) -> None:
    market.traded_day()
    market.run_until(State.OPENING_BUILT)
    with market.engine.connect() as connection:
        connection.begin()
        assert transitions.report(connection, DAY, worker="dies", key=KEY)
        assert len(seal_store.every(connection)) == 1
        connection.rollback()

    assert market.read(seal_store.every) == []
    market.run_until(State.REPORTED)
    [sealed] = market.read(seal_store.every)
    assert sealed.signature is None
    assert market.read(lambda c: store.events(c, DAY))[-1]["detail"].endswith("not signed")


def test_what_is_set_aside_goes_back_when_its_time_is_over_at_whichever_site(market: Any) -> None:
    owner = market.account(tonnes=100)
    until = datetime.fromisoformat("2021-07-16T12:00:00+08:00")
    place = place_of(owner, "CEA-2019")
    market.write(lambda c: holds.hold(c, Hold("h", place, "locked", 30, until, "test", DAY)))
    sites = [
        Housekeeper(market.engine, f"settle@{n}", [chore for chore in CHORES if chore.name == "hold"]) for n in "ab"
    ]

    market.clock("11:59")
    assert [site.tick() for site in sites] == [False, False]
    market.clock("12:00")
    assert [site.tick() for site in sites] == [True, False]

    assert market.bucket(owner, "CEA-2019", "available") == 100
    audited = "SELECT caller, subject FROM audit_event WHERE action = 'hold expired'"
    assert market.read(lambda c: c.execute(text(audited)).all()) == [("settle@a", owner)]


@pytest.mark.parametrize("content", [None, "no key"])
def test_a_sealing_key_that_cannot_be_read_ends_the_start_with_one_clear_line(
    dsn: str, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "sealing.pem"
    if content is not None:
        path.write_text(content)
    given = {"REGISTRY_DSN": dsn, "REGISTRY_SEALING_KEY": str(path), "REGISTRY_METRICS_LISTEN": "127.0.0.1:0"}
    ended = subprocess.run(
        [sys.executable, "-m", "core", "settle"], env=os.environ | given, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "cannot start" in ended.stderr

"""The audit trail: linked in a chain, verifiable, readable without gaps."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from core.audit import service
from core.audit import store as audit
from core.callers import Caller
from core.chores import CHORES
from core.cli import app
from core.day.chores import Housekeeper
from core.refusals import Answer, Reason, Refused

BOB = Caller("bob", frozenset({"checker"}))
FORGED = """INSERT INTO audit_event (caller, action, subject, detail, xact)
SELECT caller, action, subject, detail, xact FROM audit_event WHERE id = 1"""


def note(office: Any, subject: str = "x", **detail: Any) -> None:
    office.write(lambda c: audit.record(c, caller="ann", action="test", subject=subject, detail=detail))


def seal(office: Any) -> int:
    return int(office.write(audit.seal))


def trail(office: Any, subject: str | None = None, after: str = "", limit: int = 100) -> Any:
    return office.read(lambda c: service.page(c, subject=subject, after=after, limit=limit))


def test_every_row_is_linked_once(office: Any) -> None:
    assert seal(office) == 0
    for n in range(3):
        note(office, n=n)
    assert office.read(audit.loose) == 3
    assert office.read(audit.is_loose)

    assert seal(office) == 3
    assert not office.read(audit.is_loose)
    assert seal(office) == 0
    note(office)
    assert seal(office) == 1
    assert office.read(audit.verify) == []
    assert office.read(audit.loose) == 0


def test_every_decision_is_in_the_trail(office: Any) -> None:
    task = office.note(reviews=2)
    office.approve(task, BOB)
    office.approve(task, Caller("eve", frozenset({"checker"})))
    withdrawn = office.note()
    office.withdraw(withdrawn)

    done = [(e["caller"], e["action"]) for e in trail(office, task).body["events"]]
    assert done == [("bob", "review"), ("eve", "approved")]
    assert [e["action"] for e in trail(office, withdrawn).body["events"]] == ["withdrawn"]
    assert [e["action"] for e in trail(office, "test").body["events"]] == ["propose note"] * 2


def test_a_row_of_a_transaction_that_is_under_way_waits_for_the_next_link(office: Any) -> None:
    """Neither a link nor a page passes it by, although newer rows are there already."""
    with office.engine.connect() as slow, slow.begin():
        audit.record(slow, caller="ann", action="slow", subject="x", detail={})
        note(office)
        assert seal(office) == 0
        assert trail(office).body["events"] == []
    assert [e["action"] for e in trail(office).body["events"]] == ["slow", "test"]
    assert seal(office) == 2
    assert office.read(audit.verify) == []


def test_many_writers_and_sealers_leave_a_whole_chain(office: Any) -> None:
    def write() -> None:
        for n in range(20):
            note(office, n=n)

    def link() -> None:
        for _ in range(20):
            seal(office)

    threads = [threading.Thread(target=work) for work in (write, write, write, link, link)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seal(office)

    assert office.read(audit.verify) == []
    assert office.read(audit.loose) == 0
    assert office.read(lambda c: c.execute(text("SELECT sum(events) FROM audit_link")).scalar_one()) == 60


@pytest.mark.unsound
@pytest.mark.parametrize(
    ("forgery", "broken"),
    [
        ("UPDATE audit_event SET caller = 'nobody' WHERE id = 1", [1]),
        ("UPDATE audit_event SET detail = '{\"n\": 7}' WHERE id = 2", [2]),
        ("UPDATE audit_event SET at = at + interval '1 us' WHERE id = 2", [2]),
        ("DELETE FROM audit_event WHERE id = 2", [2]),
        (FORGED, [1]),
        ("UPDATE audit_event SET xact = (SELECT xact FROM audit_event WHERE id = 2) WHERE id = 1", [1, 2]),
        ("DELETE FROM audit_link WHERE seq = 3", [3]),
        ("DELETE FROM audit_link WHERE seq = 2", [2, 3]),
        ("INSERT INTO audit_link VALUES (4, '9000000000', 1, decode(repeat('00', 32), 'hex'))", [4]),
    ],
)  # fmt: skip
def test_a_forged_trail_is_found_where_it_was_forged(
    office: Any, owner_dsn: str, forgery: str, broken: list[int]
) -> None:
    for n in range(3):
        note(office, n=n)
        seal(office)
    with psycopg.connect(owner_dsn) as owner:
        for table in ("audit_event", "audit_link"):
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        owner.execute(forgery)

    assert office.read(audit.verify) == broken


def test_the_trail_and_its_chain_are_append_only(office: Any, owner_dsn: str) -> None:
    note(office)
    seal(office)
    for change in (
        "UPDATE audit_event SET caller = 'eve'", "DELETE FROM audit_event", "TRUNCATE audit_event",
        "UPDATE audit_link SET events = 2", "DELETE FROM audit_link", "TRUNCATE audit_link",
    ):  # fmt: skip
        with psycopg.connect(owner_dsn) as owner, pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute(change)


def test_pages_of_the_trail_follow_each_other(office: Any) -> None:
    for n in range(5):
        note(office, subject="a" if n % 2 else "b", n=n)

    first = trail(office, limit=3).body
    rest = trail(office, after=first["next"], limit=3).body
    assert [e["detail"]["n"] for e in first["events"] + rest["events"]] == [0, 1, 2, 3, 4]
    assert rest["next"] is None
    assert [e["detail"]["n"] for e in trail(office, "a", limit=1).body["events"]] == [1]
    assert [
        e["detail"]["n"] for e in trail(office, "a", after=trail(office, "a", limit=1).body["next"]).body["events"]
    ] == [3]
    for nonsense in ("x", "1", "1-", "-1", "1-1-1", "9" * 30 + "-1"):
        refused = trail(office, after=nonsense)
        assert isinstance(refused, Refused)
        assert refused.reason == Reason.MALFORMED


def test_the_settle_process_extends_the_chain_by_itself(office: Any) -> None:
    note(office)
    keeper = Housekeeper(office.engine, "settle@main-1", [chore for chore in CHORES if chore.name == "audit"])

    assert not keeper.tick(), "what comes meanwhile may wait for the next round"
    assert office.read(audit.loose) == 0


@pytest.mark.unsound
def test_the_command_verifies_the_trail(office: Any, dsn: str, owner_dsn: str) -> None:
    note(office)
    seal(office)
    note(office)
    whole = CliRunner().invoke(app, ["audit", "verify", "--dsn", dsn])
    assert (whole.exit_code, whole.stdout) == (0, "The audit chain is whole. Rows that wait for their link: 1.\n")
    with psycopg.connect(owner_dsn) as owner:
        owner.execute("ALTER TABLE audit_event DISABLE TRIGGER ALL")
        owner.execute("UPDATE audit_event SET caller = 'eve' WHERE id = 1")

    broken = CliRunner().invoke(app, ["audit", "verify", "--dsn", dsn])
    assert (broken.exit_code, broken.stdout) == (1, "link 1: missing, extra, or not what its rows say\n")
    as_json = CliRunner().invoke(app, ["audit", "verify", "--dsn", dsn, "--json"])
    assert '"broken_links": [\n    1\n  ]' in as_json.stdout


def test_rows_older_than_the_chain_are_covered_by_its_first_link(office: Any, owner_dsn: str) -> None:
    with psycopg.connect(owner_dsn) as owner:
        owner.execute(
            "INSERT INTO audit_event (caller, action, subject, detail, xact) VALUES ('old', 'x', 'x', '{}', '0')"
        )
    note(office)

    assert seal(office) == 2
    assert office.read(audit.verify) == []
    page = trail(office)
    assert isinstance(page, Answer)

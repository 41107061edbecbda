"""Decides one group of writes inside one transaction, as if they had come one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from core.api import store
from core.api.problems import answer_of
from core.api.store import TOMBSTONE, Recorded
from core.audit import alarms
from core.ledger import store as ledger
from core.ledger.rules import Place
from core.refusals import Answer, Reason, Refused, RefusedError

REPLAYED = {"Idempotency-Replayed": "true"}


@dataclass(frozen=True, slots=True)
class Write:
    """One keyed request. Caller, route and key name it; the fingerprint tells whether a repeat is the same."""

    caller: str
    route: str
    """Method and path template: the same key under another id of the same route is a reused key."""
    key: str
    fingerprint: bytes
    run: Callable[[Connection], Answer | Refused]
    run_all: Callable[[Connection, Sequence[Any]], Sequence[Answer | Refused]] | None = None
    """Carries out many requests at once, in their order; those that name the same function are given to it together."""
    asked: Any = None
    """What ``run_all`` is given of this request."""
    places: Sequence[Place] = ()
    """The balances it will change. The group locks those of all its requests first, in the ledger's order."""
    alone: bool = False
    """It changes balances that it cannot name beforehand, or many: it gets a transaction of its own."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """Asks what became of a key; when nothing did, nothing ever will."""

    caller: str
    key: str
    alone: bool = False


def decide(connection: Connection, group: Sequence[Write | Inquiry]) -> list[Answer]:
    """Answer each request of the group in arrival order, and record what is new."""
    store.enter(connection)
    return decide_entered(connection, group)


def decide_entered(connection: Connection, group: Sequence[Write | Inquiry]) -> list[Answer]:
    """The same for whoever waited for ``store.enter`` already."""
    if any(isinstance(item, Inquiry) for item in group):
        store.exclude_singles(connection)
    book = _Book(store.load(connection, {(item.caller, item.key) for item in group}))
    runs = _runs(group, book)
    places = [place for item in group if isinstance(item, Write) for place in item.places]
    if places and len(runs) > 1:  # a run alone locks by itself, in the same order
        ledger.lock_balances(connection, places)
    answers = [answer for run in runs for answer in book.serve(connection, run)]
    store.save(connection, book.fresh)
    store.touch(connection, sorted(book.repeated))
    return answers


def _runs(group: Sequence[Write | Inquiry], book: _Book) -> list[list[Write | Inquiry]]:
    """Part the group, in its order: runs of new requests that one function carries out together, others alone."""
    runs: list[list[Write | Inquiry]] = []
    keys: set[tuple[str, str]] = set()
    together: object = None
    for item in group:
        is_new = not book.knows(item) and (item.caller, item.key) not in keys
        own = item.run_all if isinstance(item, Write) and is_new else None
        if own is None or own is not together:
            runs.append([])
        runs[-1].append(item)
        keys.add((item.caller, item.key))
        together = own
    return runs


class _Book:
    """What is recorded about the keys of one group, what the group itself adds included."""

    def __init__(self, known: Iterable[Recorded]) -> None:
        self._known: defaultdict[tuple[str, str], dict[str, Recorded]] = defaultdict(dict)
        for row in known:
            self._known[row.caller, row.key][row.route] = row
        self.fresh: list[Recorded] = []
        self.repeated: set[tuple[str, str, str]] = set()

    def knows(self, item: Write | Inquiry) -> bool:
        """Tell whether anything is recorded under the caller's key."""
        return (item.caller, item.key) in self._known

    def serve(self, connection: Connection, run: Sequence[Write | Inquiry]) -> list[Answer]:
        """Answer one run: many new requests of one kind, or a single one of any."""
        writes = [item for item in run if isinstance(item, Write)]
        if not writes:
            return [self.inquire(item) for item in run if isinstance(item, Inquiry)]
        first = writes[0]
        if first.run_all is None or self.knows(first):
            return [self.carry_out(connection, first)]
        ends = first.run_all(connection, [write.asked for write in writes])
        return [self._note(write, end) for write, end in zip(writes, ends, strict=True)]

    def carry_out(self, connection: Connection, write: Write) -> Answer:
        routes = self._known[write.caller, write.key]
        row = routes.get(write.route) or routes.get(TOMBSTONE)
        if row is None:
            return self._first(connection, write)
        self._repeat(row)
        if row.route == TOMBSTONE:
            return answer_of(Refused(Reason.KEY_TOMBSTONED))
        if row.fingerprint != write.fingerprint:
            alarms.same_key_other_content(
                connection,
                caller=write.caller,
                kind="request",
                key=write.key,
                known=row.fingerprint,
                sent=write.fingerprint,
                where=write.route,
            )
            return answer_of(Refused(Reason.KEY_REUSED))
        return Answer(row.status, row.body or {}, {**row.headers, **REPLAYED})

    def _first(self, connection: Connection, write: Write) -> Answer:
        try:
            if write.alone:  # it may have written a part before the ledger refused: nothing of that stays
                with connection.begin_nested():
                    end = write.run(connection)
            else:
                end = write.run(connection)
        except RefusedError as error:
            end = error.refused
        return self._note(write, end)

    def _note(self, write: Write, end: Answer | Refused) -> Answer:
        answer = answer_of(end) if isinstance(end, Refused) else end
        self._record(
            Recorded(
                write.caller, write.route, write.key, write.fingerprint, answer.status, answer.body, answer.headers
            )
        )
        return answer

    def inquire(self, inquiry: Inquiry) -> Answer:
        routes = self._known[inquiry.caller, inquiry.key]
        done = [row for row in routes.values() if row.route != TOMBSTONE]
        if done:
            newest = done[-1]
            self._repeat(newest)
            facts = {"state": "done", "route": newest.route, "status": newest.status, "body": newest.body}
            return Answer(200, {"key": inquiry.key, **facts})
        if TOMBSTONE in routes:
            self._repeat(routes[TOMBSTONE])
        else:
            self._record(Recorded(inquiry.caller, TOMBSTONE, inquiry.key, b"", 0, None))
        return Answer(200, {"key": inquiry.key, "state": "not_done", "route": None, "status": None, "body": None})

    def _record(self, row: Recorded) -> None:
        self.fresh.append(row)
        self._known[row.caller, row.key][row.route] = row

    def _repeat(self, row: Recorded) -> None:
        self.repeated.add((row.caller, row.route, row.key))

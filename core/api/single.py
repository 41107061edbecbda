"""One transfer, one commit, on a connection of the caller's own: for who has many connections instead of one queue.

What is plain is one prepared statement. Everything else, each refusal and each repeat of a key, is decided as a group
of one by the same code as any request that came over HTTP, under the same keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.errors import CheckViolation, DeadlockDetected, Diagnostic, SerializationFailure, UniqueViolation
from sqlalchemy import Engine

from core.api import strict
from core.api.group import Write, decide
from core.api.routes.holdings import TRANSFER
from core.callers import MAKER, Caller
from core.db.transaction import Unknown, write
from core.quantities import MAX_AMOUNT
from core.refusals import Answer, Reason, Refused, RefusedError
from core.transfers import service, store
from core.transfers.rules import read_order

PATH = "/v1/transfers"


class Single:
    """Carries out transfers one by one."""

    def __init__(self, connection: psycopg.Connection[Any], engine: Engine, *, free_transfers: bool) -> None:
        connection.autocommit = True
        self._connection = connection
        self._engine = engine
        self._free_transfers = free_transfers
        self._warnings: list[Diagnostic] = []
        connection.add_notice_handler(self._warnings.append)

    def transfer(self, caller: Caller, key: str, body: Mapping[str, Any]) -> Answer:
        """Answer one request; RefusedError when nobody knows whether it was done: ask again under its key."""
        fingerprint = strict.fingerprint("POST", PATH, body)
        done = self._plainly(caller, key, body, fingerprint)
        return Answer(201, done) if done is not None else self._decided(caller, key, body, fingerprint)

    def _plainly(
        self, caller: Caller, key: str, body: Mapping[str, Any], fingerprint: bytes
    ) -> Mapping[str, Any] | None:
        order, amount = read_order(body), body.get("amount")
        plain = self._free_transfers and MAKER in caller.roles and type(amount) is int and 0 < amount <= MAX_AMOUNT
        if isinstance(order, Refused) or not plain:
            return None
        self._warnings.clear()
        try:
            done = store.plainly(
                self._connection,
                caller=caller.name,
                key=key,
                fingerprint=fingerprint,
                id=service.new_id(),
                giver=order.giver,
                taker=order.taker,
                asset=order.asset,
                amount=amount,
            )
        except (CheckViolation, UniqueViolation, DeadlockDetected, SerializationFailure):
            return None  # rolled back: too little is there, or the key came twice at once
        if self._warnings:  # durable here, perhaps nowhere else
            raise RefusedError(Refused(Reason.NO_PRIMARY))
        return done

    def _decided(self, caller: Caller, key: str, body: Mapping[str, Any], fingerprint: bytes) -> Answer:
        command = TRANSFER[self._free_transfers]
        asked = Write(
            caller=caller.name,
            route=f"POST {PATH}",
            key=key,
            fingerprint=fingerprint,
            run=lambda connection: command.run(connection, caller, body),
        )
        end = write(self._engine, lambda connection: decide(connection, [asked]))
        if isinstance(end, Unknown):
            raise RefusedError(Refused(Reason.NO_PRIMARY))
        return end[0]

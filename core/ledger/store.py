"""The ledger's tables: balances, and the immutable transfers that move them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, text

from core.db.rows import json_rows
from core.db.transaction import driver_of
from core.ledger import chain
from core.ledger.canonical import Watch
from core.ledger.rules import (
    BANK,
    ISSUANCE,
    Place,
    Recorded,
    Transfer,
    net,
    refuse_overflow,
    refuse_reversal,
    refuse_shortage,
)
from core.quantities import CASH, MAX_AMOUNT
from core.refusals import Reason, Refused, RefusedError

CREATE_PLACES = text("""
INSERT INTO ledger_account (owner, asset, bucket, overdraft)
SELECT owner, asset, bucket, bucket = 'system' AND owner = CASE asset WHEN :cash THEN :bank ELSE :issuance END
FROM json_to_recordset(CAST(:places AS json)) AS p (owner text, asset text, bucket text)
ORDER BY owner, asset, bucket
ON CONFLICT (owner, asset, bucket) DO NOTHING
""")

# NO KEY: a transfer's foreign keys share-lock their ledger accounts, and need not wait for a balance to change.
LOCK_PLACES = text("""
SELECT a.id, a.owner, a.asset, a.bucket, a.balance
FROM json_to_recordset(CAST(:places AS json)) AS p (owner text, asset text, bucket text)
JOIN ledger_account a USING (owner, asset, bucket)
ORDER BY a.id FOR NO KEY UPDATE OF a
""")

CHANGE_BALANCES = text("""
UPDATE ledger_account a SET balance = a.balance + n.delta
FROM json_to_recordset(CAST(:changes AS json)) AS n (id bigint, delta bigint) WHERE a.id = n.id
""")

INSERT_TRANSFERS = text("""
WITH fresh AS MATERIALIZED (SELECT nextval('batch_number') AS batch)
INSERT INTO transfer (id, batch, position, debit, credit, asset, amount, type, reference, reverses, market_day)
SELECT id, (SELECT batch FROM fresh), position, debit, credit, asset, amount, type, reference, reverses, :market_day
FROM json_to_recordset(CAST(:transfers AS json)) AS t (id text, position integer, debit bigint, credit bigint,
    asset text, amount bigint, type text, reference text, reverses text)
""")

STAGE = text("""
CREATE TEMP TABLE staged_transfer (
    id text NOT NULL, debit_owner text NOT NULL, debit_bucket text NOT NULL, credit_owner text NOT NULL,
    credit_bucket text NOT NULL, asset text NOT NULL, amount bigint NOT NULL, type text NOT NULL,
    reference text NOT NULL, position bigint NOT NULL
) ON COMMIT DROP
""")

COPY_STAGED = """
COPY staged_transfer (id, debit_owner, debit_bucket, credit_owner, credit_bucket, asset, amount, type, reference,
                      position) FROM STDIN
"""

ANALYZE_STAGED = text("ANALYZE staged_transfer")

NET_STAGED = text("""
CREATE TEMP TABLE staged_net ON COMMIT DROP AS
SELECT owner, asset, bucket, sum(delta) AS delta
FROM (SELECT debit_owner AS owner, asset, debit_bucket AS bucket, -amount AS delta FROM staged_transfer
      UNION ALL SELECT credit_owner, asset, credit_bucket, amount FROM staged_transfer) AS legs
GROUP BY owner, asset, bucket
""")

CREATE_STAGED_PLACES = text("""
INSERT INTO ledger_account (owner, asset, bucket, overdraft)
SELECT owner, asset, bucket, bucket = 'system' AND owner = CASE asset WHEN :cash THEN :bank ELSE :issuance END
FROM staged_net n
WHERE NOT EXISTS (SELECT FROM ledger_account a
                  WHERE a.owner = n.owner AND a.asset = n.asset AND a.bucket = n.bucket)
ORDER BY owner, asset, bucket
ON CONFLICT (owner, asset, bucket) DO NOTHING
""")

LOCK_STAGED_PLACES = text("""
SELECT count(*) FILTER (WHERE abs(after) > :most) FROM (
    SELECT a.balance + n.delta AS after FROM staged_net n JOIN ledger_account a USING (owner, asset, bucket)
    ORDER BY a.id FOR NO KEY UPDATE OF a) AS locked
""")

CHANGE_STAGED_BALANCES = text("""
UPDATE ledger_account a SET balance = a.balance + n.delta
FROM staged_net n WHERE a.owner = n.owner AND a.asset = n.asset AND a.bucket = n.bucket AND n.delta <> 0
""")

INSERT_STAGED_TRANSFERS = text("""
WITH fresh AS MATERIALIZED (SELECT nextval('batch_number') AS batch)
INSERT INTO transfer (id, batch, position, debit, credit, asset, amount, type, reference, market_day)
SELECT s.id, (SELECT batch FROM fresh), row_number() OVER (ORDER BY s.position), d.id, c.id, s.asset,
       s.amount, s.type, s.reference, :market_day
FROM staged_transfer s
JOIN ledger_account d ON d.owner = s.debit_owner AND d.asset = s.asset AND d.bucket = s.debit_bucket
JOIN ledger_account c ON c.owner = s.credit_owner AND c.asset = s.asset AND c.bucket = s.credit_bucket
ORDER BY s.position
""")

DROP_STAGED = text("DROP TABLE staged_transfer, staged_net")

BALANCES = text("""
SELECT owner, asset, bucket, balance AS amount FROM ledger_account
WHERE owner = ANY(CAST(:owners AS text[])) ORDER BY owner, asset, bucket
""")

# First all rows of the owner, by their index, then their order: left to choose, the planner walks the whole ledger.
STATEMENT = text("""
WITH own AS MATERIALIZED (
    SELECT * FROM transfer
    WHERE ARRAY[debit, credit] && (SELECT array_agg(id) FROM ledger_account WHERE owner = :owner)),
page AS MATERIALIZED (
    SELECT b.seq, t.* FROM own t JOIN ledger_batch b USING (batch)
    WHERE (b.seq, t.position) > (:batch, :position)
    ORDER BY b.seq, t.position LIMIT :limit)
SELECT p.seq AS batch, p.position, p.id, d.owner AS giver, c.owner AS taker, p.asset, p.amount, p.type, p.reference,
       p.reverses, p.market_day
FROM page p
JOIN ledger_account d ON d.id = p.debit
JOIN ledger_account c ON c.id = p.credit
ORDER BY p.seq, p.position
""")

IMBALANCE = text("SELECT asset, sum(balance) FROM ledger_account GROUP BY asset ORDER BY asset")

DRIFTED = text("""
SELECT a.owner, a.asset, a.bucket
FROM ledger_account a
LEFT JOIN (SELECT account, sum(delta) AS total
           FROM (SELECT debit AS account, -amount AS delta FROM transfer
                 UNION ALL SELECT credit, amount FROM transfer) AS legs
           GROUP BY account) AS h ON h.account = a.id
WHERE a.balance <> coalesce(h.total, 0) ORDER BY a.id
""")

FIND = text("""
SELECT t.id, t.asset, t.amount, t.type, t.reference, t.reverses, d.owner AS debit_owner, d.bucket AS debit_bucket,
       c.owner AS credit_owner, c.bucket AS credit_bucket, r.id AS reversed_by,
       EXISTS (SELECT FROM ledger_hold WHERE booked = t.id OR voided_by = t.id) AS of_hold
FROM transfer t
JOIN ledger_account d ON d.id = t.debit
JOIN ledger_account c ON c.id = t.credit
LEFT JOIN transfer r ON r.reverses = t.id
WHERE t.id = ANY(CAST(:ids AS text[]))
""")


@dataclass(frozen=True, slots=True)
class Balance:
    """How much of an asset an owner holds in one bucket."""

    owner: str
    asset: str
    bucket: str
    amount: int


@dataclass(frozen=True, slots=True)
class Booked:
    """A transfer as it stands in the ledger, between owners."""

    batch: int
    """The place of its batch in the chain: batches count there in the order in which they were committed.

    It is what links transfers: those of one batch were booked together or not at all."""
    position: int
    id: str
    giver: str
    taker: str
    asset: str
    amount: int
    type: str
    reference: str
    reverses: str | None
    market_day: date


def post(connection: Connection, transfers: Sequence[Transfer], *, market_day: date) -> None:
    """Book a few transfers as one batch: all of them or none, which is what links them.

    A balance that would turn negative breaks the database's CHECK; RefusedError for one that would be too large.
    Ledger accounts are locked in the order of their ids and the chain's counter last, so that writers queue
    and never deadlock.
    """
    if transfers:
        deltas = net(transfers)
        found = lock(connection, list(deltas), create=True)
        refused = refuse_overflow({place: balance for place, (_, balance) in found.items()}, deltas)
        if refused is not None:
            raise RefusedError(refused)
        book(connection, transfers, {place: number for place, (number, _) in found.items()}, market_day=market_day)


def book(connection: Connection, transfers: Sequence[Transfer], ids: Mapping[Place, int], *, market_day: date) -> None:
    """Book transfers as one batch; ``ids`` are those of all their places, which ``lock`` has locked."""
    deltas = net(transfers)
    moved = sorted((ids[place], delta) for place, delta in deltas.items() if delta)
    if moved:
        changes = json_rows({"id": number, "delta": delta} for number, delta in moved)
        connection.execute(CHANGE_BALANCES, {"changes": changes})
    booked = json_rows(
        {
            "id": t.id,
            "position": position,
            "debit": ids[t.debit],
            "credit": ids[t.credit],
            "asset": t.debit.asset,
            "amount": t.amount,
            "type": t.type,
            "reference": t.reference,
            "reverses": t.reverses,
        }
        for position, t in enumerate(transfers, start=1)
    )
    connection.execute(INSERT_TRANSFERS, {"transfers": booked, "market_day": market_day})
    chain.extend(connection, transfers, market_day)


def reverse(
    connection: Connection,
    transfer_ids: Sequence[str],
    *,
    id_of: Callable[[str], str],
    kind: str,
    reference: str,
    market_day: date,
    linked: Sequence[Transfer] = (),
) -> list[Transfer] | Refused:
    """Take booked transfers back, all or none, each whole and once; return the transfers that do.

    ``id_of`` names the reversal of each; what is ``linked`` is booked with them or not at all. Refused when one of them
    is unknown, was taken back before, is a reversal or belongs to a hold, or when what they gave is no longer there.
    """
    booked = recorded(connection, transfer_ids)
    refused = _refuse_reversals(transfer_ids, booked)
    if refused is not None:
        return refused
    mirrors = [booked[n].transfer.mirror(id_of(n), kind=kind, reference=reference) for n in transfer_ids]
    made = [*mirrors, *linked]
    deltas = net(made)
    balances = lock_balances(connection, list(deltas), create=True)
    # Again: whoever reversed one of them meanwhile had these balances, and has let go of them.
    refused = _refuse_reversals(transfer_ids, recorded(connection, transfer_ids)) or refuse_shortage(balances, deltas)
    if refused is not None:
        return refused
    post(connection, made, market_day=market_day)
    return made


def _refuse_reversals(transfer_ids: Sequence[str], booked: Mapping[str, Recorded]) -> Refused | None:
    if len(set(transfer_ids)) < len(transfer_ids):
        raise ValueError(f"a transfer is named twice: {transfer_ids}")
    found = (refuse_reversal(number, booked.get(number)) for number in transfer_ids)
    return next((refused for refused in found if refused is not None), None)


def recorded(connection: Connection, transfer_ids: Sequence[str]) -> dict[str, Recorded]:
    """Return the transfers of these ids that are booked."""
    rows = connection.execute(FIND, {"ids": list(transfer_ids)})
    return {
        row.id: Recorded(
            Transfer(
                row.id,
                Place(row.debit_owner, row.asset, row.debit_bucket),
                Place(row.credit_owner, row.asset, row.credit_bucket),
                row.amount,
                row.type,
                row.reference,
                row.reverses,
            ),
            row.reversed_by,
            row.of_hold,
        )
        for row in rows
    }


def lock_balances(connection: Connection, places: Sequence[Place], *, create: bool = False) -> dict[Place, int]:
    """Lock ledger accounts in the order of their ids and return their balances.

    A place that does not exist yet holds zero; it is not locked unless ``create`` makes it, for which its
    owner must be known. A group of requests locks the places of all of them at once, before its first one.
    """
    held = {place: balance for place, (_, balance) in lock(connection, places, create=create).items()}
    return {place: held.get(place, 0) for place in places}


def lock(connection: Connection, places: Iterable[Place], *, create: bool) -> dict[Place, tuple[int, int]]:
    """Lock those ledger accounts that exist, in the order of their ids; return the id and balance of each."""
    asked = set(places)
    names = {"places": json_rows({"owner": p.owner, "asset": p.asset, "bucket": p.bucket} for p in asked)}
    found = _locked(connection, names)
    if create and len(found) < len(asked):
        connection.execute(CREATE_PLACES, names | _counter_accounts())
        found = _locked(connection, names)
    return found


def _locked(connection: Connection, names: dict[str, str]) -> dict[Place, tuple[int, int]]:
    rows = connection.execute(LOCK_PLACES, names)
    return {Place(owner, asset, bucket): (number, balance) for number, owner, asset, bucket, balance in rows}


def _counter_accounts() -> dict[str, str]:
    return {"cash": CASH, "bank": BANK, "issuance": ISSUANCE}


def stage(connection: Connection) -> None:
    """Make the table ``staged_transfer`` for this transaction; fill it by INSERT or COPY, then ``post_staged``."""
    connection.execute(STAGE)


def stage_all(connection: Connection, transfers: Iterable[Transfer]) -> None:
    """Stage transfers that Python has made, in their order; ``stage`` comes first."""
    with driver_of(connection).cursor() as cursor, cursor.copy(COPY_STAGED) as copy:
        for n, t in enumerate(transfers, start=1):
            places = (t.debit.owner, t.debit.bucket, t.credit.owner, t.credit.bucket)
            copy.write_row((t.id, *places, t.debit.asset, t.amount, t.type, t.reference, n))


def post_staged(connection: Connection, *, market_day: date) -> int:
    """Book everything staged as one batch in the order of ``position``; return how many transfers that were.

    Only the final balances are checked: within one batch, money in and money out meet. They are locked after the rows
    are in; a collision over a place that is new to both writers is a deadlock, which the caller runs again.
    RefusedError, with nothing booked, where a balance would be too large.
    """
    connection.execute(ANALYZE_STAGED)
    connection.execute(NET_STAGED)
    connection.execute(CREATE_STAGED_PLACES, _counter_accounts())
    try:
        with connection.begin_nested():
            posted = _post_rows(connection, market_day)
    except RefusedError:
        connection.execute(DROP_STAGED)
        raise
    connection.execute(DROP_STAGED)
    return posted


def _post_rows(connection: Connection, market_day: date) -> int:
    posted = connection.execute(INSERT_STAGED_TRANSFERS, {"market_day": market_day}).rowcount
    if posted:  # nobody waits for the rows, which take seconds; from here on others may have to
        beyond = connection.execute(LOCK_STAGED_PLACES, {"most": MAX_AMOUNT}).scalar_one()
        if beyond:
            raise RefusedError(Refused(Reason.QUANTITY_INVALID, f"{beyond} balances more than the ledger can write."))
        connection.execute(CHANGE_STAGED_BALANCES)
        chain.extend_by_rows(connection, market_day)
    return posted


BALANCE = text("SELECT bucket, balance FROM ledger_account WHERE owner = :owner AND asset = :asset ORDER BY bucket")


def balance(connection: Connection, owner: str, asset: str) -> dict[str, int]:
    """Return how much of one asset the owner holds, by bucket; empty where there never was any."""
    return dict(iter(connection.execute(BALANCE, {"owner": owner, "asset": asset})))  # a result has keys() of its own


def balances(connection: Connection, owners: Sequence[str]) -> list[Balance]:
    """Return every balance of the owners, empty ones too."""
    return [Balance(**row) for row in connection.execute(BALANCES, {"owners": list(owners)}).mappings()]


def statement(connection: Connection, owner: str, *, after: tuple[int, int], limit: int) -> list[Booked]:
    """Return the owner's transfers that were booked after the given batch and position, oldest first."""
    page = {"owner": owner, "batch": after[0], "position": after[1], "limit": limit}
    return [Booked(**row) for row in connection.execute(STATEMENT, page).mappings()]


def imbalance(connection: Connection) -> dict[str, int]:
    """Sum all balances of each asset; anything but zero means that something was made from nothing."""
    return {asset: int(total) for asset, total in connection.execute(IMBALANCE)}


def drifted(connection: Connection) -> list[Place]:
    """Return the places whose balance is not what their transfers add up to."""
    return [Place(*row) for row in connection.execute(DRIFTED)]


def verify_chain(connection: Connection, watch: Watch | None = None) -> list[int]:
    """Recompute the hash chain and return the batches that are not as they were booked."""
    return chain.broken_batches(connection, watch)

"""Routes of the ledger as a whole: the seal of a market day."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.responses import Response

from core.api.calls import ByAnyone, Date, StrictRoute
from core.ledger.export import seal_document
from core.ledger.seals import store as seals
from core.refusals import Answer, Reason, Refused

router = APIRouter(route_class=StrictRoute)

Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class DaySeal(BaseModel):
    """What the ledger's hash chain ended with on a day. docs/ledger.md says how to compute it again."""

    day: Annotated[str, Field(examples=["2021-07-16"])]
    number: Annotated[int, Field(description="In the order of sealing, from 1.")]
    first_seq: Annotated[int, Field(description="First batch of the chain that is this seal's.")]
    last_seq: Annotated[int, Field(description="Last one; first_seq - 1 where nothing was booked.")]
    chain_hash: Annotated[Hash, Field(description="Hash of the last batch.")]
    previous: Annotated[Hash, Field(description="Hash of the seal before; zeros for the first.")]
    hash: Annotated[Hash, Field(description="SHA-256 of `seal|day|last_seq|chain_hash|previous` and a line feed.")]
    sealed_at: str
    key_id: Annotated[str | None, Field(description="Name of the key; null where nobody signed.")]
    signature: Annotated[str | None, Field(description="Ed25519 over the bytes of `hash`, in hex.")]
    public_key: Annotated[str | None, Field(description="The key that checks it, 32 bytes in hex.")]


@router.get("/v1/days/{day}/seal", response_model=DaySeal, tags=["days"])
async def day_seal(call: ByAnyone, day: Date) -> Response:
    """Show the seal of the ledger's hash chain for a reported market day."""
    return await call.read(partial(_day_seal, day=day))


def _day_seal(connection: Connection, *, day: date) -> Answer | Refused:
    found = seals.find(connection, day)
    if found is None:
        return Refused(Reason.DAY_UNKNOWN, "It has no seal yet: a day is sealed when it is reported.")
    key = None if found.key_id is None else seals.keys(connection)[found.key_id]
    at = seals.sealed_at(connection, day).isoformat()
    body = seal_document(found) | {"sealed_at": at, "public_key": None if key is None else key.hex()}
    return Answer(200, body)

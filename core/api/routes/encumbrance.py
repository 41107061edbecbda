"""Routes of pledges, judicial freezes and public notices."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from core.api import views
from core.api.bodies import EMITTER, INSTITUTION, Amount, Body, Day, Text
from core.api.calls import After, AfterNumber, ByAnyone, ByMaker, ByProposer, Limit, Number, StrictRoute, ToForesee
from core.api.commands import Command
from core.encumbrance import endings, notices, reading, service

router = APIRouter(route_class=StrictRoute)

PLEDGE = Command(service.propose_pledge, alone=True)
FREEZE = Command(service.propose_freeze, alone=True)
RELEASE = Command(endings.propose_release, alone=True)
REALISE = Command(endings.propose_realisation, alone=True)
DEDUCT = Command(endings.propose_deduction, alone=True)

COURT = "湖北省武汉市中级人民法院"
Name = Annotated[str, Path(pattern="^[A-Z0-9-]{1,40}$", examples=["ENC-00000001"])]


class Pledge(Body):
    """Units or cash that secure a creditor."""

    account: Text = Field(examples=[EMITTER])
    asset: Text = Field(examples=["CEA-2019"], description="CEA-<vintage>, or CNY")
    amount: Amount = Field(examples=[40_000], description="tonnes, or fen")
    creditor: Text = Field(examples=["Example Bank, Wuhan"])
    creditor_account: Text | None = Field(None, examples=[INSTITUTION], description="to which it is realised")
    document: Text = Field(examples=["Pledge contract 2021-17"])
    reference: Text | None = Field(None, examples=["Loan 2021-17"], description="what the creditor calls it")
    from_day: Day | None = Field(None, examples=["2021-07-16"])
    to_day: Day | None = Field(
        None, examples=["2022-07-15"], description="for the record; a pledge ends by document only"
    )


class Freeze(Body):
    """A court's order: an amount of one asset, or everything that the account has and will have."""

    account: Text = Field(examples=[EMITTER])
    asset: Text | None = Field(None, examples=["CEA-2019"])
    amount: Amount | None = Field(None, examples=[40_000], description="may be more than there is: the rest waits")
    everything: Text | None = Field(None, examples=[None], description="in, out or all; then no asset and amount")
    court: Text = Field(examples=[COURT])
    document: Text = Field(examples=["(2021)鄂01执100号"])
    reference: Text | None = Field(None, examples=["2021-100"])
    from_day: Day | None = Field(None, examples=["2021-07-16"])
    to_day: Day | None = Field(None, examples=["2024-07-15"], description="after this day the freeze ends by itself")


class ReleaseEncumbrance(Body):
    """What is given free again, and by which document."""

    document: Text = Field(examples=["Release 2021-3"])
    amount: Amount | None = Field(None, examples=[10_000], description="all that is outstanding when not named")


class Realise(Body):
    """A pledge that goes to its creditor, or by an instruction to somebody else."""

    document: Text = Field(examples=["Enforcement agreement 2021-5"])
    to_account: Text = Field(examples=[INSTITUTION])
    amount: Amount = Field(examples=[10_000])
    instruction: Text | None = Field(None, examples=[None], description="to sell; else only the creditor gets it")


class Deduct(Body):
    """A court's decision that takes out of a freeze exactly what it states."""

    document: Text = Field(examples=["(2021)鄂01执100号之二"])
    to_account: Text = Field(examples=[INSTITUTION])
    amount: Amount = Field(examples=[10_000])
    asset: Text | None = Field(None, examples=[None], description="named where everything is frozen, and only there")


class Encumbrance(BaseModel):
    """A pledge or freeze; its number is its rank."""

    number: str
    kind: str
    account: str
    asset: str | None
    amount: int | None
    everything: str | None
    creditor: str
    creditor_account: str | None
    document: str
    reference: str | None
    from_day: str
    to_day: str | None
    state: str
    held: int
    waiting: int
    released: int
    taken: int


class EncumbranceEvent(BaseModel):
    """Something that happened to an encumbrance."""

    action: str
    asset: str | None
    amount: int
    document: str | None
    actor: str
    detail: dict[str, Any]
    market_day: str


class EncumbranceTold(Encumbrance):
    """An encumbrance and everything that happened to it."""

    events: list[EncumbranceEvent]


class Encumbrances(BaseModel):
    """One page by rank; ``next`` goes into ``after`` for the page that follows."""

    account: str
    encumbrances: list[Encumbrance]
    next: str | None


class Notice(BaseModel):
    """What the registry makes known to everybody."""

    number: int
    market_day: str
    kind: str
    text: str
    facts: dict[str, Any]


class Notices(BaseModel):
    """One page, the newest first; ``next`` goes into ``after`` for the page that follows."""

    notices: list[Notice]
    next: str | None


@router.post("/v1/pledges", status_code=202, response_model=views.Task, tags=["encumbrances"])
async def pledge(call: ByProposer, body: Pledge) -> Response:
    """Pledge units or cash; they are held at once and pledged when the registry's checker approves."""
    return await call.put(PLEDGE, body.plain())


@router.post("/v1/pledges/dry-run", response_model=views.DryRun, tags=["encumbrances"])
async def foresee_pledge(call: ToForesee, body: Pledge) -> Response:
    """Show what a pledge would come to: the same code on the same data, undone."""
    return await call.foresee(lambda connection: service.try_pledge(connection, call.caller, body.plain()))


@router.post("/v1/freezes", status_code=202, response_model=views.Task, tags=["encumbrances"])
async def freeze(call: ByMaker, body: Freeze) -> Response:
    """Carry out a court's freeze; what is there is held at once, what is not waits by rank."""
    return await call.put(FREEZE, body.plain())


@router.post("/v1/freezes/dry-run", response_model=views.DryRun, tags=["encumbrances"])
async def foresee_freeze(call: ToForesee, body: Freeze) -> Response:
    """Show what a freeze would come to: the same code on the same data, undone."""
    return await call.foresee(lambda connection: service.try_freeze(connection, call.caller, body.plain()))


@router.post(
    "/v1/encumbrances/{encumbrance}/release", status_code=202, response_model=views.Task, tags=["encumbrances"]
)
async def release(call: ByProposer, encumbrance: Name, body: ReleaseEncumbrance) -> Response:
    """Give a pledge or a freeze free, as a whole or in part, by the creditor's or the court's document."""
    return await call.put(RELEASE, body.plain(), encumbrance=encumbrance)


@router.post(
    "/v1/encumbrances/{encumbrance}/realise", status_code=202, response_model=views.Task, tags=["encumbrances"]
)
async def realise(call: ByProposer, encumbrance: Name, body: Realise) -> Response:
    """Let a pledge go to its creditor."""
    return await call.put(REALISE, body.plain(), encumbrance=encumbrance)


@router.post("/v1/encumbrances/{encumbrance}/deduct", status_code=202, response_model=views.Task, tags=["encumbrances"])
async def deduct(call: ByMaker, encumbrance: Name, body: Deduct) -> Response:
    """Take out of a freeze what a court's decision states; a public notice follows."""
    return await call.put(DEDUCT, body.plain(), encumbrance=encumbrance)


@router.get("/v1/encumbrances/{encumbrance}", response_model=EncumbranceTold, tags=["encumbrances"])
async def show(call: ByAnyone, encumbrance: Name) -> Response:
    """Show a pledge or freeze and everything that happened to it."""
    return await call.read(lambda connection: reading.get(connection, call.caller, encumbrance))


@router.get("/v1/accounts/{number}/encumbrances", response_model=Encumbrances, tags=["encumbrances"])
async def of_account(call: ByAnyone, number: Number, after: After = "", limit: Limit = 100) -> Response:
    """List what encumbers an account, by rank, with what is over."""
    return await call.read(
        lambda connection: reading.of_account(connection, call.caller, number, after=after, limit=limit)
    )


@router.get("/v1/notices", response_model=Notices, tags=["public"])
async def public_notices(call: ByAnyone, after: AfterNumber = 0, limit: Limit = 100) -> Response:
    """List the registry's public notices, the newest first; no login is needed."""
    return await call.read(lambda connection: notices.page(connection, after=after, limit=limit))


@router.get("/v1/notices/{number}", response_model=Notice, tags=["public"])
async def public_notice(call: ByAnyone, number: Annotated[int, Path(ge=1, le=2**63 - 1)]) -> Response:
    """Show one public notice; no login is needed."""
    return await call.read(lambda connection: notices.get(connection, number))

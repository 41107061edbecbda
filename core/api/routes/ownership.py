"""Routes of voluntary cancellation with its certificates, and of inheritance, merger and split."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from core.api import views
from core.api.bodies import EMITTER, INSTITUTION, Amount, Body, Text
from core.api.calls import After, ByAnyone, ByProposer, Limit, Number, StrictRoute, ToForesee
from core.api.commands import Command
from core.ownership import cancellations, successions

router = APIRouter(route_class=StrictRoute)

CANCEL = Command(cancellations.propose, alone=True)
SUCCEED = Command(successions.propose, alone=True)

CertificateName = Annotated[str, Path(pattern="^[A-Z0-9-]{1,40}$", examples=["VC-00000001"])]
SuccessionName = Annotated[str, Path(pattern="^[A-Z0-9-]{1,40}$", examples=["SUC-00000001"])]


class Cancel(Body):
    """Units that are given up for good."""

    account: Text = Field(examples=[EMITTER])
    product: Text = Field(examples=["CEA-2019"])
    tonnes: Amount = Field(examples=[100])
    beneficiary: Text = Field(examples=["2022 Wuhan Marathon"], description="for whom or what")
    reason: Text = Field(examples=["Carbon neutral event"])


class HoldingLine(Body):
    """An amount that is free; what is encumbered goes with its encumbrance."""

    asset: Text = Field(examples=["CEA-2019"], description="CEA-<vintage>, or CNY")
    amount: Amount = Field(examples=[60_000])


class SuccessionPart(Body):
    """What one successor gets."""

    account: Text = Field(examples=[INSTITUTION])
    holdings: list[HoldingLine] = Field([], max_length=200)
    encumbrances: list[Text] = Field([], max_length=200, examples=[["ENC-00000001"]])


class Succeed(Body):
    """Who comes after whom: a merger names into_account; a split or inheritance names parts."""

    kind: Text = Field(examples=["merger"], description="merger, split or inheritance")
    account: Text = Field(examples=[EMITTER])
    into_account: Text | None = Field(None, examples=[INSTITUTION])
    parts: list[SuccessionPart] | None = Field(None, max_length=100, examples=[None])
    closes: bool | None = Field(None, examples=[None], description="a split that leaves nothing; others always close")
    document: Text = Field(examples=["Merger contract 2021-9, registered 2021-07-12"])

    def plain(self) -> dict[str, Any]:
        """Return what was sent; what was named as nothing was not named."""
        return self.model_dump(mode="json", exclude_unset=True, exclude_none=True)


class Certificate(BaseModel):
    """A voluntary cancellation; sha256 is of the bytes of document, which anybody can check."""

    number: str
    certificate: dict[str, Any]
    document: str
    sha256: str
    text: str


class Certificates(BaseModel):
    """One page, oldest first; ``next`` goes into ``after`` for the page that follows."""

    account: str
    certificates: list[Certificate]
    next: str | None


class Succession(BaseModel):
    """A succession that was carried out."""

    number: str
    kind: str
    account: str
    document: str
    movements: list[dict[str, Any]]
    encumbrances: list[dict[str, Any]]
    closed: bool
    market_day: str


@router.post("/v1/cancellations", status_code=202, response_model=views.Task, tags=["ownership"])
async def cancel(call: ByProposer, body: Cancel) -> Response:
    """Give units up for good; they are held at once, and gone with a certificate on approval."""
    return await call.put(CANCEL, body.plain())


@router.post("/v1/cancellations/dry-run", response_model=views.DryRun, tags=["ownership"])
async def foresee_cancellation(call: ToForesee, body: Cancel) -> Response:
    """Show what giving units up would come to; the certificate is that of the dry run, and nothing is kept."""
    return await call.foresee(lambda connection: cancellations.dry_run(connection, call.caller, body.plain()))


@router.get("/v1/certificates/{number}", response_model=Certificate, tags=["public"])
async def certificate(call: ByAnyone, number: CertificateName) -> Response:
    """Show the certificate of a voluntary cancellation; no login is needed."""
    return await call.read(lambda connection: cancellations.show(connection, number))


@router.get("/v1/accounts/{number}/certificates", response_model=Certificates, tags=["ownership"])
async def certificates(call: ByAnyone, number: Number, after: After = "", limit: Limit = 100) -> Response:
    """List the certificates of an account's voluntary cancellations."""
    return await call.read(
        lambda connection: cancellations.of_account(connection, call.caller, number, after=after, limit=limit)
    )


@router.post("/v1/successions", status_code=202, response_model=views.Task, tags=["ownership"])
async def succeed(call: ByProposer, body: Succeed) -> Response:
    """Propose a merger, split or inheritance; two of the authority's people decide, then all of it happens at once."""
    return await call.put(SUCCEED, body.plain())


@router.post("/v1/successions/dry-run", response_model=views.DryRun, tags=["ownership"])
async def foresee(call: ToForesee, body: Succeed) -> Response:
    """Show what the same body would do if it were proposed and approved now; nothing is kept."""
    return await call.foresee(lambda connection: successions.try_out(connection, call.caller, body.plain()))


@router.get("/v1/successions/{number}", response_model=Succession, tags=["ownership"])
async def succession(call: ByAnyone, number: SuccessionName) -> Response:
    """Show a succession that was carried out."""
    return await call.read(lambda connection: successions.get(connection, call.caller, number))

"""What callers send: the form of each body. What its values must satisfy, the rules of its subject say."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

EMITTER, INSTITUTION = "E42-00001001-60", "I31-00001002-08"
"""Numbers for examples."""


def _iso_date(value: object) -> date:
    if not isinstance(value, str) or len(value) != 10:
        raise ValueError("a date is written YYYY-MM-DD")
    return date.fromisoformat(value)


def _iso_moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("a moment is written in ISO 8601")  # noqa: TRY004  # pydantic reports ValueError only
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None or not 2000 <= moment.year < 2100:
        raise ValueError("a moment carries its offset and lies in this century")
    return moment


Day = Annotated[date, BeforeValidator(_iso_date)]
Moment = Annotated[datetime, BeforeValidator(_iso_moment)]
Text = Annotated[str, StringConstraints(max_length=500)]
Amount = Annotated[int, Field(json_schema_extra={"minimum": 1, "maximum": 2**63 - 1})]
"""Whole tonnes or whole fen; the ledger's rules judge the range, with a code of their own."""


class Body(BaseModel):
    """Strict: no conversion, no unknown names."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    def plain(self) -> dict[str, Any]:
        """Return what was sent as plain JSON, nothing added."""
        return self.model_dump(mode="json", exclude_unset=True)


class OpenAccount(Body):
    """An application for a registration account."""

    name: Text = Field(examples=["Example Power Company"])
    kind: Text = Field(examples=["E"], description="E key emitter, I institution, P person")
    province: Text = Field(examples=["42"], description="two digits by GB/T 2260")
    credit_code: Text | None = Field(None, examples=["91420000MA4KEXAMPL"], description="unified social credit code")
    bank: Text = Field("B001", description="settlement bank")


class OpenAccounts(Body):
    """Many applications, decided as one."""

    accounts: list[OpenAccount] = Field(min_length=1, max_length=20_000)


class MoveFreely(Body):
    """A transfer between two owners; the market has none, the playground does."""

    from_account: Text = Field(examples=[EMITTER])
    to_account: Text = Field(examples=[INSTITUTION])
    asset: Text = Field(examples=["CEA-2019"], description="CEA-<vintage>, or CNY")
    amount: Amount = Field(examples=[100], description="tonnes, or fen")


class Surrender(Body):
    """Units handed in for a compliance year."""

    account: Text = Field(examples=[EMITTER])
    product: Text = Field(examples=["CEA-2019"])
    tonnes: Amount = Field(examples=[90_000])
    year: int = Field(ge=2000, le=2099, examples=[2020])


class DepositLine(Body):
    """Cash that came in for one account."""

    account: Text = Field(examples=[EMITTER])
    amount_fen: Amount = Field(examples=[500_000_000])


class Deposits(Body):
    """A bank's notice of credit."""

    bank: Text = Field(examples=["B001"])
    message_id: Text = Field(examples=["CRED-20210716-1"])
    entries: list[DepositLine] = Field(max_length=20_000)


class Reject(Body):
    """Why a proposal is turned down."""

    reason: Text = Field(examples=["Wrong credit code"])


class MoveClock(Body):
    """Business time."""

    now: Moment = Field(examples=["2021-07-16T09:30:00+08:00"])


class OpenDay(Body):
    """A market day to open; the running totals are those before it."""

    day: Day = Field(examples=["2021-07-16"])
    products: dict[Text, Amount] = Field(
        default_factory=dict,
        min_length=1,
        max_length=100,
        examples=[{"CEA-2019": 4800}],
        description="previous close of each, in fen; left out, those in force on the day start from their last close",
    )
    cumulative_t: int = Field(ge=0, le=2**63 - 1, examples=[0])
    cumulative_fen: int = Field(ge=0, lt=10**30, examples=[0])


class Beat(Body):
    """The probe's newest number."""

    probe: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Field(examples=["outside-1"])
    n: int = Field(ge=0, le=2**63 - 1, examples=[42])


class Nothing(Body):
    """An empty object, or no body at all."""

"""Routes of registration accounts: apply, review, find."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.responses import Response

from core.accounts import service as accounts
from core.accounts.documents import service as documents
from core.accounts.files import service as files
from core.accounts.files.rules import OPTIONAL, File, read_file
from core.api import bodies, csv_body, etag, views
from core.api.calls import After, ByAnyone, ByChecker, ByMaker, Limit, Number, StrictRoute
from core.api.commands import Command
from core.callers import Caller
from core.refusals import Answer, Refused, RefusedError

router = APIRouter(route_class=StrictRoute)


class Contact(bodies.Body):
    """How to reach a subject."""

    person: bodies.Text | None = Field(None, examples=["Wang Fang"])
    phone: bodies.Text | None = Field(None, examples=["+86 27 5555 0100"])
    email: bodies.Text | None = Field(None, examples=["allowances@example.invalid"])
    address: bodies.Text | None = Field(None, examples=["1 Example Road, Wuhan"])


class Document(bodies.Body):
    """A document as handed in; its file is kept elsewhere, under its hash."""

    kind: bodies.Text = Field(examples=["licence"], description="licence, identity, authorisation, bank_account, other")
    reference: bodies.Text = Field(examples=["Business licence 2021-0815"])
    sha256: bodies.Text = Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    received: bodies.Text = Field(examples=["2021-07-01"], description="YYYY-MM-DD")


class OpenAccountWithDocuments(bodies.OpenAccount):
    """An application, with the documents that came along."""

    sector: bodies.Text | None = Field(None, examples=["power"], description="of a key emitter")
    contact: Contact | None = None
    documents: list[Document] | None = Field(None, max_length=50, description="a reviewer must confirm them")


class ReviewDocuments(bodies.Body):
    """What a reviewer confirms: every document of the list, by its hash."""

    documents: list[bodies.Text] = Field(
        max_length=50, examples=[["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]]
    )
    remarks: bodies.Text | None = Field(None, examples=["Original seen"])


class ListedDocument(BaseModel):
    """A document as listed."""

    kind: str
    reference: str
    sha256: str
    received: str


class Review(BaseModel):
    """Who confirmed the list."""

    reviewer: str
    remarks: str
    at: str


class Documents(BaseModel):
    """An application's documents, what to look at twice, and the review once there is one."""

    account: str
    documents: list[ListedDocument]
    doubts: list[str]
    review: Review | None


def _propose_file(connection: Connection, caller: Caller, _body: Mapping[str, Any], *, file: File) -> Answer | Refused:
    return files.propose(connection, caller, file)


OPEN_ACCOUNT = Command(accounts.propose_opening)
OPEN_ACCOUNTS = Command(accounts.propose_openings, alone=True)
REVIEW = Command(documents.review)


@router.post("/v1/accounts", status_code=202, response_model=views.Task, tags=["accounts"])
async def open_account(call: ByMaker, body: OpenAccountWithDocuments) -> Response:
    """Apply for an account; a second person opens it.

    With ``documents``, a reviewer confirms their list first (/v1/accounts/{number}/documents/review).
    """
    return await call.put(OPEN_ACCOUNT, _plain(body))


def _plain(body: OpenAccountWithDocuments) -> dict[str, Any]:
    """Leave out what of the contact was sent as null: it says nothing."""
    sent = body.plain()
    contact = sent.get("contact")
    if contact is not None:
        sent["contact"] = {name: value for name, value in contact.items() if value is not None}
    return sent


@router.post("/v1/account-batches", status_code=202, response_model=views.Task, tags=["accounts"])
async def open_accounts(call: ByMaker, body: bodies.OpenAccounts) -> Response:
    """Apply for many accounts at once: all or none."""
    return await call.put(OPEN_ACCOUNTS, body.plain())


FILE_BODY = csv_body.described(
    ("name", "kind", "province"),
    OPTIONAL,
    example="name,kind,province,credit_code,sector\nExample Power Company,E,42,91420000MA4KEXAMPL,power\n",
    limits="At most 60,000 lines and 100 MiB.",
)


@router.post("/v1/accounts/csv", status_code=202, response_model=views.Task, tags=["accounts"], openapi_extra=FILE_BODY)
async def open_account_file(call: ByMaker, request: Request) -> Response:
    """Apply for up to 60,000 accounts with one CSV file: all or none; every wrong line is named, with its column.

    The SHA-256 of the file makes a good Idempotency-Key: the same file twice is then the same answer.
    """
    encoding = csv_body.encoding_of(request)
    content = await request.body()
    read = await asyncio.to_thread(read_file, content, encoding=encoding)  # a second of work: others are served
    if isinstance(read, Refused):
        raise RefusedError(read)
    command = Command(partial(_propose_file, file=read), alone=True)
    return await call.put(command, {"sha256": read.sha256, "charset": encoding})


@router.get("/v1/accounts", response_model=views.Accounts, responses=etag.NOT_MODIFIED, tags=["accounts"])
async def list_accounts(  # noqa: PLR0913  # each parameter is one filter of the query
    *,
    call: ByAnyone,
    q: Annotated[str, Query(max_length=100, description="part of a name, credit code or number")] = "",
    state: Annotated[str, Query(pattern="^[A-Z_]{0,30}$", examples=["OPEN"])] = "",
    kind: Annotated[str, Query(pattern="^[EIP]?$", examples=["E"])] = "",
    province: Annotated[str, Query(pattern="^([0-9]{2})?$", description="as in the number", examples=["42"])] = "",
    sector: Annotated[str, Query(pattern="^[a-z0-9_]{0,32}$", examples=["power"])] = "",
    after: After = "",
    limit: Limit = 100,
    if_none_match: etag.IfNoneMatch = None,
) -> Response:
    """Find accounts, in order of their numbers."""
    page: dict[str, str | int] = {"q": q, "state": state, "kind": kind, "province": province, "sector": sector}
    page |= {"after": after, "limit": limit}
    return await etag.read(call, lambda c: accounts.list_accounts(c, call.caller, page), if_none_match)


@router.get("/v1/accounts/{number}", response_model=views.Account, responses=etag.NOT_MODIFIED, tags=["accounts"])
async def account(call: ByAnyone, number: Number, if_none_match: etag.IfNoneMatch = None) -> Response:
    """Show one account."""
    return await etag.read(call, lambda c: accounts.get(c, call.caller, number), if_none_match)


@router.get("/v1/accounts/{number}/documents", response_model=Documents, responses=etag.NOT_MODIFIED, tags=["accounts"])
async def show_documents(call: ByAnyone, number: Number, if_none_match: etag.IfNoneMatch = None) -> Response:
    """Show the documents of an application, what to look at twice, and who reviewed them."""
    return await etag.read(call, lambda c: documents.show(c, call.caller, number), if_none_match)


@router.post("/v1/accounts/{number}/documents/review", response_model=Documents, tags=["accounts"])
async def review_documents(call: ByChecker, number: Number, body: ReviewDocuments) -> Response:
    """Confirm, as another person than the proposer, that every document of the list is there and right."""
    return await call.put(REVIEW, body.plain(), account=number)

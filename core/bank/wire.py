"""Four ISO 20022 messages, to and from bytes: payment order, its status, account statement, credit notice.

Small subsets of pain.001.001.09, pain.002.001.10, camt.053.001.08 and camt.054.001.08: every element is where the
published schema has it, none is invented. Amounts are integer fen here and yuan with two decimals on the wire.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from core.quantities import CASH, fen_of_yuan, yuan_of_fen

PAIN_001 = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
PAIN_002 = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"
CAMT_053 = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
CAMT_054 = "urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"
CONTENT_TYPE = "application/xml"

ACCEPTED, REJECTED, TECHNICALLY_VALID = "ACCP", "RJCT", "ACTC"
"""ISO's words for: accepted and held; refused; in order by itself, but its group was refused."""

ID_LENGTH_MAX = 35
"""ISO's Max35Text, which bounds every identification."""


class WireError(ValueError):
    """The bytes are not the message they should be; the text says where."""


@dataclass(frozen=True, slots=True)
class Movement:
    """What an account's cash changes by, net, on a day: below zero it pays, above it receives."""

    account: str
    amount_fen: int


@dataclass(frozen=True, slots=True)
class PaymentOrder:
    """pain.001: the net movements of a day that one bank shall hold."""

    message_id: str
    created_at: datetime
    day: date
    bank: str
    movements: tuple[Movement, ...]

    @property
    def control_sum_fen(self) -> int:
        """The sum of all amounts, whichever way they go."""
        return sum(abs(movement.amount_fen) for movement in self.movements)


@dataclass(frozen=True, slots=True)
class Status:
    """What became of one account's movement."""

    account: str
    status: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StatusReport:
    """pain.002: the bank's answer, with the count and sum it worked out itself."""

    message_id: str
    created_at: datetime
    original_id: str
    transactions: int
    control_sum_fen: int
    group: str
    statuses: tuple[Status, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """camt.053: what the special account and each of its sub-ledgers held at the end of a day."""

    message_id: str
    created_at: datetime
    day: date
    bank: str
    total_fen: int
    balances: dict[str, int]


@dataclass(frozen=True, slots=True)
class CreditNotice:
    """camt.054: money that came in for accounts."""

    message_id: str
    created_at: datetime
    bank: str
    entries: tuple[Movement, ...]

    def body(self) -> dict[str, Any]:
        """Return the same notice as the JSON form that the API takes too."""
        entries = [{"account": entry.account, "amount_fen": entry.amount_fen} for entry in self.entries]
        return {"bank": self.bank, "message_id": self.message_id, "entries": entries}


# ---------------------------------------------------------------------------------------------- writing


def _document(namespace: str, name: str) -> tuple[Element, Element]:
    document = Element("Document", xmlns=namespace)
    return document, SubElement(document, name)


def _put(parent: Element, path: str, text: str | None = None, **attributes: str) -> Element:
    """Append a new chain of elements and return the last one."""
    for name in path.split("/"):
        parent = SubElement(parent, name)
    parent.text = text
    parent.attrib.update(attributes)
    return parent


def _bytes(document: Element) -> bytes:
    content: bytes = tostring(document, encoding="utf-8", xml_declaration=True)
    return content


def _special_account(bank: str) -> str:
    return f"SETTLEMENT-{bank}"


def _payment(order: PaymentOrder, parent: Element, *, name: str, debtor: str, transactions: Sequence[Movement]) -> None:
    payment = _put(parent, "PmtInf")
    _put(payment, "PmtInfId", name)
    _put(payment, "PmtMtd", "TRF")
    _put(payment, "ReqdExctnDt/Dt", order.day.isoformat())
    _put(payment, "Dbtr/Nm", debtor)
    _put(payment, "DbtrAcct/Id/Othr/Id", debtor)
    _put(payment, "DbtrAgt/FinInstnId/Othr/Id", order.bank)
    for movement in transactions:
        creditor = movement.account if movement.amount_fen > 0 else _special_account(order.bank)
        transaction = _put(payment, "CdtTrfTxInf")
        _put(transaction, "PmtId/EndToEndId", movement.account)
        _put(transaction, "Amt/InstdAmt", yuan_of_fen(abs(movement.amount_fen)), Ccy=CASH)
        _put(transaction, "Cdtr/Nm", creditor)
        _put(transaction, "CdtrAcct/Id/Othr/Id", creditor)


def write_pain001(order: PaymentOrder) -> bytes:
    """Write a payment order: each payer pays into the special account, which pays every receiver."""
    special = _special_account(order.bank)
    document, root = _document(PAIN_001, "CstmrCdtTrfInitn")
    header = _put(root, "GrpHdr")
    _put(header, "MsgId", order.message_id)
    _put(header, "CreDtTm", order.created_at.isoformat())
    _put(header, "NbOfTxs", str(len(order.movements)))
    _put(header, "CtrlSum", yuan_of_fen(order.control_sum_fen))
    _put(header, "InitgPty/Nm", "REGISTRY")
    for movement in order.movements:
        if movement.amount_fen < 0:
            _payment(order, root, name=f"PAY-{movement.account}", debtor=movement.account, transactions=[movement])
    receivers = [movement for movement in order.movements if movement.amount_fen > 0]
    if receivers:
        _payment(order, root, name="RECEIVE", debtor=special, transactions=receivers)
    return _bytes(document)


def write_pain002(report: StatusReport) -> bytes:
    """Write the status of a payment order and of each of its transactions."""
    document, root = _document(PAIN_002, "CstmrPmtStsRpt")
    header = _put(root, "GrpHdr")
    _put(header, "MsgId", report.message_id)
    _put(header, "CreDtTm", report.created_at.isoformat())
    group = _put(root, "OrgnlGrpInfAndSts")
    _put(group, "OrgnlMsgId", report.original_id)
    _put(group, "OrgnlMsgNmId", "pain.001.001.09")
    _put(group, "OrgnlNbOfTxs", str(report.transactions))
    _put(group, "OrgnlCtrlSum", yuan_of_fen(report.control_sum_fen))
    _put(group, "GrpSts", report.group)
    for status in report.statuses:
        payment = _put(root, "OrgnlPmtInfAndSts")
        _put(payment, "OrgnlPmtInfId", status.account)
        transaction = _put(payment, "TxInfAndSts")
        _put(transaction, "OrgnlEndToEndId", status.account)
        _put(transaction, "TxSts", status.status)
        if status.reason:
            _put(transaction, "StsRsnInf/Rsn/Cd", status.reason)
    return _bytes(document)


def write_camt053(statement: Statement) -> bytes:
    """Write the closing booked balance of the special account and of every sub-ledger, one statement each."""
    document, root = _document(CAMT_053, "BkToCstmrStmt")
    header = _put(root, "GrpHdr")
    _put(header, "MsgId", statement.message_id)
    _put(header, "CreDtTm", statement.created_at.isoformat())
    special = (_special_account(statement.bank), statement.total_fen)
    for account, fen in (special, *sorted(statement.balances.items())):
        part = _put(root, "Stmt")
        _put(part, "Id", account)
        holder = _put(part, "Acct")
        _put(holder, "Id/Othr/Id", account)
        _put(holder, "Svcr/FinInstnId/Othr/Id", statement.bank)
        balance = _put(part, "Bal")
        _put(balance, "Tp/CdOrPrtry/Cd", "CLBD")
        _put(balance, "Amt", yuan_of_fen(abs(fen)), Ccy=CASH)
        _put(balance, "CdtDbtInd", "CRDT" if fen >= 0 else "DBIT")
        _put(balance, "Dt/Dt", statement.day.isoformat())
    return _bytes(document)


def write_camt054(notice: CreditNotice) -> bytes:
    """Write a notice of credits to sub-ledgers of the special account."""
    document, root = _document(CAMT_054, "BkToCstmrDbtCdtNtfctn")
    header = _put(root, "GrpHdr")
    _put(header, "MsgId", notice.message_id)
    _put(header, "CreDtTm", notice.created_at.isoformat())
    part = _put(root, "Ntfctn")
    _put(part, "Id", notice.message_id)
    holder = _put(part, "Acct")
    _put(holder, "Id/Othr/Id", _special_account(notice.bank))
    _put(holder, "Svcr/FinInstnId/Othr/Id", notice.bank)
    for line, credit in enumerate(notice.entries, start=1):
        entry = _put(part, "Ntry")
        _put(entry, "NtryRef", str(line))
        _put(entry, "Amt", yuan_of_fen(credit.amount_fen), Ccy=CASH)
        _put(entry, "CdtDbtInd", "CRDT")
        _put(entry, "Sts/Cd", "BOOK")
        _put(entry, "BkTxCd/Domn/Cd", "PMNT")
        _put(entry, "NtryDtls/TxDtls/RltdPties/CdtrAcct/Id/Othr/Id", credit.account)
    return _bytes(document)


# ---------------------------------------------------------------------------------------------- reading


def _open(content: bytes, namespace: str, name: str) -> Element:
    try:
        document: Element = fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise WireError(f"not well-formed XML, or XML that hides something: {error}") from error
    root = document.find(f"{{{namespace}}}{name}")
    if document.tag != f"{{{namespace}}}Document" or root is None:
        raise WireError(f"the message is no {namespace.rpartition(':')[2]} {name}")
    return root


def _path(element: Element, path: str) -> str:
    namespace = element.tag.partition("}")[0] + "}"
    return "/".join(namespace + name for name in path.split("/"))


def _all(element: Element, path: str) -> Iterator[Element]:
    yield from element.iterfind(_path(element, path))


def _text(element: Element, path: str) -> str:
    found = element.findtext(_path(element, path))
    if found is None or not found.strip():
        raise WireError(f"{path} is missing")
    return found.strip()


def _id(element: Element, path: str) -> str:
    text = _text(element, path)
    if len(text) > ID_LENGTH_MAX:
        raise WireError(f"{path} is longer than {ID_LENGTH_MAX} characters")
    return text


def _fen(element: Element, path: str) -> int:
    found = element.find(_path(element, path))
    currency = None if found is None else found.get("Ccy")
    if currency not in (None, CASH):
        raise WireError(f"{path} is in {currency}, only {CASH} is settled here")
    try:
        fen = fen_of_yuan(_text(element, path))
    except ValueError as error:
        raise WireError(f"{path}: {error}") from error
    if fen < 0:
        raise WireError(f"{path} is below zero; the direction has an element of its own")
    return fen


def _count(element: Element, path: str) -> int:
    text = _text(element, path)
    if not (text.isascii() and text.isdigit()):
        raise WireError(f"{path} is no number: {text!r}")
    return int(text)


def _date(element: Element, path: str) -> date:
    try:
        return date.fromisoformat(_text(element, path))
    except ValueError as error:
        raise WireError(f"{path}: {error}") from error


def _moment(element: Element, path: str) -> datetime:
    try:
        return datetime.fromisoformat(_text(element, path))
    except ValueError as error:
        raise WireError(f"{path}: {error}") from error


def parse_pain001(content: bytes) -> PaymentOrder:
    """Read a payment order; WireError where its own count or sum does not hold."""
    root = _open(content, PAIN_001, "CstmrCdtTrfInitn")
    movements, banks, days = [], set(), set()
    for payment in _all(root, "PmtInf"):
        bank, debtor = _id(payment, "DbtrAgt/FinInstnId/Othr/Id"), _id(payment, "DbtrAcct/Id/Othr/Id")
        banks.add(bank)
        days.add(_date(payment, "ReqdExctnDt/Dt"))
        for transaction in _all(payment, "CdtTrfTxInf"):
            fen, creditor = _fen(transaction, "Amt/InstdAmt"), _id(transaction, "CdtrAcct/Id/Othr/Id")
            pays = debtor != _special_account(bank)
            movements.append(Movement(debtor, -fen) if pays else Movement(creditor, fen))
    if len(banks) != 1 or len(days) != 1:
        raise WireError("a payment order names one bank and one day")
    moment = _moment(root, "GrpHdr/CreDtTm")
    order = PaymentOrder(_id(root, "GrpHdr/MsgId"), moment, days.pop(), banks.pop(), tuple(movements))
    if _count(root, "GrpHdr/NbOfTxs") != len(movements):
        raise WireError("NbOfTxs is not the number of transactions")
    if _fen(root, "GrpHdr/CtrlSum") != order.control_sum_fen:
        raise WireError("CtrlSum is not the sum of the amounts")
    return order


def parse_pain002(content: bytes) -> StatusReport:
    """Read the status of a payment order."""
    root = _open(content, PAIN_002, "CstmrPmtStsRpt")
    statuses = [
        Status(
            _id(transaction, "OrgnlEndToEndId"),
            _text(transaction, "TxSts"),
            (transaction.findtext(_path(transaction, "StsRsnInf/Rsn/Cd")) or "").strip(),
        )
        for transaction in _all(root, "OrgnlPmtInfAndSts/TxInfAndSts")
    ]
    return StatusReport(
        message_id=_id(root, "GrpHdr/MsgId"),
        created_at=_moment(root, "GrpHdr/CreDtTm"),
        original_id=_id(root, "OrgnlGrpInfAndSts/OrgnlMsgId"),
        transactions=_count(root, "OrgnlGrpInfAndSts/OrgnlNbOfTxs"),
        control_sum_fen=_fen(root, "OrgnlGrpInfAndSts/OrgnlCtrlSum"),
        group=_text(root, "OrgnlGrpInfAndSts/GrpSts"),
        statuses=tuple(statuses),
    )


def parse_camt053(content: bytes) -> Statement:
    """Read closing balances; WireError where days, banks or accounts contradict each other.

    Whether the sub-ledgers add up to the special account is for the reader of the statement to check.
    """
    root = _open(content, CAMT_053, "BkToCstmrStmt")
    balances: dict[str, int] = {}
    banks, days = set(), set()
    for part in _all(root, "Stmt"):
        account = _id(part, "Acct/Id/Othr/Id")
        if account in balances:
            raise WireError(f"account {account} has two statements")
        banks.add(_id(part, "Acct/Svcr/FinInstnId/Othr/Id"))
        days.add(_date(part, "Bal/Dt/Dt"))
        sign = -1 if _text(part, "Bal/CdtDbtInd") == "DBIT" else 1
        balances[account] = sign * _fen(part, "Bal/Amt")
    if len(banks) != 1 or len(days) != 1:
        raise WireError("a statement names one bank and one day")
    bank = banks.pop()
    if _special_account(bank) not in balances:
        raise WireError("the special account has no statement")
    total_fen = balances.pop(_special_account(bank))
    moment = _moment(root, "GrpHdr/CreDtTm")
    return Statement(_id(root, "GrpHdr/MsgId"), moment, days.pop(), bank, total_fen, balances)


def parse_camt054(content: bytes) -> CreditNotice:
    """Read a notice of credits; WireError for anything but booked credits in one bank."""
    root = _open(content, CAMT_054, "BkToCstmrDbtCdtNtfctn")
    entries: list[Movement] = []
    for entry in _all(root, "Ntfctn/Ntry"):
        if _text(entry, "CdtDbtInd") != "CRDT" or _text(entry, "Sts/Cd") != "BOOK":
            raise WireError(f"entry {len(entries) + 1} is no booked credit")
        account = _id(entry, "NtryDtls/TxDtls/RltdPties/CdtrAcct/Id/Othr/Id")
        entries.append(Movement(account, _fen(entry, "Amt")))
    return CreditNotice(
        message_id=_id(root, "GrpHdr/MsgId"),
        created_at=_moment(root, "GrpHdr/CreDtTm"),
        bank=_id(root, "Ntfctn/Acct/Svcr/FinInstnId/Othr/Id"),
        entries=tuple(entries),
    )

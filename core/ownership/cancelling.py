"""What a voluntary cancellation must satisfy, and the certificate that it ends in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from core.accounts.rules import Account, Side, is_registry, refuse_source, vintage_of
from core.ledger.rules import fits, is_amount
from core.quantities import SerialRange
from core.refusals import Reason, Refused
from core.texts import is_plain_text

_NAME = "VC-"


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Units that a holder gives up for good; the quantity is not judged yet."""

    account: str
    product: str
    tonnes: Any
    beneficiary: str
    reason: str


def read_cancellation(body: Mapping[str, Any]) -> Cancellation | Refused:
    """Read a cancellation as proposed, or as a task kept it."""
    account, product = body.get("account"), body.get("product")
    beneficiary, reason = body.get("beneficiary"), body.get("reason")
    if not (is_plain_text(account, 40) and is_plain_text(product, 40)):
        return Refused(Reason.MALFORMED, "account and product are texts.")
    if not is_plain_text(beneficiary):
        return Refused(Reason.MALFORMED, "beneficiary: for whom or what the units are given up.")
    if not is_plain_text(reason, 500):
        return Refused(Reason.MALFORMED, "reason: say in words why.")
    return Cancellation(account, product, body.get("tonnes"), beneficiary, reason)


def decide(asked: Cancellation, *, source: Side, locked: int, trading: bool, known_product: bool) -> int | Refused:
    """Return the tonnes to hold for cancellation, or the first reason why not; ``source`` has what is free."""
    refused = refuse_source(asked.account, source.account, with_exchange=trading)
    if refused is not None:
        return refused
    if is_registry(asked.account):
        return Refused(Reason.ACCOUNT_KIND, "The registry's own accounts give nothing up.")
    if not is_amount(asked.tonnes) or not fits(locked, asked.tonnes):
        return Refused(Reason.QUANTITY_INVALID)
    if vintage_of(asked.product) is None or not known_product:
        return Refused(Reason.PRODUCT_UNKNOWN)
    if asked.tonnes > source.balance:
        return Refused(Reason.INSUFFICIENT_UNITS, f"Free: {source.balance}.")
    return asked.tonnes


@dataclass(frozen=True, slots=True)
class Certificate:
    """A cancellation that was carried out; its document is canonical JSON, and the hash is of exactly these bytes."""

    number: int
    document: str

    @property
    def sha256(self) -> str:
        """The hash that anybody can compute again."""
        return hashlib.sha256(self.document.encode()).hexdigest()

    @property
    def body(self) -> dict[str, Any]:
        """The certificate as anybody reads it."""
        facts = json.loads(self.document)
        return {
            "number": name_of(self.number),
            "certificate": facts,
            "document": self.document,
            "sha256": self.sha256,
            "text": text_of(facts, self.sha256),
        }


def certify(
    number: int, asked: Cancellation, *, holder: Account, tonnes: int, serials: Sequence[SerialRange], day: date
) -> Certificate:
    """Word the certificate. A person's name is nobody's business: then the account number stands alone."""
    facts = {
        "certificate": name_of(number),
        "account": asked.account,
        "holder": holder.name if holder.kind != "P" else None,
        "product": asked.product,
        "tonnes": tonnes,
        "serials": [str(block) for block in serials],
        "beneficiary": asked.beneficiary,
        "reason": asked.reason,
        "cancelled_on": day.isoformat(),
    }
    return Certificate(number, canonical(facts))


def canonical(facts: Mapping[str, Any]) -> str:
    """Write JSON in the one form that is hashed: names in order, no spaces, characters as they are."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def text_of(facts: Mapping[str, Any], sha256: str) -> str:
    """Print a certificate."""
    holder = f"{facts['holder']}（{facts['account']}）" if facts["holder"] else facts["account"]
    return (
        "碳排放配额自愿注销证明\n"
        f"证书编号：{facts['certificate']}\n"
        f"登记主体：{holder}\n"
        f"配额：{facts['product']}　{facts['tonnes']:,}吨\n"
        f"序列号：{'、'.join(facts['serials'])}\n"
        f"受益人：{facts['beneficiary']}\n"
        f"注销原因：{facts['reason']}\n"
        f"注销日期：{facts['cancelled_on']}\n"
        f"SHA-256：{sha256}\n"
    )


def name_of(number: int) -> str:
    """Write a certificate's number as people see it."""
    return f"{_NAME}{number:08d}"


def number_of(name: str) -> int | None:
    """Read ``VC-<eight digits>``; None when it is none."""
    digits = name.removeprefix(_NAME)
    if digits == name or not (digits.isascii() and digits.isdigit() and 8 <= len(digits) <= 18):
        return None
    return int(digits)


def faults_of(said: Mapping[str, Any]) -> list[str]:
    """Check a certificate with nothing but itself: the hash is of the document, and the document says what is shown."""
    document = said.get("document")
    if not isinstance(document, str):
        return ["It has no document."]
    faults = []
    if hashlib.sha256(document.encode()).hexdigest() != said.get("sha256"):
        faults.append("The hash is not the document's.")
    try:
        facts = json.loads(document)
    except ValueError:
        return [*faults, "The document is no JSON."]
    if facts != said.get("certificate"):
        faults.append("What is shown is not what the document says.")
    if not isinstance(facts, dict) or canonical(facts) != document:
        faults.append("The document is not in its canonical form.")
    elif facts.get("certificate") != said.get("number"):
        faults.append("The document is of another number.")
    return faults

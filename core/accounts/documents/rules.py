"""What a list of documents must say, and when its review is complete."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from core.refusals import Reason, Refused
from core.texts import is_plain_text

DOCUMENTS_MAX = 50
KINDS = ("licence", "identity", "authorisation", "bank_account", "other")
"""What is handed in with an application; the paper itself is kept outside, under its hash."""

_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Document:
    """One document as listed: what it is, how its issuer calls it, what its file hashes to, when it came."""

    kind: str
    reference: str
    sha256: str
    received: date

    @property
    def body(self) -> dict[str, Any]:
        """The document as callers read it."""
        return {
            "kind": self.kind,
            "reference": self.reference,
            "sha256": self.sha256,
            "received": self.received.isoformat(),
        }


def read_documents(listed: object, *, today: date) -> list[Document] | Refused:
    """Read the list of an application; None is an application without one."""
    if listed is None:
        return []
    if not isinstance(listed, list) or len(listed) > DOCUMENTS_MAX:
        return Refused(Reason.MALFORMED, f"documents: a list of at most {DOCUMENTS_MAX}.")
    found = [_read(one, place, today=today) for place, one in enumerate(listed, start=1)]
    wrong = next((one for one in found if isinstance(one, Refused)), None)
    if wrong is not None:
        return wrong
    good = [one for one in found if isinstance(one, Document)]
    if len({one.sha256 for one in good}) != len(good):
        return Refused(Reason.MALFORMED, "documents: the same file stands twice.")
    return good


def _read(listed: object, place: int, *, today: date) -> Document | Refused:
    if not isinstance(listed, Mapping):
        return Refused(Reason.MALFORMED, f"documents, no {place}: an object.")
    kind, reference, sha256 = listed.get("kind"), listed.get("reference"), listed.get("sha256")
    if kind not in KINDS:
        return Refused(Reason.MALFORMED, f"documents, no {place}: kind is one of {', '.join(KINDS)}.")
    if not is_plain_text(reference, 200):
        return Refused(Reason.MALFORMED, f"documents, no {place}: reference is one line.")
    if not isinstance(sha256, str) or _HASH.fullmatch(sha256) is None:
        return Refused(Reason.MALFORMED, f"documents, no {place}: sha256 is 64 digits 0-9 and a-f.")
    received = _date(listed.get("received"))
    if received is None or received > today:
        return Refused(Reason.MALFORMED, f"documents, no {place}: received is a day up to today, YYYY-MM-DD.")
    return Document(str(kind), reference, sha256, received)


def _date(said: object) -> date | None:
    if not isinstance(said, str) or len(said) != 10:
        return None
    try:
        return date.fromisoformat(said)
    except ValueError:
        return None


def refuse_review(confirmed: object, *, listed: Sequence[Document], reviewed: bool) -> Refused | None:
    """Refuse a review that does not confirm exactly what was listed, for the first reason there is."""
    if reviewed:
        return Refused(Reason.DOCUMENTS_REVIEWED)
    if not isinstance(confirmed, list) or not all(isinstance(one, str) for one in confirmed):
        return Refused(Reason.MALFORMED, "documents: the hashes of all that was handed in.")
    expected = {one.sha256 for one in listed}
    missing, strange = sorted(expected - set(confirmed)), sorted(set(confirmed) - expected)
    if strange:
        return Refused(Reason.DOCUMENTS_DIFFER, f"Not on the list: {strange[0][:64]}.")
    if missing or not expected:
        return Refused(Reason.DOCUMENTS_DIFFER, f"Not confirmed: {missing[0]}." if missing else "There is no list.")
    return None

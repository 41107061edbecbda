"""Reads a proposal to change parameters, and judges it against what is decided already; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from core.clock.calendar import Calendar, CalendarError
from core.parameters.rules import Parameter, exceptions_of, in_force
from core.parameters.values import KINDS, MODES, ValueRefusedError, check_name, check_value
from core.quantities import Vintage
from core.refusals import LineError, Reason, Refused
from core.texts import is_plain_text

CHANGES_MAX = 100
LAST_DAY = date(2099, 12, 31)

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Proposal:
    """Changes that are decided together, and why; each is the version that it would become."""

    changes: tuple[Parameter, ...]
    why: str

    @property
    def body(self) -> dict[str, Any]:
        """The proposal as the task keeps it; versions say on what it was based."""
        return {"changes": [body_of(change) for change in self.changes], "why": self.why}

    @property
    def days(self) -> list[date]:
        """The days from which something changes, first to last."""
        return sorted({change.effective_from for change in self.changes})


@dataclass(frozen=True, slots=True)
class Known:
    """What a proposal is judged against."""

    versions: Sequence[Parameter]
    today: date
    frozen: date
    """The newest day whose opening data are sent."""
    issued_t: Mapping[str, int]
    """By product, of those whose cap the proposal sets."""


def newest_of(versions: Iterable[Parameter]) -> dict[Key, int]:
    """Return the number of the newest version of each parameter."""
    found: dict[Key, int] = {}
    for one in versions:
        found[one.key] = max(found.get(one.key, 0), one.version)
    return found


def body_of(change: Parameter) -> dict[str, Any]:
    """Write a version as callers read it."""
    return {
        "kind": change.kind,
        "name": change.name,
        "version": change.version,
        "value": dict(change.value),
        "effective_from": change.effective_from.isoformat(),
    }


def read_proposal(body: Mapping[str, Any], newest: Mapping[Key, int]) -> Proposal | Refused:
    """Read a proposal, with every wrong change named; versions are counted on from the newest there are."""
    changes, why = body.get("changes"), body.get("why")
    if not is_plain_text(why, 500):
        return Refused(Reason.MALFORMED, "why: say in at most 500 characters what the change is for.")
    if not isinstance(changes, list) or not 0 < len(changes) <= CHANGES_MAX:
        return Refused(Reason.MALFORMED, f"changes: a list of 1 to {CHANGES_MAX}.")
    read: list[Parameter] = []
    errors: list[LineError] = []
    counted = dict(newest)
    for line, change in enumerate(changes, start=1):
        found = _read_change(change)
        if isinstance(found, Refused):
            errors.append(LineError(line, found.reason, found.detail))
            continue
        counted[found.key] = counted.get(found.key, 0) + 1
        read.append(Parameter(found.kind, found.name, counted[found.key], found.value, found.effective_from))
    return Refused.of_lines(errors) if errors else Proposal(tuple(read), why)


def _read_change(change: object) -> Parameter | Refused:
    if not isinstance(change, Mapping):
        return Refused(Reason.MALFORMED, "A change has kind, name, value and effective_from.")
    kind = change.get("kind")
    if kind not in KINDS:
        return Refused(Reason.PARAMETER_KIND, f"Kinds are {', '.join(KINDS)}.")
    try:
        name = check_name(kind, change.get("name"))
    except ValueRefusedError as error:
        return Refused(Reason.PARAMETER_NAME, str(error))
    try:
        value = check_value(kind, name, change.get("value"))
    except ValueRefusedError as error:
        return Refused(Reason.PARAMETER_VALUE, str(error))
    start = _start_of(kind, name, change.get("effective_from"))
    return start if isinstance(start, Refused) else Parameter(kind, name, 0, value, start)


def _start_of(kind: str, name: str, given: object) -> date | Refused:
    """Read the day from which a change holds; what the calendar says of a date holds on that date."""
    if kind == "calendar" and given is None:
        return date.fromisoformat(name)
    try:
        start = date.fromisoformat(given) if isinstance(given, str) and len(given) == 10 else None
    except ValueError:
        start = None
    if start is None or start > LAST_DAY:
        return Refused(Reason.MALFORMED, "effective_from is a date of this century, as 2021-07-19.")
    if kind == "calendar" and start.isoformat() != name:
        return Refused(Reason.MALFORMED, "effective_from of a calendar exception is the date it is about.")
    return start


def is_late(change: Parameter, *, today: date, frozen: date) -> bool:
    """Tell whether a change comes too late for its day; the database says the same.

    Rules of past days and of days with opening data stay. Only a day that has not come may still be closed.
    """
    if change.kind == "calendar" and change.effective_from <= today:
        return True
    closes = change.kind == "calendar" and change.value["open"] is False
    return change.effective_from < today or (change.effective_from <= frozen and not closes)


def judge(proposal: Proposal, known: Known) -> Refused | None:
    """Refuse a proposal for every wrong change at once, else for what the rules would be with it."""
    errors = list(_wrong_changes(proposal, known))
    if errors:
        return Refused.of_lines(errors)
    conflict = conflict_of(proposal.changes, known)
    return None if conflict is None else Refused(Reason.PARAMETER_CONFLICT, conflict)


def _wrong_changes(proposal: Proposal, known: Known) -> Iterator[LineError]:
    newest, seen = newest_of(known.versions), set[tuple[Key, date]]()
    current = {day: in_force(known.versions, day) for day in proposal.days}
    for line, change in enumerate(proposal.changes, start=1):
        reason = _wrong(change, known, newest, current[change.effective_from], seen)
        seen.add((change.key, change.effective_from))
        newest[change.key] = max(newest.get(change.key, 0), change.version)
        if reason is not None:
            detail = f"{change.kind} {change.name} from {change.effective_from}."
            yield LineError(line, reason, f"{detail} {_hint(reason, change, known)}".strip())


def _wrong(
    change: Parameter,
    known: Known,
    newest: Mapping[Key, int],
    current: Mapping[Key, Parameter],
    seen: set[tuple[Key, date]],
) -> Reason | None:
    if (change.key, change.effective_from) in seen:
        return Reason.PARAMETER_TWICE
    if is_late(change, today=known.today, frozen=known.frozen):
        return Reason.PARAMETER_LATE
    if change.version != newest.get(change.key, 0) + 1:
        return Reason.PARAMETER_MOVED
    before = current.get(change.key)
    if before is not None and before.value == change.value:
        return Reason.PARAMETER_SAME
    cap = change.value["tonnes"] if change.kind == "cap" else None
    if cap is not None and cap < known.issued_t.get(change.name, 0):
        return Reason.CAP_BELOW_ISSUED
    return None


def _hint(reason: Reason, change: Parameter, known: Known) -> str:
    if reason is Reason.PARAMETER_LATE:
        return f"It is {known.today}; opening data are sent through {known.frozen}."
    if reason is Reason.CAP_BELOW_ISSUED:
        return f"{known.issued_t[change.name]} t were issued."
    return ""


def conflict_of(changes: Sequence[Parameter], known: Known) -> str | None:
    """Say what would not fit together, on any day from which something changes or is planned to."""
    after = [*known.versions, *changes]
    first = min(change.effective_from for change in changes)
    days = sorted({one.effective_from for one in after if one.effective_from >= first and one.kind != "calendar"})
    for day in days:
        misfit = next(_misfits(in_force(after, day)), None)
        if misfit is not None:
            return f"From {day}: {misfit}"
    return _endless_closure(changes, Calendar(exceptions_of(known.versions)), Calendar(exceptions_of(after)))


def _misfits(values: Mapping[Key, Parameter]) -> Iterator[str]:
    """Say what is missing or does not fit among the values in force on one day."""
    tick = values["tick", "price"].value["fen"]
    modes = [name for name in MODES if ("mode", name) in values and values["mode", name].value["open"]]
    if not modes:
        yield "no mode of trade would be left; closing the market is a matter of the calendar."
    for mode in modes:
        if ("hours", mode) not in values or ("limit", mode) not in values:
            yield f"the mode {mode} needs hours and a limit."
    for (kind, name), one in sorted(values.items()):
        if kind in {"product", "cap"} and ("vintage", name) not in values:
            yield f"the {kind} of {name} needs its vintage."
        if kind == "product" and (one.value["base_price_fen"] or 0) % tick:
            yield f"the base price of {name} is not a multiple of the tick of {tick} fen."
        if kind == "limit" and "/" in name and ("product", name.partition("/")[2]) not in values:
            yield f"the limit {name} needs its product."


def _endless_closure(changes: Sequence[Parameter], before: Calendar, after: Calendar) -> str | None:
    """Say when a closure would leave the market without a next trading day that the calendar can find."""
    for change in changes:
        if change.kind != "calendar" or change.value["open"]:
            continue
        try:
            before.next_trading_day(change.effective_from)
        except CalendarError:
            continue  # it could not tell before either
        try:
            after.next_trading_day(change.effective_from)
        except CalendarError as error:
            return f"{error}."
    return None


def vintages_capped(proposal: Proposal) -> set[Vintage]:
    """Return the vintages whose cap the proposal sets."""
    return {Vintage.of_product(change.name) for change in proposal.changes if change.kind == "cap"}


def proposal_of(payload: Mapping[str, Any]) -> Proposal:
    """Read a proposal as its task kept it, versions included."""
    changes = tuple(
        Parameter(one["kind"], one["name"], one["version"], one["value"], date.fromisoformat(one["effective_from"]))
        for one in payload["changes"]
    )
    return Proposal(changes, payload["why"])

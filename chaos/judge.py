"""From a history alone to a verdict: the judge was not there, asks nobody, and shares no code with what it judges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from chaos.evidence import Evidence, Operation, Truth, settle, sort_evidence
from chaos.history import Event
from chaos.refusals import undeserved
from chaos.verdict import ASSUMPTION, MONTHLY_BUDGET_S, Check, Figures, Verdict

WRITES_LEAST = 20
"""Fewer acknowledged writes than this are no traffic."""

NS = 1_000_000_000


def judge(
    events: Sequence[Event], *, extra_checks: Sequence[Check] = (), extra: Mapping[str, Any] | None = None
) -> Verdict:
    """Judge a finished drill. ``extra_checks`` and ``extra`` are what one kind of drill adds of its own."""
    found = sort_evidence(events)
    truth = settle(found)
    lost, twice, ghosts = _lost(found, truth), _twice(found, truth), _ghosts(found, truth)
    refused, failed = undeserved(found, truth), [o for o in found.traffic if o.type == "info"]
    gap_s, budget_s = write_gap_s(found), budget_used_s(found)
    checks = [
        *_assumptions(found),
        Check("no acknowledged write is lost", not lost, _some(lost)),
        Check("no write happened twice", not twice, _some(twice)),
        Check("no refused write appears", not ghosts, _some(ghosts)),
        Check("only writes that had to be refused were refused", not refused, _some(refused)),
        _conservation(found),
        _balances(found, truth),
        _every_unknown_is_resolved(truth),
        Check("no request failed", not failed, _some([f"{o.f} {o.key or ''}".strip() for o in failed])),
        _reads_see_acknowledged_accounts(found),
        _writes_after_the_last_fault(found),
        _kept_through_a_power_cut(found),
        _every_step_succeeded(found),
        *_steady_states(found),
        *fault_checks(found),
        *extra_checks,
    ]
    figures = Figures(
        acknowledged=len(found.acknowledged_at),
        lost=len(lost),
        duplicated=len(twice),
        unknown_resolved=truth.resolved,
        failed_requests=len(failed),
        client_retries=sum(o.retries for o in found.traffic),
        longest_write_gap_s=gap_s,
        budget_used_s=budget_s,
    )
    run = found.run
    return Verdict(run.get("name", "?"), run.get("seed", 0), figures, checks, run.get("repeat", ""), extra or {})


def _some(items: Sequence[str], *, shown: int = 5) -> str:
    """Name the first few; an empty list says nothing."""
    return ", ".join(items[:shown]) + (f" and {len(items) - shown} more" if len(items) > shown else "")


def _assumptions(found: Evidence) -> list[Check]:
    acknowledged = found.acknowledged_at
    expected = found.run.get("faults", [])
    injected = {event.f: event for event in found.faults if event.value.get("verb") == "wait_propagate"}
    checks = [
        Check(
            f"{ASSUMPTION}traffic flowed",
            len(acknowledged) >= WRITES_LEAST,
            f"{len(acknowledged)} acknowledged writes",
        ),
        Check(
            f"{ASSUMPTION}the final state was read back",
            found.complete and set(found.world.get("accounts", ())) <= set(found.holdings) and bool(found.world),
            f"{len(found.accounts)} accounts, {len(found.transfers)} lists of transfers",
        ),
    ]
    if found.faults:
        checks.append(_watched_throughout(found))
    if found.given_up is not None:
        checks.append(Check(f"{ASSUMPTION}the drill was carried out to its end", passed=False, detail=found.given_up))
    for fault in expected:
        event = injected.get(fault)
        bit = event is not None and event.value.get("bit") is True
        during = bit and event is not None and bool(acknowledged) and acknowledged[0] < event.time < (found.ended or 0)
        detail = "read back during traffic" if during else "outside the traffic" if bit else "was not seen to bite"
        checks.append(Check(f"{ASSUMPTION}fault {fault} bit", during, detail))
    return checks


def _watched_throughout(found: Evidence) -> Check:
    """What the cluster did during a fault is known only if somebody could look, from its injection to its end."""
    unseen = []
    for event in found.faults:
        if event.value.get("verb") == "inject":
            over = max(other.time for other in found.faults if other.f == event.f)
            dark = [look for look in found.blind if event.time <= look.time and _begun(look) <= over]
            if dark or not any(look.time <= over for look in found.watched):
                unseen.append(f"{event.f}: {dark[0].value['error'] if dark else 'nobody looked'}")
    return Check(f"{ASSUMPTION}the watcher saw every fault from beginning to end", not unseen, _some(unseen))


def _begun(look: Event) -> int:
    return look.time - int(look.value.get("for_s", 0) * NS)


def _moves(found: Evidence) -> dict[str, tuple[Mapping[str, Any], int]]:
    """Every transfer that the world's accounts show, and how often its worst list shows it."""
    moves: dict[str, tuple[Mapping[str, Any], int]] = {}
    for entries in found.transfers.values():
        counts = Counter(entry["id"] for entry in entries)
        for entry in entries:
            if entry["type"] == "TRANSFER":
                known = moves.get(entry["id"], (entry, 0))
                moves[entry["id"]] = (entry, max(known[1], counts[entry["id"]]))
    return moves


def _lost(found: Evidence, truth: Truth) -> list[str]:
    """Acknowledged (or found done) and yet not there, or there with another content."""
    moves, lost = _moves(found), []
    for operation in truth.done:
        if operation.f == "transfer":
            if not _shows(found, moves, operation):
                lost.append(f"transfer {operation.key}")
        elif operation.f == "open":
            number = operation.account
            if found.accounts.get(number, {}).get("name") != operation.value["name"]:
                lost.append(f"account {number}")
        elif operation.f == "approve" and found.accounts.get(operation.value["account"], {}).get("state") != "OPEN":
            lost.append(f"approval of {operation.value['account']}")
    return lost


def _shows(found: Evidence, moves: Mapping[str, tuple[Mapping[str, Any], int]], operation: Operation) -> bool:
    """Whether both parties' lists show the transfer, with what was asked for."""
    identity, value = operation.id, operation.value
    entry = moves.get(identity, ({}, 0))[0]
    same = (
        entry.get("from_account") == value["from"]
        and entry.get("to_account") == value["to"]
        and entry.get("asset") == value["asset"]
        and entry.get("amount") == value["amount"]
    )
    both = all(any(e["id"] == identity for e in found.transfers.get(value[end], ())) for end in ("from", "to"))
    return same and both


def _twice(found: Evidence, truth: Truth) -> list[str]:
    """One question with two effects: listed twice, answered to two, or there once more under an id nobody was told."""
    moves = _moves(found)
    twice = [f"transfer {identity}" for identity, (_, count) in moves.items() if count > 1]
    by_id = Counter(o.id for o in truth.done if o.f == "transfer")
    twice += [f"transfer {identity} answered to {count} requests" for identity, count in by_id.items() if count > 1]
    done = {_content(o.value) for o in truth.done if o.f == "transfer"}
    twice += [f"transfer {identity}" for identity, what in _untold(found, truth).items() if what in done]
    return twice + [f"account {name}" for name, count in found.names.items() if count > 1]


def _ghosts(found: Evidence, truth: Truth) -> list[str]:
    """There, and asked for by nobody, or by somebody who was told no."""
    done = {_content(o.value) for o in truth.done if o.f == "transfer"}
    named = {o.value["name"] for o in (*truth.done, *truth.unresolved) if o.f == "open"}
    ghosts = [f"transfer {identity}" for identity, what in _untold(found, truth).items() if what not in done]
    ghosts += [f"account {name}" for name in found.names if ".world." not in name and name not in named]
    approved = {o.value["account"] for o in (*truth.done, *truth.unresolved) if o.f == "approve"}
    ghosts += [
        f"approval of {number}"
        for number, entry in found.accounts.items()
        if ".world." not in entry["name"]
        and entry["name"] in named
        and entry["state"] == "OPEN"
        and number not in approved
    ]
    return sorted(ghosts)


def _untold(found: Evidence, truth: Truth) -> dict[str, tuple[Any, ...]]:
    """Transfers that are there under an id no answer named; one for each unresolved request is let pass."""
    answered = {o.id for o in truth.done if o.f == "transfer"}
    open_ones = Counter(_content(o.value) for o in truth.unresolved if o.f == "transfer")
    untold = {}
    for identity, (entry, _) in _moves(found).items():
        if identity in answered:
            continue
        what = (entry["from_account"], entry["to_account"], entry["asset"], entry["amount"])
        if open_ones[what] > 0:
            open_ones[what] -= 1
        else:
            untold[identity] = what
    return untold


def _content(value: Mapping[str, Any]) -> tuple[Any, ...]:
    return value["from"], value["to"], value["asset"], value["amount"]


def _conservation(found: Evidence) -> Check:
    world, product = found.world, str(found.world.get("product", ""))
    expected = world.get("tonnes", 0) * len(world.get("accounts", ()))
    total = sum(assets.get(product, 0) for assets in found.holdings.values())
    return Check("tonnes are conserved", total == expected, f"{total} t held, {expected} t allocated")


def _balances(found: Evidence, truth: Truth) -> Check:
    """Add every account up again from the answers alone."""
    product = str(found.world.get("product", ""))
    expected = dict.fromkeys(found.world.get("accounts", ()), found.world.get("tonnes", 0))
    for operation in truth.done:
        if operation.f == "transfer":
            giver, taker, amount = operation.value["from"], operation.value["to"], operation.value["amount"]
            expected[giver] = expected.get(giver, 0) - amount
            expected[taker] = expected.get(taker, 0) + amount
    wrong = [
        f"{number}: {found.holdings.get(number, {}).get(product, 0)} t instead of {tonnes} t"
        for number, tonnes in expected.items()
        if found.holdings.get(number, {}).get(product, 0) != tonnes
    ]
    wrong += [f"{number}: {tonnes} t, below zero" for number, tonnes in expected.items() if tonnes < 0]
    return Check("balances equal what was answered, added up again", not wrong, _some(wrong))


def _every_unknown_is_resolved(truth: Truth) -> Check:
    names = [f"{o.f} {o.key}" for o in truth.unresolved]
    return Check("every unknown write is resolved", not names, _some(names) or f"{truth.resolved} resolved")


def _reads_see_acknowledged_accounts(found: Evidence) -> Check:
    """A read that began after the acknowledgement must see the account; the world's were there before any read."""
    since = {o.account: o.ended for o in found.operations if o.f == "open" and o.type == "ok" and o.ended is not None}
    stale = [
        o.value["account"]
        for o in found.operations
        if o.type == "fail"
        and o.key is None
        and (o.f == "read-holdings" or since.get(o.value["account"], o.begun) < o.begun)
    ]
    return Check("every read sees what was acknowledged before it", not stale, _some(stale))


def _writes_after_the_last_fault(found: Evidence) -> Check:
    """Progress after healing: a safe system that stays still is no system."""
    healed = max((e.time for e in found.faults), default=0)
    after = sum(1 for at in found.acknowledged_at if at > healed)
    return Check("writes are taken after the last fault", after > 0, f"{after} acknowledged writes")


def _every_step_succeeded(found: Evidence) -> Check:
    """A fault that was not healed in time, or a look in its middle that did not show what it should."""
    failed = [f"{e.f}: {e.value['error']}" for e in found.faults if "error" in e.value]
    failed += [f"{step['activity']}: {step['status']}" for step in found.steps if step["status"] != "succeeded"]
    return Check("every step of the fault succeeded", not failed, _some(failed))


def _steady_states(found: Evidence) -> list[Check]:
    """What Chaos Toolkit itself says: it ran to the end, and the steady state held before and after."""
    checks = []
    for run in found.experiments:
        ended = run["status"] == "completed" or run["deviated"]
        checks.append(Check(f"{ASSUMPTION}the experiment ran to its end", ended, run["status"]))
        checks.append(Check(f"steady state: {run['title']}", not run["deviated"]))
    return checks


def _kept_through_a_power_cut(found: Evidence) -> Check:
    """A killed process loses nothing even on a node that never syncs: only its settings tell."""
    asked = {entry["node"] for entry in found.durability}
    weak = [f"{entry['node']}: {entry['found']}" for entry in found.durability if entry["found"] != entry["needed"]]
    weak += [f"{node}: not asked" for node in sorted(_data_nodes(found) - asked)]
    detail = _some(weak) or f"{len(asked)} nodes asked"
    return Check("every node would survive a power cut", bool(asked) and not weak, detail)


def _data_nodes(found: Evidence) -> set[str]:
    """Every node the watcher saw that was never the witness; one without a role is a data node that is down."""
    roles = [seen for event in found.watched for seen in event.value["roles"].items()]
    return {node for node, _ in roles} - {node for node, role in roles if role == "witness"}


def write_gap_s(found: Evidence) -> float:
    """Return the longest time between two acknowledged writes, the edges of the traffic included."""
    times = [*([found.begun] if found.begun else []), *found.acknowledged_at, *([found.ended] if found.ended else [])]
    return max((later - earlier for earlier, later in pairwise(times)), default=0) / NS


def budget_used_s(found: Evidence) -> float:
    """Return how many whole seconds of the traffic passed without an acknowledged write."""
    if found.begun is None:
        return 0.0
    times = found.acknowledged_at
    ended = found.ended or (times[-1] if times else found.begun)
    seconds = max(0, (ended - found.begun) // NS)
    served = {(at - found.begun) // NS for at in times}
    return float(sum(1 for second in range(seconds) if second not in served))


def fault_checks(found: Evidence) -> list[Check]:
    """Look at what each kind of fault must lead to, in what was watched of the cluster."""
    checks: list[Check] = []
    for event in found.faults:
        if event.value.get("verb") == "inject" and event.value.get("kind") == "line-cut":
            checks += _line_checks(found, event)
        if event.value.get("verb") == "inject" and event.value.get("kind") == "node-power-off":
            checks += _node_checks(found, event)
    return checks


def _line_checks(found: Evidence, cut: Event) -> list[Check]:
    line = cut.value["target"]
    healed = next((e.time for e in found.faults if e.f == cut.f and e.value.get("verb") == "cleanup"), None)
    after = [e.value["links"] for e in found.watched if e.time > cut.time]
    during = [e.value["links"] for e in found.watched if cut.time < e.time and (healed is None or e.time <= healed)]
    others = sorted({name for links in after for name in links if name != line})
    fell = [name for name in others if any(links.get(name) != "up" for links in during)]
    went = any(links.get(line) != "up" for links in during)
    back = bool(after) and after[-1].get(line) == "up"
    return [
        Check(f"line {line} went down and came back", went and back, "" if went and back else f"{went=}, {back=}"),
        Check("the other line stayed up", bool(others) and not fell, _some(fell)),
    ]


def _node_checks(found: Evidence, off: Event) -> list[Check]:
    node = off.value["target"]
    after = [e.value for e in found.watched if e.time > off.time]
    others = [v["primary"] for v in after if v.get("primary") not in {None, node}]
    role = after[-1]["roles"].get(node) if after else None
    was_primary = off.value.get("was_primary", False)
    checks = [Check(f"node {node} came back as a standby", role in {"standby", "sync_standby"}, f"role: {role}")]
    if was_primary:
        checks.insert(0, Check("another node became primary", bool(others), _some(others[:1])))
    return checks


def budget_share(seconds: float) -> str:
    """Say seconds as a share of a month's budget at 99.99 %."""
    return f"{seconds:.1f} s of {MONTHLY_BUDGET_S} s = {100 * seconds / MONTHLY_BUDGET_S:.1f} %"

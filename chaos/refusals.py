"""Which refusals were deserved: a registry that says no to everybody loses nothing, and serves nobody.

Pure, and independent of what is judged: it goes by the history alone, and doubts in the registry's favour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chaos.evidence import Evidence, Operation, Truth

WITH_EXCHANGE, TOO_FEW_UNITS = "1003", "3003"
"""Published codes: the holdings are with the exchange until delivery; the account holds less than was asked for."""


def undeserved(found: Evidence, truth: Truth) -> list[str]:
    """Name the clients' writes that were refused although nothing stood against them."""
    moves = [o for o in (*truth.done, *truth.unresolved) if o.f == "transfer"]
    refused = [o for o in truth.not_done if o.type == "fail" and o.process != "setup"]
    return [f"{o.f} {o.key}: {o.status} {_code(o)}".rstrip() for o in refused if not _deserved(found, moves, o)]


def _deserved(found: Evidence, moves: Sequence[Operation], refused: Operation) -> bool:
    """The workload's only writes that have to be refused are transfers: each opening and approval is a good one."""
    if refused.f != "transfer":
        return False
    amount = refused.value["amount"]
    if amount > found.world.get("tonnes", 0) * len(found.world.get("accounts", ())):
        return True  # more than there is: asked for on purpose
    if _code(refused) == WITH_EXCHANGE:
        opened = found.next_opening
        return opened is not None and (refused.ended is None or refused.ended > opened)
    return _code(refused) == TOO_FEW_UNITS and amount > _least(found, moves, refused)


def _least(found: Evidence, moves: Sequence[Operation], refused: Operation) -> int:
    """The least that the giver can have held: all that may have left it by then has, what may not have come has not."""
    giver, least = refused.value["from"], int(found.world.get("tonnes", 0))
    for move in moves:
        amount = int(move.value["amount"])
        if move.value["from"] == giver and (refused.ended is None or move.begun < refused.ended):
            least -= amount
        elif move.value["to"] == giver and move.ended is not None and move.ended < refused.begun:
            least += amount
    return least


def _code(operation: Operation) -> str:
    return str(operation.body.get("code", "")) if isinstance(operation.body, Mapping) else ""

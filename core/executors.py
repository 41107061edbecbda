"""Which service carries out which kind of approved task, and which takes back what a proposal held."""

from __future__ import annotations

from collections.abc import Mapping

from core.accounts import service as accounts
from core.accounts.files import service as account_files
from core.accounts.operators import service as account_operators
from core.accounts.states import service as account_states
from core.allocation import releases
from core.allocation import service as allocation
from core.approvals.service import Executor
from core.authority import service as authority
from core.carryover import service as carryover
from core.emissions import service as emissions
from core.emissions.years import service as years
from core.encumbrance import endings
from core.encumbrance import service as encumbrance
from core.offset import service as offset
from core.ownership import cancellations, successions
from core.parameters import service as parameters
from core.reconciliation import closing
from core.surrender import penalty, reversal
from core.surrender import service as surrender
from core.transfers import proposals as transfers
from core.trust import service as trust

EXECUTORS: Mapping[str, Executor] = {
    **accounts.EXECUTORS,
    **account_files.EXECUTORS,
    **account_operators.EXECUTORS,
    **account_states.EXECUTORS,
    **allocation.EXECUTORS,
    **releases.EXECUTORS,
    **surrender.EXECUTORS,
    **reversal.EXECUTORS,
    **penalty.EXECUTORS,
    **emissions.EXECUTORS,
    **years.EXECUTORS,
    **offset.EXECUTORS,
    **carryover.EXECUTORS,
    **authority.EXECUTORS,
    **closing.EXECUTORS,
    **trust.EXECUTORS,
    **parameters.EXECUTORS,
    **transfers.EXECUTORS,
    **encumbrance.EXECUTORS,
    **endings.EXECUTORS,
    **cancellations.EXECUTORS,
    **successions.EXECUTORS,
}
UNDOERS: Mapping[str, Executor] = {
    **accounts.UNDOERS,
    **account_files.UNDOERS,
    **allocation.UNDOERS,
    **surrender.UNDOERS,
    **offset.UNDOERS,
    **carryover.UNDOERS,
    **closing.UNDOERS,
    **encumbrance.UNDOERS,
    **cancellations.UNDOERS,
}

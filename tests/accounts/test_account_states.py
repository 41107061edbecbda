"""What state an account is in: which change may follow which, who decides, and when it takes effect."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import product
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from core.accounts import service as accounts
from core.accounts import store as accounts_store
from core.accounts.operators import service as operators
from core.accounts.rules import RESTRICTIONS, STATES, Account, Purpose, refuse_source, refuse_target
from core.accounts.states import service as states
from core.accounts.states.rules import ALLOWED, Action, Change, Standing, decide, must_know, must_know_before
from core.approvals import service as approvals
from core.outbox import store as outbox
from core.refusals import Answer, Reason, Refused

AT = datetime(2021, 7, 1, tzinfo=UTC)
NUMBER = "E42-00001001-60"
AGAIN = "INSERT INTO account (number, name, state) VALUES (:n, 'x', 'OPEN')"


def account(state: str, restriction: str | None = None, **more: Any) -> Account:
    return Account(
        number=NUMBER,
        name="A firm",
        credit_code=None,
        state=state,
        bank="B001",
        applied_at=AT,
        opened_at=AT,
        restriction=restriction,
        **more,
    )


def change(action: Action, restriction: str | None = None) -> Change:
    return Change(NUMBER, action, "because", restriction or ("out" if action is Action.RESTRICT else None))


@pytest.mark.parametrize(("state", "action"), list(product(STATES, Action)))
def test_a_change_follows_the_table_and_nothing_else(state: str, action: Action) -> None:
    found = decide(account(state, "in" if state == "RESTRICTED" else None), change(action))
    expected = ALLOWED.get((state, action))
    if expected is not None:
        assert isinstance(found, Standing)
        assert found.state == expected
    else:
        assert isinstance(found, Refused)
        pending = state == "CLOSURE_PENDING"
        assert found.reason is (Reason.STATE_CHANGE_PENDING if pending else Reason.STATE_CHANGE_FORBIDDEN)


# Both ways: what can be imposed can be lifted, except the end.
@pytest.mark.parametrize(
    ("there", "back", "restriction"),
    [(Action.RESTRICT, Action.UNRESTRICT, None), *((Action.SUSPEND, Action.RESUME, r) for r in (None, *RESTRICTIONS))],
)
def test_what_is_lifted_leaves_the_account_as_it_was(there: Action, back: Action, restriction: str | None) -> None:
    before = account("OPEN" if restriction is None else "RESTRICTED", restriction)
    imposed = decide(before, change(there))
    assert isinstance(imposed, Standing)
    lifted = decide(account(imposed.state, imposed.restriction), change(back))
    assert lifted == Standing.of(before)


def test_an_account_that_is_restricted_in_everything_is_not_closed() -> None:
    refused = decide(account("RESTRICTED", "all"), change(Action.CLOSE))
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.STATE_CHANGE_FORBIDDEN


def test_nothing_is_changed_while_a_change_waits() -> None:
    for action in Action:
        refused = decide(account("OPEN", pending_state="RESTRICTED", pending_restriction="out"), change(action))
        assert isinstance(refused, Refused)
        assert refused.reason is Reason.STATE_CHANGE_PENDING


EFFECTS = {
    "none": Standing("OPEN"),
    "in": Standing("RESTRICTED", "in"),
    "out": Standing("RESTRICTED", "out"),
    "all": Standing("SUSPENDED"),
}
FIRST = {("none", "in"), ("none", "out"), ("none", "all"), ("in", "out"), ("out", "in"), ("in", "all"), ("out", "all")}


@pytest.mark.parametrize(("before", "after"), list(product(EFFECTS, EFFECTS)))
def test_the_exchange_is_told_first_when_a_direction_is_lost(before: str, after: str) -> None:
    there, here = EFFECTS[before], EFFECTS[after]
    assert must_know_before(there, here) is ((before, after) in FIRST)
    assert must_know(there, here) is (before != after)
    assert (there.effect, here.effect) == (before, after)


# State, restriction, block; then what refuses giving and taking: for anything, for compliance, for a court.
S, T = Reason.SOURCE_NOT_OPEN, Reason.TARGET_NOT_OPEN
MOVES = [
    ("APPLIED", None, None, (S, S, S), (T, T, T)),
    ("OPEN", None, None, (None, None, None), (None, None, None)),
    ("RESTRICTED", "out", None, (Reason.SOURCE_RESTRICTED, None, None), (None, None, None)),
    ("RESTRICTED", "in", None, (None, None, None), (Reason.TARGET_RESTRICTED, None, None)),
    ("RESTRICTED", "all", None, (Reason.SOURCE_RESTRICTED,) * 2 + (None,), (Reason.TARGET_RESTRICTED,) * 2 + (None,)),
    ("RESTRICTED", None, None, (Reason.SOURCE_RESTRICTED,) * 2 + (None,), (Reason.TARGET_RESTRICTED,) * 2 + (None,)),
    ("SUSPENDED", None, None, (S, S, None), (T, T, None)),
    ("CLOSURE_PENDING", None, None, (S, S, S), (T, T, T)),
    ("CLOSED", None, None, (S, S, S), (T, T, T)),
    ("REJECTED", None, None, (S, S, S), (T, T, T)),
    ("OPEN", None, "differs", (Reason.SOURCE_BLOCKED,) * 3, (Reason.TARGET_BLOCKED,) * 3),
    ("RESTRICTED", "all", "differs", (Reason.SOURCE_BLOCKED,) * 3, (Reason.TARGET_BLOCKED,) * 3),
]


@pytest.mark.parametrize(("state", "restriction", "blocked", "giving", "taking"), MOVES)
def test_what_moves_in_each_state(
    state: str, restriction: str | None, blocked: str | None, giving: tuple[Any, ...], taking: tuple[Any, ...]
) -> None:
    found = account(state, restriction, blocked=blocked)
    for purpose, source, target in zip(Purpose, giving, taking, strict=True):
        refused = refuse_source(NUMBER, found, with_exchange=False, purpose=purpose)
        assert (refused.reason if refused else None) is source, purpose
        refused = refuse_target(NUMBER, found, purpose=purpose)
        assert (refused.reason if refused else None) is target, purpose


def test_surrender_goes_on_where_selling_is_restricted() -> None:
    """A firm that may not sell must still be able to comply."""
    found = account("RESTRICTED", "out")
    assert refuse_source(NUMBER, found, with_exchange=False) is not None
    assert refuse_source(NUMBER, found, with_exchange=False, purpose=Purpose.COMPLIANCE) is None


def test_a_change_takes_two_people_and_leaves_its_history(desk: Any) -> None:
    number = desk.account()
    proposed = desk.propose(number, "restrict", restriction="out")
    same = desk.approve(proposed, by=desk.ann)
    assert isinstance(same, Refused)
    assert same.reason is Reason.SAME_PERSON
    assert desk.show(number)["state"] == "OPEN"
    desk.approve(proposed)
    assert (desk.show(number)["state"], desk.show(number)["restriction"]) == ("RESTRICTED", "out")
    assert desk.change(number, "suspend")["state"] == "SUSPENDED"
    resumed = desk.change(number, "resume")
    assert (resumed["state"], resumed["restriction"]) == ("RESTRICTED", "out")
    assert desk.change(number, "unrestrict")["state"] == "OPEN"
    assert [(e["state_before"], e["state"], e["proposed_by"], e["decided_by"]) for e in desk.history(number)] == [
        ("OPEN", "RESTRICTED", "ann", "bob"),
        ("RESTRICTED", "SUSPENDED", "ann", "bob"),
        ("SUSPENDED", "RESTRICTED", "ann", "bob"),
        ("RESTRICTED", "OPEN", "ann", "bob"),
    ]
    assert desk.notices() == [(number, "out"), (number, "all"), (number, "out"), (number, "none")]


PROPOSALS = [
    ({"action": "explode"}, Reason.MALFORMED),
    ({"reason": " "}, Reason.MALFORMED),
    ({"action": "restrict"}, Reason.MALFORMED),
    ({"action": "suspend", "restriction": "out"}, Reason.MALFORMED),
    ({"by": "otto"}, Reason.NOT_PERMITTED),
    ({"by": "mia", "action": "suspend"}, Reason.NOT_PERMITTED),
    ({"account": "E42-00001001-61"}, Reason.NUMBER_INVALID),
    ({"account": "S00-00000001-53"}, Reason.ACCOUNT_UNKNOWN),
    ({"account": "E42-99990000-53"}, Reason.NUMBER_INVALID),
    ({"action": "resume"}, Reason.STATE_CHANGE_FORBIDDEN),
]


@pytest.mark.parametrize(("wrong", "reason"), PROPOSALS)
def test_a_proposal_is_refused_for_its_reason(desk: Any, wrong: dict[str, str], reason: Reason) -> None:
    number = desk.account()
    desk.operator(number, "mia", "maker")
    body = {"account": number, "action": "close", "reason": "because"} | wrong
    caller = getattr(desk, body.pop("by", "ann"))
    refused = desk.do(lambda c: states.propose_change(c, caller, body))
    assert isinstance(refused, Refused)
    assert refused.reason is reason


def test_somebody_of_the_subject_restricts_it_with_another_of_them_or_with_the_registry(desk: Any) -> None:
    number = desk.account()
    desk.operator(number, "mia", "maker")
    desk.operator(number, "otto", "checker")
    own = desk.propose(number, "restrict", by=desk.mia, restriction="out")
    assert isinstance(desk.approve(own, by=desk.otto), Answer)
    assert desk.show(number)["state"] == "RESTRICTED"
    refused = desk.propose(number, "unrestrict", by=desk.mia)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.NOT_PERMITTED
    lifted = desk.propose(number, "unrestrict")
    assert isinstance(desk.approve(lifted, by=desk.otto), Refused), "what the registry proposes, the registry decides"
    assert isinstance(desk.approve(lifted), Answer)


def acknowledge(desk: Any, *, day: date | None = None, last_seq: int | None = 0) -> list[bool]:
    def work(connection: Any) -> list[bool]:
        waiting = outbox.waiting(connection, states.NOTICE)
        return [states.acknowledged(connection, one, day=day, last_seq=last_seq, worker="settle") for one in waiting]

    return list(desk.do(work))


def test_while_the_account_may_trade_a_restriction_waits_until_the_exchange_knows(desk: Any) -> None:
    number = desk.account()
    desk.trading(number)
    pending = desk.change(number, "restrict", restriction="out")
    assert (pending["state"], pending["restriction"], pending["exchange_notified_at"]) == (
        "RESTRICTION_PENDING",
        None,
        None,
    )
    assert pending["pending"] == {"state": "RESTRICTED", "restriction": "out"}
    traders = desk.do(lambda c: accounts_store.traders(c, [number], date(2021, 7, 16)))
    assert traders.free == {number}, "trades that come meanwhile are as good as before"

    assert acknowledge(desk, day=date(2021, 7, 16), last_seq=7) == [True]
    shown = desk.show(number)
    assert (shown["state"], shown["restriction"], shown["pending"]) == ("RESTRICTED", "out", None)
    assert shown["exchange_notified_at"] is not None
    traders = desk.do(lambda c: accounts_store.traders(c, [number], date(2021, 7, 16)))
    assert (traders.free, traders.buyers, traders.sellers, traders.until) == (set(), {number}, set(), {number: 7})
    assert desk.do(lambda c: accounts_store.traders(c, [number], date(2021, 7, 19))).until == {}
    assert [(e["state_before"], e["state"]) for e in desk.history(number)] == [
        ("OPEN", "RESTRICTION_PENDING"),
        ("RESTRICTION_PENDING", "RESTRICTED"),
    ]


def test_the_same_acknowledgement_twice_is_once(desk: Any) -> None:
    number = desk.account()
    desk.trading(number)
    desk.change(number, "suspend")
    (message,) = desk.do(lambda c: outbox.waiting(c, states.NOTICE))
    told = [
        desk.do(lambda c: states.acknowledged(c, message, day=None, last_seq=None, worker="settle")) for _ in range(2)
    ]
    assert told == [True, False]
    assert len(desk.history(number)) == 2


@pytest.mark.parametrize("state", ["SEALED", "DELIVERED", "REPORTED", "HALTED"])
def test_when_no_trade_can_come_a_restriction_is_in_force_at_once_and_told(desk: Any, state: str) -> None:
    number = desk.account()
    desk.trading(number, state=state)
    done = desk.change(number, "restrict", restriction="all")
    assert (done["state"], done["exchange_notified_at"]) == ("RESTRICTED", None)
    assert desk.notices() == [(number, "all")]
    acknowledge(desk)
    assert desk.show(number)["exchange_notified_at"] is not None


def test_lifting_a_restriction_waits_for_nobody(desk: Any) -> None:
    number = desk.account("RESTRICTED", restriction="out")
    desk.trading(number)
    assert desk.change(number, "unrestrict")["state"] == "OPEN"
    assert desk.notices() == [(number, "none")]


def test_what_the_exchange_knows_is_shown_only_when_it_knows_the_newest(desk: Any) -> None:
    number = desk.account()
    desk.change(number, "restrict", restriction="out")
    desk.change(number, "unrestrict")
    first, second = desk.do(lambda c: outbox.waiting(c, states.NOTICE))
    desk.do(lambda c: states.acknowledged(c, first, day=None, last_seq=None, worker="settle"))
    assert desk.show(number)["exchange_notified_at"] is None
    desk.do(lambda c: states.acknowledged(c, second, day=None, last_seq=None, worker="settle"))
    assert desk.show(number)["exchange_notified_at"] is not None


def test_an_account_closes_only_with_nothing_left(desk: Any) -> None:
    number = desk.account(fen=100)
    refused = desk.propose(number, "close")
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.ACCOUNT_NOT_EMPTY
    assert "100 CNY" in refused.detail


def test_an_account_that_the_exchange_has_something_of_does_not_close(desk: Any) -> None:
    number = desk.account()
    desk.trading(number, amount=5)
    refused = desk.propose(number, "close")
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.detail) == (Reason.ACCOUNT_NOT_EMPTY, "A day is not delivered yet.")


def test_an_account_with_open_tasks_does_not_close(desk: Any) -> None:
    number = desk.account()
    desk.propose(number, "suspend")
    refused = desk.propose(number, "close")
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.ACCOUNT_BUSY


def test_closing_is_judged_again_when_it_is_decided(desk: Any) -> None:
    number = desk.account()
    proposed = desk.propose(number, "close")
    desk.propose(number, "suspend")
    refused = desk.approve(proposed)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.ACCOUNT_BUSY


def test_a_closed_account_stays_closed_and_its_number_is_never_given_again(desk: Any) -> None:
    number = desk.account()
    assert desk.change(number, "close")["state"] == "CLOSED"
    for action in Action:
        more = {"restriction": "out"} if action is Action.RESTRICT else {}
        assert isinstance(desk.propose(number, action.value, **more), Refused)
    with pytest.raises(IntegrityError, match="account_pkey"):
        desk.do(lambda c: c.execute(text(AGAIN), {"n": number}))


@pytest.mark.unsound  # serials alone arrive
def test_while_the_day_goes_on_closing_waits_and_something_that_arrives_calls_it_off(desk: Any) -> None:
    number = desk.account("RESTRICTED", restriction="in")
    desk.trading(number)
    assert desk.change(number, "close")["state"] == "CLOSURE_PENDING"
    late = "INSERT INTO unit_block (serials, holder) VALUES (int8range(2019000000000001, 2019000000000011), :n)"
    desk.do(lambda c: c.execute(text(late), {"n": number}))
    acknowledge(desk)
    shown = desk.show(number)
    assert (shown["state"], shown["restriction"]) == ("RESTRICTED", "in")
    assert desk.history(number)[-1]["reason"].startswith("not closed: It holds 10 t")
    assert desk.notices() == [(number, "in")], "the exchange hears that it goes on"


def test_an_empty_account_closes_once_the_exchange_knows(desk: Any) -> None:
    number = desk.account()
    desk.trading(number)
    desk.change(number, "close")
    acknowledge(desk)
    assert desk.show(number)["state"] == "CLOSED"


# How it stands, what is decided while it is blocked; what the exchange is told last before and after it is let go.
BLOCKED_MEANWHILE = [
    (("OPEN", None), ("restrict", "out"), "all", "out"),
    (("RESTRICTED", "out"), ("unrestrict", None), "all", "none"),
    (("SUSPENDED", None), ("resume", None), "all", "none"),
]


@pytest.mark.parametrize(("stands", "decided", "blocked", "let_go"), BLOCKED_MEANWHILE)
def test_what_is_decided_while_an_account_is_blocked_is_for_after_the_block(
    desk: Any, stands: tuple[str, str | None], decided: tuple[str, str | None], blocked: str, let_go: str
) -> None:
    number = desk.account(stands[0], restriction=stands[1])
    desk.trading(number)
    desk.do(lambda c: states.block(c, [number], why="they differ", by="settle"))
    action, restriction = decided
    desk.change(number, action, **({"restriction": restriction} if restriction else {}))
    assert desk.notices()[-1] == (number, blocked)
    desk.do(lambda c: states.unblock(c, [number], by="bob"))
    assert desk.notices()[-1] == (number, let_go)


OPERATORS = [
    ({"login": " mia"}, Reason.MALFORMED),
    ({"login": "x" * 101}, Reason.MALFORMED),
    ({"right": "owner"}, Reason.MALFORMED),
    ({"action": "give"}, Reason.MALFORMED),
    ({"by": "otto"}, Reason.NOT_PERMITTED),
    ({"account": "E42-00001001-61"}, Reason.ACCOUNT_UNKNOWN),
    ({"login": "mia", "right": "maker"}, Reason.OPERATOR_KNOWN),
    ({"action": "remove"}, Reason.OPERATOR_UNKNOWN),
]


@pytest.mark.parametrize(("wrong", "reason"), OPERATORS)
def test_a_wish_about_operators_is_refused_for_its_reason(desk: Any, wrong: dict[str, str], reason: Reason) -> None:
    number = desk.account()
    desk.operator(number, "mia", "maker")
    body = {"account": number, "login": "zoe", "right": "view", "action": "add"} | wrong
    caller = getattr(desk, body.pop("by", "ann"))
    refused = desk.do(lambda c: operators.propose(c, caller, body))
    assert isinstance(refused, Refused)
    assert refused.reason is reason


def test_a_holder_brings_in_a_colleague_with_another_checker_of_the_account(desk: Any) -> None:
    number, elsewhere = desk.account(), desk.account()
    desk.operator(number, "mia", "maker")
    desk.operator(elsewhere, "otto", "checker")
    wish = {"account": number, "login": "zoe", "right": "view", "action": "add"}
    proposed = desk.do(lambda c: operators.propose(c, desk.mia, wish))
    assert isinstance(desk.approve(proposed, by=desk.otto), Refused), "otto is a checker of another account"
    desk.operator(number, "otto", "checker")
    assert isinstance(desk.approve(proposed, by=desk.otto), Answer)
    shown = desk.do(lambda c: operators.show(c, desk.mia, number)).body["operators"]
    assert [(o["login"], o["right"], o["granted_by"]) for o in shown] == [
        ("mia", "maker", "bob"),
        ("otto", "checker", "bob"),
        ("zoe", "view", "otto"),
    ]


def test_a_change_that_is_turned_down_changes_nothing(desk: Any) -> None:
    number = desk.account()
    proposed = desk.propose(number, "suspend")
    task = str(proposed.body["id"])
    desk.do(lambda c: approvals.reject(c, desk.bob, task, {"reason": "no"}, accounts.UNDOERS))
    assert desk.show(number)["state"] == "OPEN"
    assert desk.history(number) == []

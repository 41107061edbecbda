"""The session rules, one test each, in both roles, without a socket or a clock."""

from __future__ import annotations

import pytest

from core.exchange.framer import frame
from core.exchange.session import HEARTBEAT_S, Session, State
from core.exchange.wire import (
    Framer,
    Heartbeat,
    Logon,
    Logout,
    Message,
    Reject,
    ResendRequest,
    SequenceReset,
    TestRequest,
    TradeRefused,
    decode,
    encode,
    split,
)

APPLICATION = TradeRefused("20210716", 1, "T1", 99, "no")


class Peer:
    """The other end of a session under test: says what a test wants said, and reads what comes."""

    def __init__(self, *, initiator: bool, logged_on: bool = True) -> None:
        self.now = 0.0
        self.session = Session(ours="US", theirs="PEER", initiator=initiator, now=0.0)
        self.seq = 1
        self._framer = Framer()
        if logged_on:
            self.say(Logon(5))
            assert self.session.state is State.UP
            assert self.heard() == [Logon(5)]

    def say(self, message: Message, **header: object) -> list[Message]:
        values = {"seq": self.seq, "sender": "PEER", "target": "US", "sent_at": "20210716-01:30:00.000"} | header
        self.seq += 1
        return self.session.receive(encode(message, **values), self.now)  # type: ignore[arg-type]

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += 0.25
            self.session.tick(self.now)

    def heard(self) -> list[Message]:
        return [message for _, message in self.numbered()]

    def numbered(self) -> list[tuple[int, Message]]:
        found = []
        for body in self._framer.feed(self.session.take()):
            header, fields, group = split(body)
            found.append((header.seq or 0, decode(header.msg_type, fields, group)))
        return found


@pytest.fixture(params=[True, False], ids=["initiator", "acceptor"])
def peer(request: pytest.FixtureRequest) -> Peer:
    return Peer(initiator=request.param)


def test_the_initiator_speaks_first_and_the_acceptor_answers() -> None:
    dialling, accepting = Peer(initiator=True, logged_on=False), Peer(initiator=False, logged_on=False)
    assert (dialling.heard(), accepting.heard()) == ([Logon(5)], [])
    accepting.say(Logon(5))
    assert accepting.heard() == [Logon(5)]


def test_application_messages_are_passed_on_in_order(peer: Peer) -> None:
    assert peer.say(APPLICATION) == [APPLICATION]
    assert peer.heard() == []


@pytest.mark.parametrize("logon", [Logon(5, reset=False), Logon(5, next_expected=2), Logon(0)])
def test_a_logon_without_reset_and_next_number_one_is_refused(logon: Logon) -> None:
    peer = Peer(initiator=False, logged_on=False)
    peer.say(logon)
    assert isinstance(peer.heard()[0], Logout)
    assert peer.session.state is State.LEAVING


def test_a_first_message_that_is_no_logon_ends_the_connection() -> None:
    peer = Peer(initiator=False, logged_on=False)
    peer.say(Heartbeat())
    assert (peer.session.state, peer.heard()) == (State.DOWN, [])


def test_a_connection_without_a_logon_is_dropped_after_a_while() -> None:
    peer = Peer(initiator=False, logged_on=False)
    peer.wait(11)
    assert peer.session.state is State.DOWN


def test_a_second_logon_ends_the_session(peer: Peer) -> None:
    peer.say(Logon(5))
    assert peer.heard() == [Logout("second logon")]


def test_a_wrong_comp_id_is_rejected_and_ends_the_session(peer: Peer) -> None:
    peer.say(Heartbeat(), sender="SOMEBODY")
    reject, logout = peer.heard()
    assert isinstance(reject, Reject)
    assert (reject.code, isinstance(logout, Logout)) == (9, True)


@pytest.mark.parametrize("seq", [1, 9])
def test_a_number_out_of_order_ends_the_session(peer: Peer, seq: int) -> None:
    """Recovery lives in the application sequence: no session resend can lead to a loop."""
    assert peer.say(APPLICATION, seq=seq) == []
    assert isinstance(peer.heard()[0], Logout)
    assert peer.session.state is State.LEAVING


def test_a_message_seen_before_that_says_so_is_dropped(peer: Peer) -> None:
    assert peer.say(APPLICATION, seq=1, poss_dup=True) == []
    assert (peer.heard(), peer.session.state) == ([], State.UP)


def test_a_missing_number_ends_the_session(peer: Peer) -> None:
    assert peer.say(APPLICATION, seq="") == []
    assert peer.heard() == [Logout("MsgSeqNum is missing")]


def test_a_resend_request_is_answered_with_one_gap_fill(peer: Peer) -> None:
    peer.session.send(APPLICATION, peer.now)
    peer.session.send(APPLICATION, peer.now)
    peer.heard()
    peer.say(ResendRequest(1))
    assert peer.numbered() == [(1, SequenceReset(4))]
    peer.session.send(APPLICATION, peer.now)
    assert peer.numbered() == [(4, APPLICATION)]


def test_a_resend_request_for_what_was_never_sent_is_rejected(peer: Peer) -> None:
    peer.say(ResendRequest(99))
    assert isinstance(peer.heard()[0], Reject)


@pytest.mark.parametrize("gap_fill", [True, False])
def test_a_sequence_reset_moves_the_expected_number_on(peer: Peer, gap_fill: bool) -> None:  # noqa: FBT001
    peer.say(SequenceReset(40, gap_fill=gap_fill))
    assert peer.say(APPLICATION, seq=40) == [APPLICATION]


def test_a_sequence_reset_never_goes_back(peer: Peer) -> None:
    peer.say(SequenceReset(1))
    assert isinstance(peer.heard()[0], Reject)
    assert peer.say(APPLICATION) == [APPLICATION]


def test_silence_of_ours_is_filled_with_heartbeats(peer: Peer) -> None:
    peer.wait(HEARTBEAT_S)
    assert peer.heard() == [Heartbeat()]


def test_a_silent_peer_is_asked_and_then_dropped(peer: Peer) -> None:
    peer.wait(6.25)
    assert isinstance(peer.heard()[-1], TestRequest)
    peer.wait(6)
    assert peer.session.state is State.DOWN
    assert "silent" in peer.session.reason


def test_a_peer_that_answers_the_test_request_stays(peer: Peer) -> None:
    peer.wait(6.25)
    asked = peer.heard()[-1]
    assert isinstance(asked, TestRequest)
    peer.say(Heartbeat(asked.test_id))
    peer.wait(6)
    assert peer.session.state is State.UP


def test_silence_while_we_do_not_read_proves_nothing(peer: Peer) -> None:
    peer.session.paused = True
    peer.wait(60)
    assert peer.session.state is State.UP
    peer.session.resume(peer.now)
    peer.wait(5)
    assert peer.session.state is State.UP


def test_a_test_request_is_answered_with_its_id(peer: Peer) -> None:
    peer.say(TestRequest("hello"))
    assert peer.heard() == [Heartbeat("hello")]


def test_a_logout_is_answered_and_ends_the_session(peer: Peer) -> None:
    peer.say(Logout("good night"))
    assert peer.heard() == [Logout()]
    assert (peer.session.state, peer.session.reason) == (State.DOWN, "logged out: good night")


def test_a_logout_that_is_not_answered_ends_the_session_too(peer: Peer) -> None:
    peer.session.logout("we leave", peer.now)
    peer.wait(3)
    assert peer.session.state is State.DOWN


def test_an_unknown_message_type_is_rejected_and_its_number_taken(peer: Peer) -> None:
    data = encode(Heartbeat(), seq=2, sender="PEER", target="US", sent_at="x").replace(b"35=0", b"35=8")
    peer.session.receive(frame(data[data.index(b"35=") : -7]), peer.now)
    reject = peer.heard()[0]
    assert isinstance(reject, Reject)
    assert reject.code == 11
    peer.seq = 3
    assert peer.say(APPLICATION) == [APPLICATION]


def test_garbled_messages_take_no_number_and_too_many_end_the_session(peer: Peer) -> None:
    peer.session.receive(b"8=FIXT.1.1\x019=5\x0135=0\x0110=000\x01", peer.now)
    assert peer.say(APPLICATION) == [APPLICATION]
    assert peer.session.garbled == 1
    for _ in range(25):
        peer.session.receive(b"noise" + encode(Heartbeat(), seq=peer.seq, sender="PEER", target="US", sent_at=""), 0.0)
        peer.seq += 1
    assert peer.session.state is State.DOWN

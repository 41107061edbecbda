"""The published client: definite answers are final, everything else is tried again under the same key."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from ha.client import Answer, NoAnswerError, RegistryClient

Reply = Callable[["_Handler"], None]


@dataclass
class Server:
    """A registry of one's own: answers from a list, one reply a request, the last one for ever."""

    replies: list[Reply]
    url: str = ""
    seen: list[dict[str, str]] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    server_of_test: ClassVar[Server]
    protocol_version = "HTTP/1.1"
    timeout = 5

    def do_GET(self) -> None:
        self.reply()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.reply()

    def reply(self) -> None:
        own = self.server_of_test
        own.seen.append({"path": self.path, **self.headers})
        reply = own.replies.pop(0) if len(own.replies) > 1 else own.replies[0]
        reply(self)

    def log_message(self, *_: object) -> None:
        pass


def answer(status: int, body: Any = None, **headers: str) -> Reply:
    def reply(handler: _Handler) -> None:
        content = json.dumps(body).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return reply


def hang_up(handler: _Handler) -> None:
    """What Toxiproxy does when its upstream is dead: the connection was accepted, and is closed."""
    handler.close_connection = True


def silence(handler: _Handler) -> None:
    time.sleep(2)
    handler.close_connection = True


@contextmanager
def serving(*replies: Reply) -> Iterator[Server]:
    server = Server(list(replies))
    handler = type("Handler", (_Handler,), {"server_of_test": server})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def ask(*servers: Server | str, path: str = "/v1/transfers", times: int = 1, **limits: float) -> list[Answer]:
    addresses = [server if isinstance(server, str) else server.url for server in servers]

    async def go() -> list[Answer]:
        async with RegistryClient(addresses, lambda: "token", **limits) as client:
            return [await client.request("POST", path, json={"amount": 1}, key=f"k{n}") for n in range(times)]

    return asyncio.run(go())


NOBODY = "http://127.0.0.1:9"


def test_a_write_without_a_key_is_never_sent() -> None:
    async def go() -> None:
        async with RegistryClient([NOBODY], "token") as client:
            await client.request("POST", "/v1/transfers", json={})

    with pytest.raises(ValueError, match="Idempotency-Key"):
        asyncio.run(go())


@pytest.mark.parametrize("status", [200, 201, 202, 400, 401, 403, 404, 409, 422, 500])
def test_a_definite_answer_is_handed_back_at_once(status: int) -> None:
    with serving(answer(status, {"code": "x"})) as server:
        found = ask(server)[0]

    assert (found.status, found.body, found.retries) == (status, {"code": "x"}, 0)
    assert len(server.seen) == 1


@pytest.mark.parametrize("first", [answer(502), answer(503), answer(504), hang_up], ids=["502", "503", "504", "closed"])
def test_anything_else_is_tried_on_the_next_address_under_the_same_key(first: Reply) -> None:
    with serving(first) as one, serving(answer(201, {"id": "t"})) as other:
        found = ask(one, other)[0]

    assert (found.status, found.retries) == (201, 1)
    assert [seen["Idempotency-Key"] for seen in one.seen + other.seen] == ["k0", "k0"]
    assert other.seen[0]["Authorization"] == "Bearer token"
    assert other.seen[0]["Prefer"].startswith("wait=")


def test_an_address_where_nobody_listens_is_left_for_the_other_and_not_asked_first_again() -> None:
    with serving(answer(201)) as server:
        found = ask(NOBODY, server, times=3)

    assert [entry.retries for entry in found] == [1, 0, 0]


def test_a_silent_address_is_left_after_the_time_of_one_try() -> None:
    with serving(silence) as dead, serving(answer(201)) as alive:
        found = ask(dead, alive, try_s=0.5, hold_s=0.2)[0]

    assert found.status == 201
    assert 0.5 <= found.elapsed_s < 1.9


def test_the_server_says_how_long_to_wait_before_the_next_try() -> None:
    with serving(answer(503, None, Retry_After="1"), answer(201)) as server:
        found = ask(server)[0]

    assert found.status == 201
    assert 1.0 <= found.elapsed_s < 2.5


def test_all_tries_together_are_bounded() -> None:
    with serving(answer(503)) as server, pytest.raises(NoAnswerError, match="no definite answer") as caught:
        ask(server, NOBODY, within_s=1.0)

    assert caught.value.elapsed_s < 1.5
    assert caught.value.retries >= 1
    assert {seen["Idempotency-Key"] for seen in server.seen} == {"k0"}


def test_the_hold_asked_for_is_shorter_than_the_try() -> None:
    with serving(answer(201)) as server:
        ask(server, within_s=10.0, try_s=29.0, hold_s=26.0)

    assert server.seen[0]["Prefer"] in {"wait=6", "wait=7"}


def test_an_answer_that_is_not_json_is_still_an_answer() -> None:
    def plain(handler: _Handler) -> None:
        handler.send_response(404)
        handler.send_header("Content-Length", "4")
        handler.end_headers()
        handler.wfile.write(b"none")

    with serving(plain) as server:
        assert ask(server)[0].body == {"text": "none"}

"""The wrapper around toxiproxy-python, against a real Toxiproxy and against one that lies."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from toxiproxy import Toxiproxy

import chaos.toxics
from chaos.toxics import FaultDidNotBiteError, Toxics, ToxiproxyError
from deploy.binaries import program
from deploy.ports import free_port


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """Something that accepts connections."""
    listener = socket.create_server(("127.0.0.1", 0))
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A real Toxiproxy server that this module owns."""
    port = free_port("127.0.0.1")
    process = subprocess.Popen(
        [str(program("toxiproxy-server")), "-host", "127.0.0.1", "-port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 10
    while True:
        try:
            Toxics(url).state()
            break
        except ToxiproxyError:
            assert time.monotonic() < deadline, "toxiproxy-server does not answer"
            time.sleep(0.05)
    yield url
    process.terminate()
    process.wait(10)


@pytest.fixture
def toxics(server: str, upstream: str) -> Iterator[tuple[Toxics, str]]:
    """A wrapper with one proxy, named ``line``, and the address the proxy listens on."""
    wrapped = Toxics(server)
    wrapped.state()
    proxy = Toxiproxy().create(upstream=upstream, name="line", listen="127.0.0.1:0")
    yield wrapped, proxy.listen
    wrapped.state()
    proxy.destroy()


def connects(address: str) -> bool:
    host, _, port = address.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError:
        return False
    return True


def test_a_cut_is_read_back_and_really_cuts(toxics: tuple[Toxics, str]) -> None:
    wrapped, listen = toxics
    assert connects(listen)

    assert wrapped.down(["line"]) == {"line": False}

    assert not connects(listen)
    assert wrapped.state() == {"line": False}
    assert wrapped.up(["line"]) == {"line": True}
    assert connects(listen)


def test_a_toxic_is_read_back_and_counts_as_not_letting_through(toxics: tuple[Toxics, str]) -> None:
    wrapped, _ = toxics

    wrapped.add_toxic("line", "latency", latency=300, jitter=10)

    assert wrapped.state() == {"line": False}
    wrapped.remove_toxic("line", "latency")
    assert wrapped.state() == {"line": True}


def test_a_fault_on_a_proxy_that_is_not_there_did_not_bite(toxics: tuple[Toxics, str]) -> None:
    with pytest.raises(FaultDidNotBiteError, match="no proxy ghost"):
        toxics[0].down(["ghost"])


class _Liar(BaseHTTPRequestHandler):
    """Shows one healthy proxy, fails every order with the status of the test."""

    status = 500

    def do_GET(self) -> None:
        proxy = '{"name":"line","listen":"127.0.0.1:1","upstream":"127.0.0.1:2","enabled":true,"toxics":[]}'
        self.answer(200, "[]" if self.path.endswith("/toxics") else f'{{"line":{proxy}}}')

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.answer(self.status, "{}")

    def answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def liar() -> Iterator[tuple[str, type[_Liar]]]:
    """A Toxiproxy that does not do as it is told."""
    handler = type("Handler", (_Liar,), {})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{http.server_address[1]}", handler
    http.shutdown()
    http.server_close()
    thread.join()


def test_a_status_500_that_the_library_swallows_is_an_error(liar: tuple[str, type[_Liar]]) -> None:
    with pytest.raises(ToxiproxyError, match="status 500"):
        Toxics(liar[0]).down(["line"])


def test_an_order_that_is_acknowledged_and_not_carried_out_did_not_bite(liar: tuple[str, type[_Liar]]) -> None:
    url, handler = liar
    handler.status = 200

    with pytest.raises(FaultDidNotBiteError, match="line are not down"):
        Toxics(url).down(["line"])
    with pytest.raises(FaultDidNotBiteError, match="latency is not on"):
        Toxics(url).add_toxic("line", "latency", latency=100)


def test_a_server_that_says_nothing_does_not_hang_the_drill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chaos.toxics, "CALL_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        begun = time.monotonic()
        with pytest.raises(ToxiproxyError):
            Toxics(f"http://127.0.0.1:{listener.getsockname()[1]}").state()

    assert time.monotonic() - begun < 2


def test_an_address_without_a_port_is_refused() -> None:
    with pytest.raises(ValueError, match="http://host:port"):
        Toxics("http://127.0.0.1")

"""A table that is sent again is sent whole again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from deploy.operate import upload
from deploy.operate.session import Session

received: list[bytes] = []


class Twice(BaseHTTPRequestHandler):
    """Has no primary the first time."""

    def do_POST(self) -> None:
        received.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(503 if len(received) == 1 else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    received.clear()
    server = HTTPServer(("127.0.0.1", 0), Twice)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_try_sends_the_whole_file(address: str, tmp_path: Path) -> None:
    content = b"account,tonnes\n" + b"E42-00001001-60,5\n" * 10_000
    (tmp_path / "plan.csv").write_bytes(content)
    registry = Session([address], "token")
    answer = upload.send(registry, "/v1/allocations/csv", tmp_path / "plan.csv", "text/csv", key="k")
    registry.close()
    assert (answer.status, answer.retries) == (200, 1)
    assert received == [content, content]

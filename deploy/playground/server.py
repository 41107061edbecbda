"""The control socket: status for everybody on this machine, power and faults for those who hold the token."""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from deploy.playground.healing import LinkHealer
from deploy.playground.supervisor import Supervisor, UnknownNameError

Body = Mapping[str, Any]


class WrongBodyError(Exception):
    """The request's body is not what the route needs."""


@dataclass(frozen=True, slots=True)
class Routes:
    """What the socket answers with."""

    token: str
    reads: Mapping[str, Callable[[], dict[str, Any]]]
    orders: Mapping[str, Callable[[Body], dict[str, Any]]]


def orders_of(
    supervisor: Supervisor, healer: LinkHealer, shutdown: Callable[[], None]
) -> dict[str, Callable[[Body], dict[str, Any]]]:
    """Bind each order to the supervisor, or to the healer of links."""

    def power_off(body: Body) -> dict[str, Any]:
        heal = body.get("heal_after_s")
        killed = supervisor.power_off(_text(body, "node"), heal_after_s=None if heal is None else float(heal))
        return {"node": body["node"], "killed": killed, "heal_after_s": heal}

    def power_on(body: Body) -> dict[str, Any]:
        supervisor.power_on(_text(body, "node"))
        return {"node": body["node"]}

    def kill(body: Body) -> dict[str, Any]:
        return {"pid": supervisor.kill(pid=body.get("pid"), service=body.get("service"))}

    def pause(body: Body) -> dict[str, Any]:
        for_s = body.get("for_s")
        if not isinstance(for_s, int | float) or for_s <= 0:
            raise WrongBodyError("for_s is a number of seconds above zero")
        return {"stopped": supervisor.pause(for_s=float(for_s), pid=body.get("pid"), node=body.get("node"))}

    def heal_links(body: Body) -> dict[str, Any]:
        links, after_s = body.get("links"), body.get("after_s")
        if not isinstance(links, list) or not all(isinstance(link, str) for link in links):
            raise WrongBodyError("links is a list of names")
        healer.heal_later(links, None if after_s is None else float(after_s))
        return {"links": links, "after_s": after_s}

    def stop(_: Body) -> dict[str, Any]:
        shutdown()
        return {"stopping": True}

    return {
        "/power-off": power_off,
        "/power-on": power_on,
        "/kill": kill,
        "/pause": pause,
        "/heal-links": heal_links,
        "/shutdown": stop,
    }


def _text(body: Body, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise WrongBodyError(f"{name} is missing")
    return value


def _object(text: bytes) -> Body:
    body = json.loads(text or b"{}")
    if not isinstance(body, dict):
        raise WrongBodyError("the body is a JSON object")
    return body


class _Handler(BaseHTTPRequestHandler):
    """Answers JSON, one object a request."""

    routes: ClassVar[Routes]
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        """Answer a read."""
        read = self.routes.reads.get(self.path.partition("?")[0])
        if read is None:
            self._answer(404, {"error": f"nothing at {self.path}"})
        else:
            self._answer(200, read())

    def do_POST(self) -> None:
        """Obey an order, if the caller may give it."""
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        given = self.headers.get("Authorization", "").encode()
        order = self.routes.orders.get(self.path)
        if not hmac.compare_digest(given, f"Bearer {self.routes.token}".encode()):
            self._answer(401, {"error": "the token in control.json is needed"})
        elif order is None:
            self._answer(404, {"error": f"nothing at {self.path}"})
        else:
            self._obey(order, text)

    def _obey(self, order: Callable[[Body], dict[str, Any]], text: bytes) -> None:
        try:
            answer = order(_object(text))
        except (ValueError, TypeError, WrongBodyError) as error:
            self._answer(400, {"error": str(error)})
        except (UnknownNameError, ProcessLookupError) as error:
            self._answer(404, {"error": str(error)})
        else:
            self._answer(200, answer)

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing: twice a second somebody asks."""


class ControlServer(ThreadingHTTPServer):
    """Listens on the runner's address; OSError when it is taken."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], routes: Routes) -> None:
        super().__init__(address, type("Handler", (_Handler,), {"routes": routes}))

    def start(self) -> None:
        """Serve in a thread."""
        threading.Thread(target=self.serve_forever, name="control", daemon=True).start()

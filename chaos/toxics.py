"""Toxiproxy by way of toxiproxy-python, made trustworthy: every call bounded, checked, and its effect read back.

The library has no timeouts, takes an HTTP 500 for success and keeps one server address for the whole process.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import toxiproxy.api
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed
from toxiproxy import Toxiproxy

CALL_S = 3.0
"""One call to the Toxiproxy server, which answers within milliseconds when it answers at all."""


class FaultDidNotBiteError(Exception):
    """A fault was ordered and is not there: whatever the drill shows afterwards proves nothing."""


class ToxiproxyError(Exception):
    """The Toxiproxy server did not answer, or answered with an error."""


class _Bounded:
    """Stands where the library imports ``requests``: adds the timeout and the look at the status it leaves out."""

    def __init__(self, requests: Any) -> None:
        self._requests = requests

    def get(self, **arguments: Any) -> Any:
        return self._checked(self._requests.get, arguments)

    def post(self, **arguments: Any) -> Any:
        return self._checked(self._requests.post, arguments)

    def delete(self, **arguments: Any) -> Any:
        return self._checked(self._requests.delete, arguments)

    def _checked(self, call: Any, arguments: Mapping[str, Any]) -> Any:
        try:
            response = call(**{"timeout": CALL_S, **arguments})
        except self._requests.exceptions.RequestException as error:
            raise ToxiproxyError(f"{arguments['url']}: {error}") from error
        if response.status_code >= 500:
            raise ToxiproxyError(f"{arguments['url']}: status {response.status_code} {response.text[:200]}")
        return response


def _bound_the_library() -> None:
    if not isinstance(toxiproxy.api.requests, _Bounded):
        toxiproxy.api.requests = _Bounded(toxiproxy.api.requests)


class Toxics:
    """The proxies of one Toxiproxy server. The library talks to one server at a time; each call says which."""

    _lock = threading.RLock()  # a healing timer and the drill may both be at it
    _address: tuple[str, int] | None = None

    def __init__(self, url: str) -> None:
        parts = urlsplit(url if "//" in url else f"//{url}")
        if parts.hostname is None or parts.port is None:
            raise ValueError(f"a Toxiproxy address is http://host:port, got {url!r}")
        self._server = Toxiproxy()
        self._own = (parts.hostname, parts.port)
        _bound_the_library()

    def state(self) -> dict[str, bool]:
        """Tell for each proxy whether it lets traffic through: enabled and without a toxic."""
        with self._lock:
            self._point_library_here()
            return {name: bool(proxy.enabled) and not proxy.toxics() for name, proxy in self._server.proxies().items()}

    def down(self, names: Iterable[str]) -> dict[str, bool]:
        """Cut the named proxies and return what was read back; FaultDidNotBiteError when one still listens."""
        return self._set(list(names), up=False)

    def up(self, names: Iterable[str]) -> dict[str, bool]:
        """Let traffic through the named proxies again; FaultDidNotBiteError when one stays cut."""
        return self._set(list(names), up=True)

    def add_toxic(self, proxy: str, kind: str, **attributes: int) -> None:
        """Add a toxic of that kind, named after it; FaultDidNotBiteError when it cannot be read back."""
        with self._lock:
            self._proxy(proxy).add_toxic(type=kind, name=kind, attributes=attributes)
            found = self._proxy(proxy).get_toxic(kind)
            if found is None or any(found.attributes.get(name) != value for name, value in attributes.items()):
                raise FaultDidNotBiteError(f"toxic {kind} is not on proxy {proxy}")

    def remove_toxic(self, proxy: str, kind: str) -> None:
        """Take a toxic off; FaultDidNotBiteError when it is still there."""
        with self._lock:
            if self._proxy(proxy).get_toxic(kind) is not None:
                self._proxy(proxy).destroy_toxic(kind)
            if self._proxy(proxy).get_toxic(kind) is not None:
                raise FaultDidNotBiteError(f"toxic {kind} is still on proxy {proxy}")

    def _set(self, names: list[str], *, up: bool) -> dict[str, bool]:
        with self._lock:
            for name in names:
                proxy = self._proxy(name)
                _a_few_times(proxy.enable if up else proxy.disable)
            self._point_library_here()
            found = {name: bool(proxy.enabled) for name, proxy in self._server.proxies().items() if name in names}
        wrong = [name for name in names if found.get(name) is not up]
        if wrong:
            raise FaultDidNotBiteError(f"proxies {', '.join(wrong)} are not {'up' if up else 'down'}")
        return found

    def _proxy(self, name: str) -> Any:
        self._point_library_here()
        proxy = self._server.get_proxy(name)
        if proxy is None:
            raise FaultDidNotBiteError(f"there is no proxy {name}")
        return proxy

    def _point_library_here(self) -> None:
        if Toxics._address != self._own:
            self._server.update_api_consumer(*self._own)
            Toxics._address = self._own


def _a_few_times(call: Any) -> None:
    """Switching a proxy is idempotent, and a busy machine may let one call time out."""
    for attempt in Retrying(
        retry=retry_if_exception_type(ToxiproxyError), stop=stop_after_attempt(3), wait=wait_fixed(0.2), reraise=True
    ):
        with attempt:
            call()

"""Client of the playground's runner: the only way in which drills touch processes."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

STATE_VARIABLE = "REGISTRY_PLAYGROUND_STATE"
DEFAULT_STATE = Path("out/playground")
TIMEOUT_S = 15.0
"""Killing every process of a node takes under a second; a busy machine gets some more."""


class NoPlaygroundError(Exception):
    """No playground runs in this state folder."""


class ControlRefusedError(Exception):
    """The runner answered no: an unknown node, a process that is not its own."""


@dataclass(frozen=True, slots=True)
class Control:
    """One running playground."""

    url: str
    token: str

    def status(self) -> dict[str, Any]:
        """Return nodes, links, services and endpoints as of the last second."""
        return self._send("GET", "/status")

    def progress(self) -> dict[str, Any]:
        """Return how far the start is."""
        return self._send("GET", "/progress")

    def power_off(self, node: str, *, heal_after_s: float | None = None) -> dict[str, Any]:
        """Kill every process of a node at once, as a power cut would; the runner heals it by itself if asked to."""
        return self._send("POST", "/power-off", {"node": node, "heal_after_s": heal_after_s})

    def power_on(self, node: str) -> dict[str, Any]:
        """Start the node's processes again."""
        return self._send("POST", "/power-on", {"node": node})

    def kill(self, target: int | str) -> dict[str, Any]:
        """SIGKILL one process: a pid, or a service by name."""
        return self._send("POST", "/kill", {"pid" if isinstance(target, int) else "service": target})

    def pause(self, target: int | str, *, for_s: float) -> dict[str, Any]:
        """Stop a node or a pid for a while without ending it; the runner lets it go on."""
        return self._send("POST", "/pause", {"pid" if isinstance(target, int) else "node": target, "for_s": for_s})

    def heal_links(self, links: Sequence[str], *, after_s: float | None) -> dict[str, Any]:
        """Have the runner mend cut links after a while, in case whoever cut them dies; None calls that off."""
        return self._send("POST", "/heal-links", {"links": list(links), "after_s": after_s})

    def shutdown(self) -> dict[str, Any]:
        """Ask for an ordered stop of everything; returns at once."""
        return self._send("POST", "/shutdown")

    def _send(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            answer = httpx.request(method, self.url + path, json=body, headers=headers, timeout=TIMEOUT_S)
        except httpx.HTTPError as error:
            raise NoPlaygroundError(f"the playground does not answer at {self.url}: {error}") from error
        if answer.status_code >= 400:
            raise ControlRefusedError(answer.json().get("error", answer.text))
        found: dict[str, Any] = answer.json()
        return found


def state_folder() -> Path:
    """Return the folder of the playground that is meant: the named one, else the one under the current folder."""
    return Path(os.environ.get(STATE_VARIABLE, DEFAULT_STATE))


def find(state: Path | None = None) -> Control:
    """Find the playground of a state folder: the given one, else the one that is meant."""
    folder = state or state_folder()
    try:
        entry = json.loads((folder / "control.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NoPlaygroundError(f"no playground runs in {folder}: start one with `registry up`") from None
    except (OSError, ValueError) as error:
        raise NoPlaygroundError(f"{folder}/control.json cannot be read: {error}") from error
    return Control(entry["url"], entry["token"])


def status() -> dict[str, Any]:
    """Return the status of the running playground."""
    return find().status()


def power_off(node: str, *, heal_after_s: float | None = None) -> dict[str, Any]:
    """Cut a node's power."""
    return find().power_off(node, heal_after_s=heal_after_s)


def power_on(node: str) -> dict[str, Any]:
    """Give a node its power back."""
    return find().power_on(node)

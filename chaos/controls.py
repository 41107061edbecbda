"""A Chaos Toolkit control: notes every activity of an experiment into the drill's history."""

from __future__ import annotations

from typing import Any

from chaos.session import recording


def before_activity_control(context: dict[str, Any], **_: Any) -> None:
    """Note that an activity begins."""
    _note("begins", context, None)


def after_activity_control(context: dict[str, Any], state: dict[str, Any], **_: Any) -> None:
    """Note how an activity ended."""
    _note("ended", context, state)


def _note(what: str, context: dict[str, Any], state: dict[str, Any] | None) -> None:
    history = recording()
    if history is not None:
        value = {"activity": context.get("name"), "type": context.get("type"), "status": (state or {}).get("status")}
        history.note("drill", "info", f"activity-{what}", value)

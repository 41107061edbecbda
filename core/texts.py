"""What text the registry takes: short ones that can be stored and printed."""

from __future__ import annotations

from typing import TypeGuard


def is_plain_text(value: object, longest: int = 200) -> TypeGuard[str]:
    """Tell whether this is a short text that can be stored and printed: no control characters, not blank."""
    if not isinstance(value, str) or len(value) > longest:
        return False
    return bool(value.strip()) and value.replace("\u3000", " ").isprintable()  # a full-width space is ordinary here

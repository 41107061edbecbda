"""A CSV file as the body of a request: how it is described, which encodings it may have, how it is kept with a task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request

from core.refusals import Reason, Refused, RefusedError

CHARSETS = {"utf-8": "utf-8", "utf8": "utf-8", "gb18030": "gb18030", "gbk": "gb18030", "gb2312": "gb18030"}
"""By what a caller may write; GB18030 holds all that GBK and GB 2312 hold."""


def described(required: Sequence[str], optional: Sequence[str], *, example: str, limits: str) -> dict[str, Any]:
    """Describe such a body for the published description."""
    says = (
        "UTF-8 with or without byte order mark, or what `charset` says (gb18030). The first line names the columns: "
        f"{', '.join(required)}; if need be {', '.join(optional)}. {limits}"
    )
    content = {"text/csv": {"schema": {"type": "string", "description": says}, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def encoding_of(request: Request) -> str:
    """Return in which encoding the file is; refused is a body that does not say that it is CSV."""
    media_type, _, said = request.headers.get("content-type", "").partition(";")
    name, _, value = said.strip().partition("=")
    charset = value.strip().strip('"').lower() if name.strip().lower() == "charset" else "utf-8"
    if media_type.strip().lower() != "text/csv" or charset not in CHARSETS:
        raise RefusedError(Refused(Reason.MALFORMED, "A file is text/csv, in UTF-8 or with charset=gb18030."))
    return CHARSETS[charset]


async def kept(request: Request) -> dict[str, str]:
    """Return a file as part of a command's body: its bytes as Latin-1, and its encoding where that is not UTF-8."""
    encoding = encoding_of(request)
    content = {"csv": (await request.body()).decode("latin-1")}
    return content if encoding == "utf-8" else content | {"charset": encoding}

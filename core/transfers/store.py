"""The one statement that carries out a transfer by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import Connection

# One round trip and one commit. The fingerprint comes as bytes, the rest as it stands in the request.
PLAINLY = """
SELECT transfer_plainly(%(caller)s::text, %(key)s::text, %(fingerprint)s::bytea, %(id)s::text, %(giver)s::text,
                        %(taker)s::text, %(asset)s::text, %(amount)s::bigint)
"""


def plainly(connection: Connection[Any], **facts: object) -> Mapping[str, Any] | None:
    """Carry out a transfer of which nothing is unusual; None: nothing was done, and the service must decide.

    ``connection`` is psycopg's, in autocommit: the statement is the transaction.
    """
    row = connection.execute(PLAINLY, facts, prepare=True).fetchone()
    return None if row is None else row[0]

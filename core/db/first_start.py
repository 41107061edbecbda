"""Makes roles, database and tables on the current primary, as soon as there is one; ends when that is done."""

from __future__ import annotations

from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from core.db.errors import is_gone
from core.db.migrate import upgrade
from core.db.prepare import Passwords, prepare
from core.settings import FirstStart

PATIENCE_S = 120.0
"""A cluster that starts for the first time has a primary within ten seconds; a busy machine gets twelve times that."""
LIMITS = "?connect_timeout=3&target_session_attrs=read-write&load_balance_hosts=random"


def make_ready(admin_dsn: str, owner_dsn: str, passwords: Passwords, *, patience_s: float = PATIENCE_S) -> None:
    """Prepare and migrate; the whole again when the primary changes in between: twice changes nothing."""
    patiently = Retrying(
        retry=retry_if_exception(is_gone), stop=stop_after_delay(patience_s), wait=wait_fixed(0.2), reraise=True
    )
    for attempt in patiently:
        with attempt:
            prepare(admin_dsn + LIMITS, passwords)
            upgrade(owner_dsn)


def main() -> None:
    """Take addresses and passwords from the environment, where no other user can read them."""
    given = FirstStart()
    passwords = Passwords(given.owner_password, given.app_password, given.drill_password)
    make_ready(given.admin_dsn, given.owner_dsn, passwords)

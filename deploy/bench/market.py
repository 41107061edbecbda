"""The accounts that the benchmarks use, opened and funded over the endpoint as anybody would."""

from __future__ import annotations

import uuid
from typing import Any

import httpx

from deploy.bench.ground import BenchError, Ground

ACCOUNTS = 10_000
FEN_EACH = 10_000_000
TONNES_EACH = 100_000
PRODUCT = "CEA-2019"
LINES_MAX = 20_000


class Market:
    """Opens accounts and gives them what they will move."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._run = uuid.uuid4().hex[:12]
        self._http = httpx.Client(base_url=ground.endpoints[0], timeout=180, trust_env=False)

    def open_accounts(self, count: int) -> list[str]:
        """Open accounts by two people; return their numbers."""
        opened: list[str] = []
        while len(opened) < count:
            lines = [
                {"name": f"Bench {self._run} {n}", "kind": "E", "province": "42"}
                for n in range(len(opened), min(count, len(opened) + LINES_MAX))
            ]
            task = self._propose("/v1/account-batches", {"accounts": lines})
            opened += [account["number"] for account in task["accounts"]]
        return opened

    def fund(self, accounts: list[str]) -> None:
        """Let the bank notify deposits, and allocate units."""
        entries = [{"account": number, "amount_fen": FEN_EACH} for number in accounts]
        told = httpx.post(
            f"{self._ground.bank}/sim/deposits",
            json={"message_id": f"BENCH-{self._run}", "entries": entries},
            timeout=180,
            trust_env=False,
        )
        _definite(told)
        lines = [{"account": number, "tonnes": TONNES_EACH} for number in accounts]
        self._propose("/v1/allocations", {"product": PRODUCT, "plan": f"Bench {self._run}", "lines": lines})

    def _propose(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        task = self._post("bench-maker", path, body)
        self._post("bench-checker", f"/v1/tasks/{task['id']}/approve", {})
        return task

    def _post(self, person: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {
            "Authorization": f"Bearer {self._ground.token(person)}",
            "Idempotency-Key": f"{self._run}-{uuid.uuid4().hex}",
        }
        return _definite(self._http.post(path, json=body, headers=headers))


def _definite(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_error:
        raise BenchError(f"{answer.request.url.path}: {answer.status_code} {answer.text[:300]}")
    found: dict[str, Any] = answer.json()
    return found

"""The published description is what the registry does: each operation, fed with anything, answers as it says."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from core.api.app import create_app
from core.api.auth import Verifier
from core.bootstrap import build_desk
from core.settings import Settings
from deploy.ports import free_port

ISSUER = "https://issuer.invalid"
EVERYTHING = (
    "maker", "checker", "operator", "auditor", "bank", "probe", "holder", "authority_maker", "authority_checker",
)  # fmt: skip
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

keys = itertools.count(1)


@pytest.fixture(scope="module")
def served(
    postgres: str, tmp_path_factory: pytest.TempPathFactory, public_key: bytes, token: Callable[..., str]
) -> Iterator[tuple[str, str]]:
    """A real server on a database of its own; its address, and a token of somebody who may do everything."""
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute("CREATE DATABASE described TEMPLATE registry OWNER registry_owner")
        admin.execute("ALTER ROLE registry_app IN DATABASE described SET search_path = registry")
    path = tmp_path_factory.mktemp("issuer") / "issuer.pub.pem"
    path.write_bytes(public_key)
    dsn = postgres.replace("postgres@", "registry_app@").replace("/postgres", "/described")
    facts = Settings(dsn=dsn, token_public_key=path, token_issuer=ISSUER, playground=True, hold_window_s=5)
    app, port = create_app(build_desk(facts), Verifier(public_key, issuer=ISSUER)), free_port("127.0.0.1")
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}", token("fuzzer", *EVERYTHING)
    server.should_exit = True
    thread.join(timeout=10)


described = create_app(build_desk(Settings()), Verifier(b"", issuer=ISSUER)).openapi()
published = schemathesis.openapi.from_dict(described)


@published.parametrize()
@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_every_operation_answers_as_it_is_described(case: Any, served: tuple[str, str]) -> None:
    address, bearer = served
    headers = {"Authorization": f"Bearer {bearer}", "Idempotency-Key": f"fuzz-{next(keys)}", "Prefer": "wait=5"}
    case.call_and_validate(base_url=address, headers=headers, checks=CHECKS, timeout=30)

"""What is published over HTTP is called alike everywhere: amounts, collections, cursors, dry runs, acts on a record."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from deploy.operate.description import operations

ACTS = {
    "approve", "close", "deduct", "realise", "reject", "release", "remove", "restrict", "resume", "reverse", "review",
    "suspend", "unrestrict", "withdraw",
}  # fmt: skip
"""What may be done with one record, by a POST to its address and this."""
SINGULAR = {"clock", "me", "report", "seal", "history"}
"""What there is one of."""
QUANTITIES = {("Trade", "quantity")}
"""Trades have a quantity, as the exchange says it."""
NUMBERS = {"/v1/days/{day}/trades"}
"""Cursors that were published as numbers."""
TONNES_OR_FEN = re.compile(r"quantity|volume|units|tons|amounts?_t")


@pytest.fixture(scope="module")
def document() -> Mapping[str, Any]:
    from core.api.app import create_app  # noqa: PLC0415  # as the commands read it
    from core.api.auth import Verifier  # noqa: PLC0415
    from core.bootstrap import build_desk  # noqa: PLC0415
    from core.settings import settings  # noqa: PLC0415

    found: Mapping[str, Any] = create_app(build_desk(settings()), Verifier(b"", issuer="")).openapi()
    return found


def schemas(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, schema in document["components"]["schemas"].items():
        yield name, schema.get("properties", {})


def test_an_amount_is_called_amount_and_units_alone_tonnes(document: Mapping[str, Any]) -> None:
    for name, fields in schemas(document):
        odd = {field for field in fields if TONNES_OR_FEN.fullmatch(field) and (name, field) not in QUANTITIES}
        assert not odd, (name, odd)
        if "amount" in fields:
            assert "asset" in fields or name in {"ReleaseEncumbrance", "Realise"}, f"{name}: an amount of which asset?"
        assert not {"from", "to"} & set(fields), f"{name}: days are from_day and to_day, accounts to_account"


def test_no_published_name_tells_of_our_files(document: Mapping[str, Any]) -> None:
    assert [name for name, _ in schemas(document) if "__" in name] == []


def test_a_body_that_names_a_product_says_tonnes(document: Mapping[str, Any]) -> None:
    for name, fields in schemas(document):
        assert not ("product" in fields and "amount" in fields), name


def test_a_list_goes_on_by_after_and_a_text_in_next(document: Mapping[str, Any]) -> None:
    for name, operation in operations().items():
        asked = {field.name for field in operation.of("query")}
        assert "before" not in asked, name
        answer = answered(document, name)
        if operation.method == "GET" and "next" in answer:
            assert {"after", "limit"} <= asked, name
            kinds = {one.get("type") for one in answer["next"].get("anyOf", [answer["next"]])}
            assert kinds == {"integer" if operation.path in NUMBERS else "string", "null"}, name
        elif "after" in asked:
            pytest.fail(f"{name} takes a cursor and gives none")


def test_every_dry_run_is_posted_beside_the_real_run_and_answers_in_one_form(document: Mapping[str, Any]) -> None:
    found = [name for name in operations() if name.endswith("/dry-run")]
    assert len(found) >= 10
    for name in found:
        assert name.startswith("POST "), name
        answer = answered(document, name)
        assert {"dry_run", "kind", "outcome"} <= set(answer), name
        assert answer["dry_run"].get("const") is True, name
    real = {name.removesuffix("/dry-run") for name in found} - {"POST /v1/allocations/{plan}"}
    assert real <= set(operations())


def test_collections_are_plural_and_acts_on_a_record_are_verbs() -> None:
    for operation in operations().values():
        if not operation.path.startswith("/v1/"):
            continue
        words = operation.path.removeprefix("/v1/").split("/")
        for place, word in enumerate(words):
            if word.startswith("{") or word in {"dry-run", "csv"}:
                continue
            if word in ACTS:
                assert (operation.method, place) == ("POST", len(words) - 1), operation.id
            else:
                assert word.endswith("s") or word in SINGULAR | {"trusted", "audit"}, operation.id


def answered(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the fields of an operation's good answer."""
    method, _, path = name.partition(" ")
    responses = document["paths"][path][method.lower()]["responses"]
    good = next((one for status, one in responses.items() if status.startswith("2")), {})
    schema = good.get("content", {}).get("application/json", {}).get("schema", {})
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    fields: Mapping[str, Any] = schema.get("properties", {})
    return fields

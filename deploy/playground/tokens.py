"""The playground's keys: the token issuer's, with bearer tokens for whoever asks, and the one that seals days."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from deploy.playground.state import State, write_private

ISSUER = "https://playground.registry.invalid"
LIFETIME_S = 30 * 24 * 3600

ROLES = {
    "operator": ["operator", "maker", "checker"],
    "bank": ["bank"],
    "probe": ["probe"],
    "auditor": ["auditor"],
    "maker": ["maker"],
    "checker": ["checker"],
    "ministry-maker": ["authority_maker"],
    "ministry-checker": ["authority_checker"],
}
"""Names with a role of their own; anybody else may propose and approve, and is nobody but himself."""

PROVINCE = re.compile(r"province-([0-9]{2})-(maker|checker)", re.ASCII)
HOLDER = re.compile(r"holder-.+")


def claims_of(name: str) -> dict[str, Any]:
    """Tell what somebody of this name is: ``province-42-maker`` of a province, ``holder-NAME`` of a subject."""
    known = name.lower()
    if (found := PROVINCE.fullmatch(known)) is not None:
        return {"roles": [f"authority_{found[2]}"], "province": found[1]}
    if HOLDER.fullmatch(known):
        return {"roles": ["holder"]}
    return {"roles": ROLES.get(known, ["maker", "checker"])}


def make_issuer(state: State) -> None:
    """Make the key pair once."""
    if state.issuer_key.exists() and state.issuer_public_key.exists():
        return
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    state.issuer_public_key.write_bytes(public)
    _write_key(state.issuer_key, key)


def make_sealing_key(state: State) -> None:
    """Make once the key that signs the seal of each market day."""
    if not state.sealing_key.exists():
        _write_key(state.sealing_key, Ed25519PrivateKey.generate())


def _write_key(path: Path, key: Ed25519PrivateKey) -> None:
    write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def mint(state: State, name: str, roles: list[str] | None = None) -> str:
    """Sign a bearer token for a caller of this name."""
    key = load_pem_private_key(state.issuer_key.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"the issuer's key is Ed25519, got {type(key)}")
    granted = {"roles": roles} if roles is not None else claims_of(name)
    claims = {"sub": name, **granted, "iss": ISSUER, "exp": int(time.time()) + LIFETIME_S}
    return jwt.encode(claims, key, algorithm="EdDSA")


def token_file(state: State, name: str, roles: list[str] | None = None) -> Path:
    """Leave a fresh token for one of our own processes and return its path."""
    path = state.token(name)
    write_private(path, mint(state, name, roles))
    return path

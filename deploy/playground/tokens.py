"""The playground's token issuer: one Ed25519 key pair, and bearer tokens for whoever asks on this machine."""

from __future__ import annotations

import time
from pathlib import Path

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
}
"""Names with a role of their own; anybody else may propose and approve, and is nobody but himself."""


def make_issuer(state: State) -> None:
    """Make the key pair once."""
    if state.issuer_key.exists() and state.issuer_public_key.exists():
        return
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    state.issuer_public_key.write_bytes(public)
    write_private(state.issuer_key, private.decode())


def mint(state: State, name: str, roles: list[str] | None = None) -> str:
    """Sign a bearer token for a caller of this name."""
    key = load_pem_private_key(state.issuer_key.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"the issuer's key is Ed25519, got {type(key)}")
    granted = roles if roles is not None else ROLES.get(name.lower(), ["maker", "checker"])
    claims = {"sub": name, "roles": granted, "iss": ISSUER, "exp": int(time.time()) + LIFETIME_S}
    return jwt.encode(claims, key, algorithm="EdDSA")


def token_file(state: State, name: str, roles: list[str] | None = None) -> Path:
    """Leave a fresh token for one of our own processes and return its path."""
    path = state.token(name)
    write_private(path, mint(state, name, roles))
    return path

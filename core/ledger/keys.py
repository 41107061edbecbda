"""The deployment's sealing key: signs what a day's chain ended with, and tells others' signatures from forged ones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key


def name_of_key(public_key: bytes) -> str:
    """Name a public key by itself: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(public_key).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class SealingKey:
    """An Ed25519 key and its name."""

    private: Ed25519PrivateKey

    @classmethod
    def load(cls, path: Path) -> SealingKey:
        """Read a PEM file; ValueError when it holds no Ed25519 private key."""
        key = load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(f"the sealing key is Ed25519, got {type(key).__name__}")  # noqa: TRY004  # a bad file
        return cls(key)

    @property
    def public(self) -> bytes:
        """The 32 bytes of the public half."""
        return self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def id(self) -> str:
        """The key's name."""
        return name_of_key(self.public)

    def sign(self, content: bytes) -> bytes:
        """Sign, 64 bytes."""
        return self.private.sign(content)


def is_signed(content: bytes, signature: bytes, public_key: bytes) -> bool:
    """Tell whether this key signed this content."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True

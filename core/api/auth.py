"""Tells who calls: a bearer token (JWT, EdDSA) of the issuer we trust."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache

import jwt

from core.callers import Caller
from core.provinces import is_province
from core.refusals import Reason, Refused
from core.texts import is_plain_text

LEEWAY_S = 5
"""Hosts' clocks differ a little; business time has no part in this."""


@dataclass(frozen=True, slots=True)
class _Token:
    caller: Caller
    expires_at: float


class Verifier:
    """Checks tokens against one issuer and its public key."""

    def __init__(self, public_key_pem: bytes, *, issuer: str) -> None:
        self._key = public_key_pem.decode()
        self._issuer = issuer
        self._read = lru_cache(maxsize=4096)(self._decode)  # a signature is checked once, its end each time

    def caller_of(self, authorization: str | None) -> Caller | Refused:
        """Read an Authorization header."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return Refused(Reason.NOT_AUTHENTICATED, "There is no bearer token.")
        try:
            found = self._read(token.strip())
        except (jwt.PyJWTError, ValueError) as error:
            return Refused(Reason.NOT_AUTHENTICATED, f"{error}.")
        if found.expires_at + LEEWAY_S < time.time():
            return Refused(Reason.NOT_AUTHENTICATED, "The token is over.")
        return found.caller

    def _decode(self, token: str) -> _Token:
        claims = jwt.decode(
            token,
            self._key,
            algorithms=["EdDSA"],
            issuer=self._issuer,
            leeway=LEEWAY_S,
            options={"require": ["sub", "iss", "exp"]},
        )
        name, roles = claims["sub"], claims.get("roles", [])
        if not is_plain_text(name, 100):
            raise ValueError("The caller's name is not printable or too long")
        if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
            raise ValueError("The roles are not a list of names")
        province = claims.get("province")
        if province is not None and not is_province(province):
            raise ValueError("The province is none of GB/T 2260")
        return _Token(Caller(name, frozenset(roles), province), float(claims["exp"]))

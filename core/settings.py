"""What the environment says, read once and frozen: every variable is named REGISTRY_<FIELD>."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import BaseModel
from pydantic_settings import BaseSettings, SettingsConfigDict


class Line(BaseModel, frozen=True):
    """One leased line to the exchange: where its trade session and its file service answer."""

    fix: str
    """host:port of the FIXT session."""
    files: str
    """base URL for opening data and clearing results."""


class Settings(BaseSettings):
    """The deployment's own facts. Times are seconds."""

    model_config = SettingsConfigDict(env_prefix="REGISTRY_", frozen=True, extra="ignore")

    dsn: str = "postgresql://registry_app@127.0.0.1:5432/registry"
    """One libpq URI with every data node in it; the engine adds target_session_attrs and all limits."""
    site: str = "main"
    node: str = "main-1"
    listen: str = "127.0.0.1:8000"
    """host:port of the API."""
    metrics_listen: str = "127.0.0.1:9102"
    """host:port where a worker shows its metrics."""
    token_public_key: Path = Path("issuer.pub.pem")
    """Public key of the token issuer, PEM, EdDSA."""
    token_issuer: str = "https://playground.registry.invalid"  # noqa: S105  # an issuer's name is public
    sealing_key: Path | None = None
    """Private key (PEM, Ed25519) that signs the seal of each market day; without one seals are linked, not signed."""
    lines: dict[str, Line] = {}
    """Exchange lines by name, as JSON."""
    registry_comp_id: str = "REGISTRY"
    exchange_comp_id: str = "EXCHANGE"
    banks: dict[str, str] = {}
    """Base URL of each settlement bank by its code, as JSON."""
    ccer: str | None = None
    """Base URL of the offset registry; without it lots wait, and time out."""
    playground: bool = False
    """Free transfers allowed and the business clock may be moved over the API."""
    hold_window_s: float = 45.0
    """How long a write may wait for a primary. 20 s lease + 2 s race + 1 s promotion + 5 s etcd election (a lease
    restarts when etcd's leader died with the primary) + 17 s of slack on a busy machine."""


class FirstStart(BaseSettings):
    """What only the making of the database needs; no process that serves gets to know it."""

    model_config = Settings.model_config

    admin_dsn: str = "postgresql://postgres@127.0.0.1:5432/postgres"
    """A superuser's URI of the maintenance database."""
    owner_dsn: str = "postgresql://registry_owner@127.0.0.1:5432/registry"
    """The URI of the registry's database, as the role that owns its tables."""
    owner_password: str | None = None
    app_password: str | None = None
    drill_password: str | None = None


@cache
def settings() -> Settings:
    """Read the environment, once a process."""
    return Settings()

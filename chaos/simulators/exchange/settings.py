"""What the exchange simulator's environment says: every variable is named REGISTRY_SIM_<FIELD>."""

from __future__ import annotations

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class ExchangeSettings(BaseSettings):
    """Addresses are host:port."""

    model_config = SettingsConfigDict(env_prefix="REGISTRY_SIM_", frozen=True, extra="ignore")

    gateway_a: str = "127.20.4.1:9001"
    gateway_b: str = "127.20.4.2:9001"
    files_a: str = "127.20.4.1:8080"
    files_b: str = "127.20.4.2:8080"
    control: str = "127.20.4.1:8090"
    comp_id: str = "EXCHANGE"
    peer_comp_id: str = "REGISTRY"
    heartbeat_s: float = 5.0
    state: Path | None = None
    """A file that keeps the day over a restart; without it the exchange forgets."""

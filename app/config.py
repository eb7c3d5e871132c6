"""Settings: the one place that reads the environment."""

import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parents[1]

Port = Annotated[int, Field(ge=0, le=65535)]
Quota = Annotated[
    str, Field(pattern=r"^([1-9]\d{0,8}/(second|minute|hour|day))?$")
]
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def split(text: str) -> Sequence[str]:
    """Return the parts of a list by comma."""
    return [part.strip() for part in text.split(",") if part.strip()]


class Settings(BaseSettings):
    """What an installation may choose, by `VMI_REVIEW_…` variables.

    Each field's description stands in the README's table of settings and in
    the help of `vmi-review serve`.
    """

    model_config = SettingsConfigDict(
        env_prefix="VMI_REVIEW_", frozen=True, extra="ignore"
    )

    database_url: str = Field(
        default="",
        description="SQLAlchemy address of the database; "
        "empty means SQLite in the data folder",
    )
    data_dir: Path = Field(
        default=ROOT / "data",
        description="folder of the SQLite file and what else is kept",
    )
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: Port = Field(
        default=8006, description="port to listen on; 0 takes a free one"
    )
    base_url: str = Field(
        default="",
        description="address that readers type, if it differs from "
        "the one listened on",
    )
    secure_cookies: bool = Field(
        default=False,
        description="mark cookies Secure; set it behind HTTPS",
    )
    allowed_hosts: str = Field(
        default="",
        description="names by which readers may reach it, by comma; empty "
        "means that of the base address, or any",
    )
    trusted_proxies: str = Field(
        default="",
        description="addresses or networks, by comma, of proxies whose "
        "X-Forwarded-For and -Proto count",
    )
    body_seconds: float = Field(
        default=30.0,
        gt=0,
        le=3600,
        description="the longest that a request may take to arrive; "
        "an upload may take ten times that",
    )
    limit_reads: Quota = Field(
        default="1200/minute",
        description="most requests that read, of one address; "
        "empty means no limit",
    )
    limit_writes: Quota = Field(
        default="120/minute",
        description="most changes of one account; "
        "of one address five times that",
    )
    limit_sign_ins: Quota = Field(
        default="30/minute",
        description="most attempts to sign in from one address",
    )
    limit_imports: Quota = Field(
        default="60/hour",
        description="most imports of one account; "
        "of one address five times that",
    )
    limit_runs: Quota = Field(
        default="120/minute",
        description="most questions asked by one account; "
        "by one address five times that",
    )
    session_days: int = Field(
        default=30, ge=1, le=366, description="how long a sign-in lasts"
    )
    link_hours: int = Field(
        default=24,
        ge=1,
        le=720,
        description="how long a one-time sign-in link is good",
    )
    invitation_days: int = Field(
        default=7,
        ge=1,
        le=90,
        description="how long an invitation is good if nothing else is said",
    )
    oidc_issuer: str = Field(
        default="",
        description="address of an OpenID provider to sign in by; "
        "empty means none",
    )
    oidc_client_id: str = Field(
        default="", description="name under which the provider knows this site"
    )
    oidc_client_secret: SecretStr = Field(
        default=SecretStr(""),
        description="secret that the provider gave for it; empty for a "
        "public client",
    )
    oidc_label: str = Field(
        default="OpenID", description="what readers call the provider"
    )
    oidc_role: Literal["", "reader", "reviewer", "editor"] = Field(
        default="",
        description="role of whoever comes by the provider uninvited; "
        "empty means that they are refused",
    )
    run_workers: int = Field(
        default=2,
        ge=1,
        le=64,
        description="processes that explore scenarios",
    )
    run_seconds: float = Field(
        default=10.0,
        gt=0,
        le=300,
        description="the longest that one exploration may take",
    )
    run_megabytes: int = Field(
        default=1024,
        ge=256,
        le=65536,
        description="the most memory of one of these processes",
    )
    annotation_page: int = Field(
        default=100,
        ge=1,
        le=1000,
        description="annotations on a page of their container",
    )
    page_cache: int = Field(
        default=2000,
        ge=0,
        le=100_000,
        description="pages kept in memory until the review changes",
    )
    require_if_match: bool = Field(
        default=False,
        description="refuse a change by the API that names no version",
    )
    streams: int = Field(
        default=500,
        ge=0,
        le=10_000,
        description="event streams open at a time",
    )
    streams_per_address: int = Field(
        default=24,
        ge=1,
        le=10_000,
        description="event streams of one address open at a time",
    )
    hypothesis_client: Path | None = Field(
        default=None,
        description="folder of the unpacked npm package hypothesis, whose "
        "sidebar is then offered on the document; empty means none",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least level that is logged"
    )

    @field_validator("oidc_issuer")
    @classmethod
    def require_safe_issuer(cls, value: str) -> str:
        """Refuse a provider that others on the way could play."""
        parts = urlsplit(value)
        if value and (
            parts.scheme not in {"https", "http"}
            or (parts.scheme == "http" and parts.hostname not in LOOPBACK)
            or parts.query
            or parts.fragment
        ):
            raise ValueError("expected an https:// address")
        return value

    @field_validator("hypothesis_client", mode="before")
    @classmethod
    def make_none(cls, value: object) -> object:
        """Return None for a folder that was left empty."""
        return None if value == "" else value

    @field_validator("hypothesis_client")
    @classmethod
    def require_client(cls, value: Path | None) -> Path | None:
        """Refuse a folder that does not hold the client."""
        if value is not None and not (value / "build" / "boot.js").is_file():
            raise ValueError(f"expected {value / 'build' / 'boot.js'}")
        return value

    @field_validator("database_url")
    @classmethod
    def require_known_database(cls, value: str) -> str:
        """Refuse a database that the program does not know."""
        known = ("sqlite:///", "postgresql:", "postgresql+psycopg:")
        if value and not value.startswith(known):
            raise ValueError(
                "expected sqlite:///PATH or postgresql://USER@HOST/NAME"
            )
        if value in {"sqlite:///", "sqlite:///:memory:"}:
            raise ValueError(
                "a database in memory ends with its connection; "
                "expected sqlite:///PATH"
            )
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def require_networks(cls, value: str) -> str:
        """Refuse what is no address and no network."""
        for part in split(value):
            ipaddress.ip_network(part, strict=False)
        return value

    @field_validator("base_url")
    @classmethod
    def require_address(cls, value: str) -> str:
        """Refuse a base address that no browser would take."""
        parts = urlsplit(value)
        if value and (
            parts.scheme not in {"http", "https"}
            or not parts.hostname
            or parts.query
            or parts.fragment
        ):
            raise ValueError("expected https://HOST or http://HOST:PORT")
        return value

    def get_hosts(self) -> frozenset[str] | None:
        """Return the names that a request may be sent to; None means any.

        Who listens on this machine only answers to its own names, or a
        foreign name that leads here would open it to that name's pages.
        """
        named = set(split(self.allowed_hosts.lower()))
        base = urlsplit(self.base_url).hostname
        named |= {base} if base else set()
        if not named and self.host not in LOOPBACK:
            return None
        return frozenset(named | LOOPBACK)

    def get_database_url(self) -> str:
        """Return the address with its driver named."""
        if not self.database_url:
            return f"sqlite:///{self.data_dir / 'review.db'}"
        if self.database_url.startswith("postgresql://"):
            rest = self.database_url.removeprefix("postgresql://")
            return f"postgresql+psycopg://{rest}"
        return self.database_url

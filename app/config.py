"""Settings: the one place that reads the environment."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parents[1]

Port = Annotated[int, Field(ge=0, le=65535)]


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
    session_days: int = Field(
        default=30, ge=1, le=366, description="how long a sign-in lasts"
    )
    link_hours: int = Field(
        default=24,
        ge=1,
        le=720,
        description="how long a one-time sign-in link is good",
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
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least level that is logged"
    )

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

    def get_database_url(self) -> str:
        """Return the address with its driver named."""
        if not self.database_url:
            return f"sqlite:///{self.data_dir / 'review.db'}"
        if self.database_url.startswith("postgresql://"):
            rest = self.database_url.removeprefix("postgresql://")
            return f"postgresql+psycopg://{rest}"
        return self.database_url

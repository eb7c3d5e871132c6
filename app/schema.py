"""The tables' migrations: Alembic's settings, and the way to the newest."""

from alembic import command
from alembic.config import Config

from app.config import ROOT


def upgrade(url: str) -> None:
    """Bring the tables of the database at `url` to the newest migration."""
    command.upgrade(get_alembic_config(url), "head")


def get_alembic_config(url: str) -> Config:
    """Return Alembic's settings for the database at `url`."""
    config = Config(toml_file=str(ROOT / "pyproject.toml"))
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["url"] = url
    return config

"""The database as commands open it: errors in a line, tables at hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from app.config import Settings
from app.db import Database
from app.errors import CommandError
from app.log import configure_logging
from app.services import annotation_filling, search_index
from app.services.linking import link_waiting

CACHE = 16_000
"""KiB: few connections, and an import comes back to its pages."""


@contextmanager
def open_for_change(settings: Settings) -> Iterator[Database]:
    """Give the database with its tables at the newest migration."""
    with _open(settings) as database:
        database.upgrade()
        annotation_filling.fill(database)
        search_index.fill(database)
        link_waiting(database)
        yield database


@contextmanager
def open_existing(settings: Settings) -> Iterator[Database]:
    """Give a database that is there already, unchanged."""
    url = make_url(settings.get_database_url())
    if url.drivername == "sqlite" and not _is_file(url.database):
        raise CommandError(
            f"there is no database at {url.database}; "
            "`vmi-review load` makes one"
        )
    with _open(settings) as database:
        yield database


def _is_file(name: str | None) -> bool:
    return bool(name) and Path(name or "").is_file()


@contextmanager
def _open(settings: Settings) -> Iterator[Database]:
    if not structlog.is_configured():
        # a command's own lines say what it did
        configure_logging("warning")
    database = Database(settings.get_database_url(), cache=CACHE)
    try:
        yield database
    except SQLAlchemyError as error:
        raise CommandError(describe(error, settings)) from error
    finally:
        database.close()


def describe(error: SQLAlchemyError, settings: Settings) -> str:
    """Return in a line what the database refused, without its password."""
    url = make_url(settings.get_database_url())
    cause = getattr(error, "orig", None) or error
    reason = " ".join(str(cause).split())
    return f"the database {url.render_as_string()} refuses: {reason}"

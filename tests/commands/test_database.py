"""The database as commands open it."""

from sqlalchemy import text

from app.commands.database import CACHE, open_for_change
from app.config import Settings
from app.db import CACHE as SERVED
from app.db import Database
from tests.conftest import SQLiteCopies


def test_a_command_keeps_more_pages_than_a_server(
    sqlite_copies: SQLiteCopies,
) -> None:
    url = sqlite_copies.make("empty")
    asked = text("PRAGMA cache_size")
    settings = Settings(database_url=url)
    with open_for_change(settings) as database, database.read() as session:
        assert session.scalar(asked) == -CACHE
    served = Database(url)
    with served.read() as session:
        assert session.scalar(asked) == -SERVED
    served.close()
    sqlite_copies.drop(url)

"""How Alembic reaches the database and renders our column types."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection, text
from sqlalchemy import Enum as EnumType
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

import app.models  # noqa: F401 - fills the metadata
from app.config import Settings
from app.db import Database, PackedBytes, PackedText, UTCDateTime

MIGRATION_LOCK = 0x564D49  # any number that is ours


def render_item(
    kind: str,
    item: Any,  # noqa: ANN401 - Alembic's signature
    _context: AutogenContext,
) -> str | Literal[False]:
    """Write our own column types as SQLAlchemy's."""
    if kind != "type":
        return False
    if isinstance(item, AutoString):
        return "sa.String()"
    if isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    if isinstance(item, PackedBytes | PackedText):
        return "sa.LargeBinary()"
    if isinstance(item, EnumType):
        return f"sa.String(length={item.length})"
    return False


def is_modelled(
    name: str | None,
    kind: str,
    parents: Any,  # noqa: ANN401 - Alembic's signature
) -> bool:
    """Tell whether the models speak of it; the search index is no model."""
    table = name if kind == "table" else parents.get("table_name")
    return not (table or "").startswith("search_text")


def run(connection: Connection) -> None:
    """Migrate over `connection`, all or nothing."""
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        transactional_ddl=True,
        render_item=render_item,
        include_name=is_modelled,
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            connection.execute(
                text("SELECT pg_advisory_xact_lock(:n)"),
                {"n": MIGRATION_LOCK},
            )
        context.run_migrations()
        if connection.dialect.name == "sqlite":
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check")
            rows = broken.fetchmany(5)
            if rows:
                raise RuntimeError(f"references that lead nowhere: {rows}")


def main() -> None:
    """Migrate the database that the caller, or the settings, name."""
    url = context.config.attributes.get("url")
    database = Database(url or Settings().get_database_url())
    engine = database.engine.execution_options(write=True)
    with engine.connect() as connection:
        if database.is_sqlite:
            # a table is changed by dropping the old one, which others name;
            # no transaction is open yet, in one this would say nothing
            connection.connection.cursor().execute("PRAGMA foreign_keys=OFF")
        run(connection)
    database.close()


main()

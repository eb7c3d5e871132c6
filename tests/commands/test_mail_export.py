"""`vmi-review export mbox` writes the mails that it is asked for."""

import gzip
from pathlib import Path

import pytest

from app.commands.mail_export import export_mbox
from app.config import Settings
from app.db import Database
from app.errors import CommandError, NotFoundError
from app.services import messages


@pytest.fixture
def raws(database: Database) -> list[bytes]:
    """Store two mails and return their bytes."""
    mails = [
        b"From: a@example.org\nMessage-ID: <%d@example.org>\n\nFrom %d\n"
        % (number, number)
        for number in (1, 2)
    ]
    with database.write() as session:
        for raw in mails:
            messages.import_message(session, raw)
    return mails


def read(mbox: bytes) -> list[bytes]:
    """Return the mails of a small mbox without their separators."""
    return [
        mail.partition(b"\n")[2].replace(b"\n>From ", b"\nFrom ")[:-1]
        for mail in (b"\n" + mbox).split(b"\nFrom ")[1:]
    ]


def test_all_mails_are_written_over_what_was_there(
    settings: Settings,
    raws: list[bytes],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "all.mbox"
    file.write_bytes(b"old")
    export_mbox(settings, file, None)
    content = file.read_bytes()
    assert read(content)[0] + b"\n" == raws[0]
    assert read(content)[1] == raws[1]
    assert capsys.readouterr().err == f"2 mails are in {file}\n"


def test_a_name_that_ends_in_gz_is_packed(
    settings: Settings, raws: list[bytes], tmp_path: Path
) -> None:
    """One conversation is asked for by any of its mails."""
    file = tmp_path / "one.mbox.gz"
    export_mbox(settings, file, "2@example.org")
    assert read(gzip.decompress(file.read_bytes())) == raws[1:]


def test_what_cannot_be_written_leaves_what_was_there(
    settings: Settings, tmp_path: Path
) -> None:
    """And no half file beside it."""
    file = tmp_path / "kept.mbox"
    file.write_bytes(b"old")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(NotFoundError):
        export_mbox(settings, file, "nobody@example.org")
    assert file.read_bytes() == b"old"
    assert sorted(tmp_path.iterdir()) == before
    with pytest.raises(CommandError, match="No such file or directory"):
        export_mbox(settings, tmp_path / "none" / "x.mbox", None)

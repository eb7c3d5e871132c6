"""`vmi-review import`: what goes in, what is said of the rest."""

import gzip
import io
from pathlib import Path

import pytest

from app.commands.mail import describe_progress, import_mails
from app.config import Settings
from app.db import Database
from app.errors import CommandError
from app.services import remarks, revisions
from app.services.importing import ImportReport
from app.services.mailbox import Mailboxes

LINE = b"From a@b.example Mon Mar 13 12:00:00 2006\n"
ONE = b"From: a@b.example\nMessage-ID: <1@x>\nSubject: one\n\nx\n"
TWO = ONE.replace(b"1@x", b"2@x")
BAD = b"Subject: no sender\n\nx\n"


def test_files_and_folders_go_in_together(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.eml").write_bytes(ONE)
    folder = tmp_path / "more"
    folder.mkdir()
    mbox = LINE + ONE + b"\n" + LINE + TWO + b"\n"
    (folder / "m.mbox.gz").write_bytes(gzip.compress(mbox))
    paths = [str(tmp_path / "one.eml"), str(folder)]
    import_mails(settings, paths)
    told = capsys.readouterr().out
    assert told == (
        "2 mails imported; 0 more received of known ones; "
        "1 known already; 0 refused\n"
    )
    import_mails(settings, paths)
    assert capsys.readouterr().out.startswith("0 mails imported; 0 more")


def test_one_mail_is_named_with_its_page(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.eml").write_bytes(ONE)
    for _ in range(2):
        import_mails(settings, [str(tmp_path / "one.eml")])
        assert capsys.readouterr().out == "one is at /m/1@x/\n"


QUOTING = (
    b"From: Ada <ada@b.example>\nMessage-ID: <q@x>\nSubject: q\n\n"
    b"> The guest does not control the hardware interrupt flag.\n\nWhy?\n"
)


def list_remarks_of(settings: Settings) -> list[str]:
    database = Database(settings.get_database_url())
    with database.read() as session:
        newest = revisions.get_newest(session).id
        found = [r.text for r in remarks.list_remarks(session, newest)]
    database.close()
    return found


def test_what_was_imported_is_aligned(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who imports and opens the document finds the remarks there."""
    (tmp_path / "q.eml").write_bytes(QUOTING)
    import_mails(settings, [str(tmp_path / "q.eml")])
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "q is at /m/q@x/"
    assert told[1].startswith("1 mail aligned in ")
    assert told[1].endswith(": 1 quote decided, 0 wait")
    assert list_remarks_of(settings) == ["Why?"]


def test_aligning_can_wait(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --no-align the mail is stored, and waits for who aligns it."""
    (tmp_path / "q.eml").write_bytes(QUOTING)
    import_mails(settings, [str(tmp_path / "q.eml")], align=False)
    assert capsys.readouterr().out == "q is at /m/q@x/\n"
    assert list_remarks_of(settings) == []


def test_a_refusal_is_a_line_with_its_place_and_fails(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mbox = tmp_path / "m.mbox"
    mbox.write_bytes(LINE + ONE + b"\n" + LINE + BAD)
    with pytest.raises(CommandError, match=r"refused: 1 mail$") as caught:
        import_mails(settings, [str(mbox)])
    assert caught.value.status == 1
    told = capsys.readouterr()
    assert told.out.startswith("1 mail imported; ")
    assert told.err == (
        "vmi-review: m.mbox: message 2, byte 95, line 8: "
        "this mail is not taken: no From header\n"
    )


def test_an_unknown_path_stops_before_anything_is_done(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "one.eml").write_bytes(ONE)
    paths = [str(tmp_path / "one.eml"), str(tmp_path / "none")]
    with pytest.raises(CommandError, match="No such file") as caught:
        import_mails(settings, paths)
    assert caught.value.status == 2


@pytest.mark.parametrize("is_raw", [True, False])
def test_the_standard_input_is_a_mailbox_too(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    is_raw: bool,
) -> None:
    given = io.BytesIO(LINE + ONE + b">>From y\n\n" + LINE + TWO)
    stdin = given if is_raw else io.BufferedReader(io.BytesIO(given.read()))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(stdin))
    import_mails(settings, ["-"], mboxo=True)
    assert capsys.readouterr().out.startswith("2 mails imported")


def test_the_bar_shows_how_much_of_the_files_was_read(
    tmp_path: Path,
) -> None:
    (tmp_path / "one.eml").write_bytes(ONE)
    boxes = Mailboxes([tmp_path])
    report = ImportReport(imported=1200)
    empty = f"Importing [{'.' * 24}]   0%: 1,200 mails, 600 a second"
    assert describe_progress(boxes, report, 2) == empty
    assert len(list(boxes)) == 1
    full = f"Importing [{'#' * 24}] 100%: 1,200 mails, 600 a second"
    assert describe_progress(boxes, report, 2) == full
    nothing = "Importing: 1,200 mails, 600 a second"
    assert describe_progress(Mailboxes([]), report, 2) == nothing

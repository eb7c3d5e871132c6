"""What goes out as an mbox comes back byte for byte."""

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import update
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import NotFoundError
from app.models import Conversation, Message, get_id
from app.services import mail_export, messages
from app.services.mail_export import Copy, escape_from, write_mboxrd

AT = datetime(2006, 3, 2, 9, 5, 6, tzinfo=UTC)
HARD = (
    b"Subject: a\n\nFrom the start\n>From here\n>>From there\nFromage\n",
    b"Subject: b\n\nno last line feed",
    b"Subject: c\r\n\r\nFrom x\r\n\r\n\r\n",
    b"Subject: d\n\n From inside a line\n\n\nFrom \n\n",
    b"Subject: e\nFrom : no header\n\n\xff\x00\n",
)


def split(folder: Path, mbox: bytes) -> list[bytes]:
    """Return what git makes of an mbox, separators and blank lines off."""
    (folder / "all.mbox").write_bytes(mbox)
    parts = folder / "parts"
    parts.mkdir()
    subprocess.run(
        # a mail's line feeds as they are
        [
            "git",
            "mailsplit",
            "--mboxrd",
            "--keep-cr",
            f"-o{parts}",
            "all.mbox",
        ],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=60,
    )
    found = [path.read_bytes() for path in sorted(parts.iterdir())]
    assert all(part.startswith(b"From ") for part in found)
    return [part.partition(b"\n")[2].removesuffix(b"\n") for part in found]


def read_back(mbox: bytes) -> list[bytes]:
    """Return the mails of an mboxrd, by its definition alone."""
    mails: list[list[bytes]] = []
    for line in mbox.removesuffix(b"\n").split(b"\n"):
        if line.startswith(b"From "):
            mails.append([])
            continue
        marked = line.startswith(b">") and line.lstrip(b">").startswith(
            b"From "
        )
        mails[-1].append(line[1:] if marked else line)
    # the last line is the blank one after each mail
    return [b"".join(line + b"\n" for line in mail[:-1]) for mail in mails]


def write(raws: Sequence[bytes]) -> bytes:
    """Return an mbox of these mails."""
    return b"".join(
        write_mboxrd(Copy(raw, "a@example.org", AT) for raw in raws)
    )


def test_git_splits_an_mbox_into_the_same_bytes(tmp_path: Path) -> None:
    ended = [raw if raw.endswith(b"\n") else raw + b"\n" for raw in HARD]
    assert split(tmp_path, write(HARD)) == ended


def test_git_splits_the_mails_of_the_review_into_the_same_bytes(
    tmp_path: Path, shared: Path
) -> None:
    raws = [
        file.read_bytes() for file in sorted((shared / "mail").glob("*.eml"))
    ]
    assert split(tmp_path, write(raws)) == raws


@given(
    st.lists(
        st.lists(
            st.sampled_from(
                [b"From ", b">", b"From", b" ", b"x", b"\n", b"\n\n", b"\r"]
            ),
            max_size=20,
        ).map(b"".join),
        min_size=1,
        max_size=4,
    )
)
@example([b"", b"\n", b"From "])
@example([b">>>>From \n>From", b"\n\n\n"])
def test_each_mail_comes_back(raws: list[bytes]) -> None:
    """Whatever lines it has; only a missing last line feed is added."""
    ended = [raw if raw.endswith(b"\n") else raw + b"\n" for raw in raws]
    assert read_back(write(raws)) == ended


def test_a_separator_names_sender_and_date_as_asctime_does() -> None:
    first = write([b"x"]).partition(b"\n")[0]
    assert first == b"From a@example.org Thu Mar  2 09:05:06 2006"
    (piece,) = write_mboxrd([Copy(b"x\n", "two words\n", None)])
    assert piece == b"From MAILER-DAEMON Thu Jan  1 00:00:00 1970\nx\n\n"


def test_marking_leaves_other_lines_alone() -> None:
    raw = b"Fromage\n> From x\n From y\nfrom z\n"
    assert escape_from(raw) == raw


def _store(session: Session, count: int) -> list[bytes]:
    raws = [
        b"From: A <a%d@example.org>\nMessage-ID: <%d@example.org>\n"
        b"Date: Thu, 2 Mar 2006 09:05:06 +0000\n\nFrom %d\n" % (n, n, n)
        for n in range(count)
    ]
    for raw in raws:
        messages.import_message(session, raw)
    return raws


def test_all_mails_go_out_once_in_the_order_they_came(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many batches it takes."""
    monkeypatch.setattr(mail_export, "BATCH", 3)
    raws = _store(session, 7)
    copies = list(mail_export.read_copies(session))
    assert [copy.raw for copy in copies] == raws
    assert copies[4].sender == "a4@example.org"
    assert copies[4].at == AT


def test_a_mail_goes_out_and_not_the_page_of_an_archive(
    session: Session,
) -> None:
    """Also where the page came before the mail."""
    page = b"s\n\nFrom: A\nDate: Thu Mar 2 2006 - 04:05:06 EST\n"
    page += b"Message-ID: <1@example.org>\n\nFrom 1\n"
    messages.import_message(session, page)
    raws = _store(session, 2)
    copies = list(mail_export.read_copies(session))
    assert [copy.raw for copy in copies] == raws[::-1]


def test_a_conversation_goes_out_from_the_top_down(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And only its mails do, whichever of them is named."""
    monkeypatch.setattr(mail_export, "BATCH", 2)
    raws = _store(session, 6)
    talk = Conversation(root="1@example.org", subject="", message_count=5)
    session.add(talk)
    session.flush()
    order = (4, 1, 3, 5, 0)
    for position, number in enumerate(order):
        session.execute(
            update(Message)
            .where(col(Message.message_id) == f"{number}@example.org")
            .values(conversation_id=get_id(talk), position=position)
        )
    for named in ("3@example.org", "4@example.org"):
        copies = list(mail_export.read_copies(session, named))
        assert [copy.raw for copy in copies] == [raws[n] for n in order]
    with pytest.raises(NotFoundError):
        list(mail_export.read_copies(session, "nobody@example.org"))

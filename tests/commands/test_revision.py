"""`vmi-review import --as-revision`: printed, kept, refused."""

import pytest

from app import cli
from app.commands import revision
from app.config import Settings
from app.db import Database
from app.errors import CommandError, InvalidError
from app.models import RevisionSource
from app.services import messages, revisions

MAIL = b"""\
From: Zach <zach@example.org>
Date: Mon, 13 Mar 2006 11:55:08 -0800
Message-ID: <spec@example.org>
Subject: [RFC] The interface

1) Calls

    VMI_Halt

       void VMI_Halt(void);

    VMI_Strange

       Nobody knows it.
"""


@pytest.fixture
def stored(database: Database, settings: Settings) -> Settings:
    """Return settings of a database that holds the mail."""
    with database.write() as session:
        messages.import_message(session, MAIL)
    return settings


def run(settings: Settings, *, commit: bool, reference: bool = False) -> None:
    """Run the command on the one mail."""
    revision.import_as_revision(
        settings,
        ["<spec@example.org>"],
        reference=reference,
        change="",
        commit=commit,
    )


def test_the_document_is_printed_and_nothing_kept(
    stored: Settings, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    run(stored, commit=False)
    printed = capsys.readouterr()
    assert printed.out.startswith("# The interface\n\n## 1) Calls\n")
    assert "VMI_Strange is no call under review" in printed.err
    assert "2 entries of calls, 1 of them unknown" in printed.err
    with database.read() as session:
        assert revisions.get_newest(session).number == 1


@pytest.mark.parametrize(("reference", "newest"), [(True, 1), (False, 2)])
def test_it_is_kept_as_a_reference_or_as_the_next_revision(
    stored: Settings,
    database: Database,
    capsys: pytest.CaptureFixture[str],
    *,
    reference: bool,
    newest: int,
) -> None:
    run(stored, commit=True, reference=reference)
    assert "2 is at /document/revisions/2/" in capsys.readouterr().out
    with database.read() as session:
        made = revisions.get_revision(session, 2)
        assert made.source is RevisionSource.mail
        assert made.message_ids == ["spec@example.org"]
        assert (made.dated_on, made.change) == (
            "2006-03-13",
            "As posted: The interface",
        )
        assert revisions.get_newest(session).number == newest


def test_a_mail_that_is_not_stored_is_refused(settings: Settings) -> None:
    with pytest.raises(InvalidError, match="no mail is called"):
        run(settings, commit=False)


def test_options_of_a_revision_need_it() -> None:
    with pytest.raises(CommandError, match="go with --as-revision"):
        cli.import_mails(["x.eml"], commit=True)

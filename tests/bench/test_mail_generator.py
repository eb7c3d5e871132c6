"""The generator of mail makes what it says, and the same each time."""

import email
import hashlib
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path

from bench import mail_generator
from bench.mail_generator import COMMON, RARE, SIZES, generate, get_root_id

SCRIPT = Path(mail_generator.__file__)


def test_the_same_number_and_seed_give_the_same_bytes() -> None:
    """Figures of two runs can be compared only if the mail is the same."""
    first, again, other = (
        hashlib.sha256(b"".join(m.raw for m in generate(200, seed)))
        for seed in (1, 1, 2)
    )
    assert first.digest() == again.digest() != other.digest()


def test_it_makes_as_many_as_it_is_asked_for() -> None:
    assert [len(list(generate(n))) for n in (0, 1, 99, 1000)] == [
        *(0, 1, 99, 1000)
    ]


def test_the_mails_are_such_as_a_list_has() -> None:
    """Size, conversations, words, charsets and parts are of every kind."""
    raws = [copy.raw for copy in generate(3000)]
    mails = [email.message_from_bytes(raw) for raw in raws]
    assert 3_200 < statistics.median(len(raw) for raw in raws) < 3_600
    ids = {mail["Message-ID"] for mail in mails}
    talks = Counter(name.partition(".")[0] for name in ids)
    for number, size in enumerate(SIZES, start=1):
        assert talks[f"<{number}"] == size
        assert f"<{get_root_id(size)}>" in ids
    assert max(talks.values()) <= mail_generator.LONGEST
    assert min(talks.values()) == 1
    assert 2_900 < len(ids) < 3_000, "few come twice"
    assert sum(RARE.encode() in raw for raw in raws) in range(1, 9)
    assert sum(COMMON.encode() in raw for raw in raws) > 600
    charsets = {
        part.get_content_charset()
        for mail in mails
        for part in mail.walk()
        if part.get_content_type() == "text/plain"
    }
    assert {"us-ascii", "utf-8", "iso-8859-1", "iso-2022-jp"} < charsets
    assert any(mail.is_multipart() for mail in mails)
    assert any(b"format=flowed" in raw for raw in raws)
    assert any(b"\nFrom " in raw for raw in raws)
    assert any(b"\n> > > " in raw for raw in raws)
    assert any(b"\n@@ -" in raw for raw in raws)
    replies = [mail for mail in mails if "Re: " in mail["Subject"]]
    lost = [
        mail
        for mail in replies
        if mail["References"]
        and mail["References"].split()[-1].strip() not in ids
    ]
    assert lost
    assert any(not mail["References"] for mail in replies)


def test_the_program_writes_an_mbox_that_git_takes_apart(
    tmp_path: Path,
) -> None:
    file = tmp_path / "mails.mbox"
    command = [sys.executable, str(SCRIPT), "50", str(file)]
    subprocess.run(command, check=True, timeout=60)
    folder = tmp_path / "split"
    folder.mkdir()
    subprocess.run(
        ["git", "mailsplit", "--mboxrd", f"-o{folder}", str(file)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    parts = [path.read_bytes() for path in sorted(folder.iterdir())]
    assert [part.partition(b"\n")[2] for part in parts] == [
        copy.raw + b"\n" for copy in generate(50)
    ]


def test_it_refuses_a_number_that_is_none() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "many", "file"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "COUNT FILE" in done.stderr

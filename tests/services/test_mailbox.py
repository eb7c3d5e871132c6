"""Mailboxes: each kind is told by its bytes, each mail by its place."""

import gzip
import io
import os
import subprocess
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.mail import MOST_BYTES
from app.services.mail_export import Copy, write_mboxrd
from app.services.mailbox import (
    UNPACKED_FROM,
    Mailboxes,
    MboxForm,
    RawMail,
    is_separator,
    list_files,
    read_stream,
    split_mboxrd,
)
from bench.mail_generator import generate

ONE = b"From: a@b.example\n\none\n"
TWO = b"From: b@b.example\n\n>From two\n"
LINE = b"From a@b.example Mon Mar 13 12:00:00 2006\n"
LORE = b"From mboxrd@z Thu Jan  1 00:00:00 1970\n"


def read(raw: bytes, form: MboxForm = MboxForm.mboxrd) -> list[RawMail]:
    """Return the mails of bytes."""
    return list(read_stream(io.BytesIO(raw), "f", form))


def raws(raw: bytes, form: MboxForm = MboxForm.mboxrd) -> list[bytes]:
    """Return the bytes of the mails."""
    return [mail.raw for mail in read(raw, form)]


@pytest.mark.parametrize(
    ("raw", "mails"),
    [
        (ONE, [ONE]),
        (LINE + ONE + b"\n", [ONE]),
        (LORE + ONE + b"\n" + LORE + ONE + b"\n", [ONE, ONE]),
        (LINE + ONE + LINE + ONE, [ONE, ONE]),
        (
            b"From nobody\n" + ONE + b"\nFrom here on\n",
            [ONE + b"\nFrom here on\n"],
        ),
        (LINE + b"\n" + LINE + ONE + b"\n", [b"\n", ONE]),
        (
            (LINE + ONE + b"\n" + LINE + ONE).replace(b"\n", b"\r\n"),
            [ONE.replace(b"\n", b"\r\n")] * 2,
        ),
        (
            LINE + b"a\n>From x\n>>From y\n>Fromage\n",
            [b"a\nFrom x\n>From y\n>Fromage\n"],
        ),
        (LINE + b"no end", [b"no end"]),
        (b"", [b""]),
    ],
)
def test_an_mbox_is_parted_at_its_separators(
    raw: bytes, mails: list[bytes]
) -> None:
    assert raws(raw) == mails
    assert raws(gzip.compress(raw)) == mails


def test_of_an_mboxo_only_one_mark_is_taken_off() -> None:
    raw = LINE + b"a\n>From x\n>>From y\n"
    assert raws(raw, MboxForm.mboxo) == [b"a\nFrom x\n>>From y\n"]


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        (LINE, True),
        (LORE, True),
        (b"From zach at vmware.com  Mon Mar 13 18:59:00 2006\n", True),
        (b"From 0123abcd Mon Sep 17 00:00:00 2001\n", True),
        (b"From the beginning, in 2006, it was so\n", False),
        (b"From 12:30 on\n", False),
    ],
)
def test_a_separator_tells_a_time_and_a_year(line: bytes, parts: bool) -> None:
    assert is_separator(line) is parts


def test_every_mail_has_its_place() -> None:
    mails = read(LINE + ONE + b"\n" + LINE + TWO + b"\n")
    second = len(LINE) + len(ONE) + 1
    assert [(m.number, m.offset, m.line) for m in mails] == [
        (1, 0, 1),
        (2, second, 6),
    ]
    assert mails[1].place == f"message 2, byte {second}, line 6"
    assert read(ONE)[0].place == ""


def test_a_mail_that_is_too_long_is_a_fault_and_the_next_is_read() -> None:
    long = LINE + b"x" * MOST_BYTES + b"\n\n"
    first, second = read(long + LINE + ONE + b"\n")
    assert first.raw == b""
    assert first.fault == f"more than {MOST_BYTES} bytes"
    assert (second.raw, second.number) == (ONE, 2)
    (alone,) = read(b"x" * (MOST_BYTES + 1))
    assert alone.fault == f"more than {MOST_BYTES} bytes"
    fits = LINE + b"x" * (MOST_BYTES - 1) + b"\n\n"
    assert [mail.fault for mail in read(fits)] == [None]


def test_a_packed_file_that_is_cut_gives_what_it_holds() -> None:
    packed = gzip.compress(b"".join([LINE + ONE + b"\n"] * 3), 0)
    first, second, fault = read(packed[:-20])
    assert first.raw == second.raw == ONE
    assert fault.fault is not None
    assert "cannot be read on" in fault.fault
    assert fault.number == 3


@pytest.mark.parametrize("start", [b"", LINE, LINE + ONE + b"\n" + LINE])
def test_a_bomb_is_a_fault_that_takes_no_memory(start: bytes) -> None:
    """A packed file may not unpack to much more than it is."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9) as file:
        file.write(start)
        for _ in range(5 * UNPACKED_FROM // 2**20):
            file.write(bytes(2**20))
    tracemalloc.start()
    try:
        mails = read(packed.getvalue())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert mails[-1].fault is not None
    assert peak < 5 * MOST_BYTES
    assert [mail.raw for mail in mails[:-1]] == [ONE] * start.count(ONE)


def test_what_is_taken_unpacked_can_be_less() -> None:
    packed = gzip.compress(LINE + ONE * 1000)
    (mail,) = read_stream(io.BytesIO(packed), "f", most=1000)
    assert mail.fault is not None
    assert "more than 1000 bytes" in mail.fault


def test_memory_does_not_grow_with_the_file() -> None:
    def write(count: int) -> Iterator[bytes]:
        for _ in range(count):
            yield LINE + ONE * 100 + b"\n"

    class Endless(io.RawIOBase):
        def __init__(self, count: int) -> None:
            self.rest = write(count)

        def read(self, _size: int = -1, /) -> bytes:
            return next(self.rest, b"")

    peaks = []
    for count in (20, 400):
        tracemalloc.start()
        found = sum(1 for _ in read_stream(Endless(count), "f"))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert found == count
    assert peaks[1] < peaks[0] * 1.2


@given(
    st.lists(
        st.lists(
            st.sampled_from(
                [b"From ", b">From ", LINE[:-1], b"\r", b"x", b">", b"\n"]
            ),
            max_size=8,
        ).map(lambda pieces: b"".join(pieces) + b"\n"),
        min_size=1,
        max_size=4,
    )
)
def test_an_mboxrd_comes_back_byte_for_byte(mails: list[bytes]) -> None:
    written = b"".join(write_mboxrd(Copy(m, "a@b", None) for m in mails))
    assert [mail.raw for mail in split_mboxrd(written)] == mails


def test_git_splits_as_we_do(tmp_path: Path, shared: Path) -> None:
    """`git mailsplit --mboxrd` finds the same mails in the same mbox."""
    copies = [*generate(60)]
    copies += [
        Copy(f.read_bytes(), "a@b", None)
        for f in sorted((shared / "mail").glob("*.eml"))
    ]
    copies.append(Copy(b"From: x\n\nFrom x\n>From y\n>>From z\n", "", None))
    mbox = tmp_path / "m.mbox"
    mbox.write_bytes(b"".join(write_mboxrd(copies)))
    subprocess.run(
        ["git", "mailsplit", "--mboxrd", "-d5", "--keep-cr"]
        + [f"-o{tmp_path}", str(mbox)],
        check=True,
        capture_output=True,
    )
    theirs = [f.read_bytes() for f in sorted(tmp_path.glob("0*"))]
    ours = [mail.raw for mail in Mailboxes([mbox])]
    # git keeps what parts the mails
    assert ours == [
        raw.partition(b"\n")[2].removesuffix(b"\n") for raw in theirs
    ]


def test_folders_and_maildirs_are_walked(tmp_path: Path) -> None:
    box = tmp_path / "box"
    for name in (
        *("cur/2:2,S", "new/1", "tmp/3", "index", ".hidden"),
        *(".Sent/cur/4", ".Sent/new/5", ".Sent/tmp/6"),
    ):
        file = box / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(ONE)
    other = tmp_path / "more"
    (other / ".git").mkdir(parents=True)
    (other / ".git" / "x.eml").write_bytes(ONE)
    (other / "deep").mkdir()
    (other / "deep" / "x.mbox").write_bytes(LINE + ONE + b"\n" + LINE + TWO)
    (other / "y.eml").write_bytes(TWO)
    (other / "loop").symlink_to(other)
    names = [name for name, _ in list_files(tmp_path)]
    assert names == [
        f"{tmp_path.name}/{name}"
        for name in (
            *("box/.Sent/cur/4", "box/.Sent/new/5"),
            *("box/cur/2:2,S", "box/new/1"),
            *("more/deep/x.mbox", "more/y.eml"),
        )
    ]
    boxes = Mailboxes([tmp_path])
    assert boxes.done == 0
    assert len(list(boxes)) == 7
    assert boxes.done == boxes.total > 0


def test_a_file_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(ONE)
    gone = tmp_path / "gone.eml"
    (tmp_path / "b.eml").symlink_to(gone)
    first, second = Mailboxes([tmp_path])
    assert first.raw == ONE
    assert second.fault == "No such file or directory"
    assert second.source.endswith("b.eml")


def test_a_folder_that_cannot_be_listed_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_folder: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    (mail,) = Mailboxes([tmp_path])
    assert mail.fault == "Is a directory"

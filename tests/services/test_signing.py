"""Signed statements: good for one purpose, one key and a time."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from app.errors import CommandError
from app.services import signing

KEY = b"k" * signing.KEY_BYTES


def test_what_was_signed_is_read_again() -> None:
    text = signing.sign(KEY, "join", {"sub": "ada"}, seconds=60)
    assert signing.read(KEY, "join", text) == {"sub": "ada"}


def test_a_statement_is_good_for_its_purpose_key_and_time_only() -> None:
    text = signing.sign(KEY, "join", {"sub": "ada"}, seconds=60)
    assert signing.read(KEY, "link", text) is None
    assert signing.read(b"x" * signing.KEY_BYTES, "join", text) is None
    assert signing.read(KEY, "join", text[:-2] + "xx") is None
    old = signing.sign(KEY, "join", {"sub": "ada"}, seconds=-1)
    assert signing.read(KEY, "join", old) is None


@pytest.mark.parametrize("text", ["", "a.b.c", "é", "." * 9000, "a" * 9000])
def test_what_is_no_statement_is_none(text: str) -> None:
    assert signing.read(KEY, "join", text) is None


def test_an_unsigned_statement_is_none() -> None:
    """`alg: none` and other algorithms are not taken, whoever signed."""
    key = OctKey.import_key(KEY + KEY)
    claims = {"aud": "join", "exp": 9_999_999_999}
    other = jwt.encode({"alg": "HS512"}, claims, key, algorithms=["HS512"])
    assert signing.read(KEY + KEY, "join", other) is None
    head = "eyJhbGciOiJub25lIn0"
    assert signing.read(KEY, "join", f"{head}.{other.split('.')[1]}.") is None


def test_the_key_is_made_once_and_for_us_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(signing.load_key, [folder] * 16))
    assert len(keys) == 1
    assert len(keys.pop()) == signing.KEY_BYTES
    path = folder / signing.KEY_FILE
    assert [each.name for each in folder.iterdir()] == [signing.KEY_FILE]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not signing.is_readable_by_others(folder)
    path.chmod(0o644)
    assert signing.is_readable_by_others(folder)


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / signing.KEY_FILE).write_bytes(b"short")
    with pytest.raises(CommandError, match="5 bytes"):
        signing.load_key(tmp_path)


def test_no_draft_of_a_key_stays(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        signing.load_key(tmp_path)
    finally:
        os.umask(before)
    (only,) = tmp_path.iterdir()
    assert stat.S_IMODE(only.stat().st_mode) == 0o600

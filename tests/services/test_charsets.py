"""Charsets: what is declared, what is meant, what is no text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.charsets import clean_text, decode_text, find_codec


@pytest.mark.parametrize(
    ("declared", "sent", "text", "used"),
    [
        ("iso-8859-1", b"\xe9", "é", "iso8859-1"),
        ("utf-8", b"\xc3\xa9", "é", "utf-8"),
        ("utf-8", b"\xe9", "é", "cp1252"),
        ("", b"\xc3\xa9", "é", "utf-8"),
        ("", b"\x93x\x94", "“x”", "cp1252"),
        ("unknown-8bit", b"\xc3\xa9", "é", "utf-8"),
        ("us-ascii", b"\xc3\xa9", "é", "utf-8"),
        ("rot13", b"abc", "abc", "utf-8"),
        ("unicode_escape", b"\\u0041", "\\u0041", "utf-8"),
        ("koi8-r", b"\xc4", "д", "koi8-r"),
        ("", b"\x81", "\ufffd", "cp1252"),
        ("'ISO-8859-15' ", b"\xa4", "€", "iso8859-15"),
        ("x-sjis", b"\x83\x65", "テ", "shift_jis"),
        ("utf-7", b"+AOk-", "é", "utf-7"),
        ("iso-8859-8-i", b"\xe0", "א", "iso8859-8"),
    ],
)
def test_the_declared_charset_then_utf_8_then_windows(
    declared: str, sent: bytes, text: str, used: str
) -> None:
    assert decode_text(sent, declared) == (text, used)


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("żółw", "iso-8859-2"),
        ("привет", "windows-1251"),
        ("γειά", "iso-8859-7"),
        ("日本語", "iso-2022-jp"),
        ("日本語", "euc-jp"),
        ("한국어", "ks_c_5601-1987"),
        ("中文", "gb2312"),
        ("中文", "big5"),
        ("中文", "gb18030"),
        ("שלום", "windows-1255"),
        ("€", "windows-1252"),
    ],
)
def test_charsets_of_the_world_are_read(text: str, charset: str) -> None:
    assert decode_text(text.encode(charset), charset).text == text


@given(st.binary(max_size=200), st.text(max_size=20))
def test_any_bytes_of_any_charset_are_text(sent: bytes, charset: str) -> None:
    text = clean_text(decode_text(sent, charset).text)
    assert text.encode().decode() == text
    assert not set(text) & {"\0", "\x1b", "\r", "\x85"}


def test_no_codec_that_is_no_charset_is_found() -> None:
    for name in ("bz2", "zip", "hex", "idna", "punycode", "undefined", "\0"):
        assert find_codec(name) is None


def test_lines_end_in_line_feeds_and_a_mark_of_order_is_no_text() -> None:
    assert clean_text("\ufeffa\r\nb\rc\0") == "a\nb\nc\ufffd"

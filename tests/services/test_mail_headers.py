"""Headers: folded, encoded, continued, malformed and hostile ones."""

import binascii
import email.header
import email.message
from email.headerregistry import Address
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidError
from app.services.mail_headers import (
    LONGEST_ID,
    MOST_HEADER_BYTES,
    MOST_HEADERS,
    MOST_REFERENCES,
    decode_base64,
    read_archived_at,
    read_content,
    read_head,
    read_header,
    read_id,
    read_ids,
    read_list_id,
    read_name,
    read_references,
)


def test_fields_are_read_as_sent_and_the_text_starts_after_them() -> None:
    raw = b"From: a\r\nSubject: one\r\n\ttwo\r\nfrom: b\r\n\r\nbody"
    defects: list[str] = []
    head = read_head(raw, defects)
    assert [field.name for field in head.fields] == [
        "From",
        "Subject",
        "from",
    ]
    assert head.get("subject") == "one two"
    assert head.get("from") == "a"
    assert head.get("to") == ""
    assert raw[head.end :] == b"body"
    assert not defects


@pytest.mark.parametrize(
    ("raw", "names", "body", "defect"),
    [
        (b"", [], b"", ""),
        (b"\nbody", [], b"body", ""),
        (b"From: a\n", ["From"], b"", ""),
        (b"From : a\n\nb", ["From"], b"b", ""),
        (b"From: a\nno field\nTo: b\n\nb", ["From", "To"], b"b", "header 2"),
        (b"From: a\n>From x y\nTo: b\n\nb", ["From", "To"], b"b", ""),
        (b" folded\nTo: b\n\nb", ["To"], b"b", "header 1"),
        (
            b"From: a\nthe text\nat once\n\nmore",
            ["From"],
            b"the text\nat once\n\nmore",
            "no blank line",
        ),
    ],
)
def test_a_line_that_is_no_field_is_passed_over_or_begins_the_text(
    raw: bytes, names: list[str], body: bytes, defect: str
) -> None:
    defects: list[str] = []
    head = read_head(raw, defects)
    assert [field.name for field in head.fields] == names
    assert raw[head.end :] == body
    assert [each for each in defects if defect and defect in each] == defects


@given(
    st.lists(
        st.tuples(
            st.from_regex(rb"[!-9;-~]{1,5}[ \t]?", fullmatch=True),
            st.from_regex(rb"([^\n]{0,5}\n[ \t])?[^\n]{0,9}", fullmatch=True),
        ),
        min_size=1,
    ),
    st.booleans(),
)
def test_an_odd_line_changes_nothing_of_the_sound_ones(
    fields: list[tuple[bytes, bytes]], ends: bool
) -> None:
    """Sound headers are read at once, others line by line; both alike."""
    sent = b"\n".join(b"%s:%s" % field for field in fields)
    sent += b"\n\nx" * ends
    sound = read_head(sent, [])
    odd = read_head(b">From a\n" + sent, [])
    assert sound.fields == odd.fields
    assert len(sound.fields) == len(fields)
    assert sound.end + len(b">From a\n") == odd.end


def test_headers_are_bounded() -> None:
    with pytest.raises(InvalidError, match=f"{MOST_HEADERS} headers"):
        read_head(b"X: y\n" * (MOST_HEADERS + 1) + b"\n", [])
    with pytest.raises(InvalidError, match=f"{MOST_HEADER_BYTES} bytes"):
        read_head(b"X: " + b"y" * MOST_HEADER_BYTES, [])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?= an alle", "Grüße an alle"),
        ("=?iso-8859-1?b?/A==?=", "ü"),
        ("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
        ("=?utf-8?Q?a?= b =?utf-8?Q?c?=", "a b c"),
        ("=?utf-8?b?4oI=?= =?utf-8?b?rA==?=", "€"),
        ("=?utf-8*en?q?a_b?=", "a b"),
        ("=?utf-8?Q?with space?=", "with space"),
        ("=?utf-8?b?YWJj", "=?utf-8?b?YWJj"),
        ("=?utf-8?b?YWI?=", "ab"),
        ("=?utf-8?b?!!!?=", "=?utf-8?b?!!!?="),
        ("=?no-such?q?abc?=", "abc"),
        ("=?x?y?z?=", "=?x?y?z?="),
        ("=?utf-8?q?a=0Ab?=", "a b"),
        (b"caf\xc3\xa9", "café"),
        (b"caf\xe9", "café"),
        ("a\r\n b\x00\x07c", "a b\ufffd\ufffdc"),
        ("", ""),
    ],
)
def test_a_header_is_one_line_of_text(value: bytes | str, text: str) -> None:
    """Encoded words are decoded (RFC 2047), other bytes by their look."""
    assert read_header(value) == text


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C"])))
def test_what_python_encodes_is_read_back(text: str) -> None:
    words = " ".join(text.split())
    for charset in ("utf-8", "utf-16"):
        sent = email.header.Header(words, charset, maxlinelen=40).encode()
        assert read_header(sent) == " ".join(words.split())


def test_many_broken_words_take_little_time() -> None:
    start = process_time()
    for piece in ("=?", "=?a?q?", "=?utf-8?q?a?= ", "<", "=?=?"):
        read_header(piece * (MOST_HEADER_BYTES // len(piece)))
        list(read_ids(piece * (MOST_HEADER_BYTES // len(piece))))
        read_content(b"a/b" + b";" + piece.encode() * 10_000)
        read_content(b"a/b" + b';a="' * 10_000)
    assert process_time() - start < 2


@pytest.mark.parametrize(
    ("value", "kind", "parameters"),
    [
        (b"Text/Plain; CHARSET=utf-8", "text/plain", {"charset": "utf-8"}),
        (b'a/b; c="d;e\\"f"; g=h', "a/b", {"c": 'd;e"f', "g": "h"}),
        (b"a/b (comment); c=d", "a/b", {"c": "d"}),
        (b"a/b;c=d;c=e", "a/b", {"c": "d"}),
        (b"a/b; name*=utf-8''%e2%82%ac", "a/b", {"name": "€"}),
        (b"a/b; name*=iso-8859-1'de'%fc", "a/b", {"name": "ü"}),
        (
            b"a/b; name*1*=%61; name*0*=utf-8''%e2%82%ac; name*2=c",
            "a/b",
            {"name": "€ac"},
        ),
        (b"a/b; name=x; name*=utf-8''y", "a/b", {"name": "y"}),
        (b"a/b; name*0=x; name*1=y", "a/b", {"name": "xy"}),
        (b"a/b; name==?utf-8?q?=C3=BC?=", "a/b", {"name": "ü"}),
        (b"a/b; ;;=", "a/b", {}),
        (b"", "", {}),
        (None, "", {}),
    ],
)
def test_parameters_are_joined_and_decoded(
    value: bytes | None, kind: str, parameters: dict[str, str]
) -> None:
    """Quoted, continued and encoded parameters are read (RFC 2231)."""
    assert read_content(value) == (kind, parameters)


@given(st.text(min_size=1, max_size=60))
def test_names_that_python_writes_are_read_back(name: str) -> None:
    made = email.message.EmailMessage()
    clean = "".join(c for c in name if c.isprintable() and c not in '\\/"')
    if not clean.strip(" ."):
        return
    made.add_attachment(b"x", "a", "b", filename=clean)
    (part,) = made.iter_attachments()
    head = read_head(bytes(part), [])
    content = read_content(head.first["content-disposition"])
    assert "".join(read_name(content).split()) == "".join(clean.split())


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("a.patch", "a.patch"),
        ("../../etc/passwd", "passwd"),
        ("C:\\a\\b.txt", "b.txt"),
        ("..", ""),
        ("/", ""),
        ("x" * 300, "x" * 200),
    ],
)
def test_a_name_is_of_a_file_and_not_of_a_folder(
    filename: str, name: str
) -> None:
    sent = f'attachment; filename="{filename}"'.replace("\\", "\\\\")
    assert read_name(read_content(sent.encode())) == name


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("<a@b>", "a@b"),
        ("  <a@b> (by somebody)", "a@b"),
        ("a@b", "a@b"),
        ("<a@b> <c@d>", "a@b"),
        ("<a@b\n c>", "a@bc"),
        ("Message from X of today <a@b>", "a@b"),
        ("", None),
        ("not an id", None),
        ("<>", None),
        (f"<{'x' * LONGEST_ID}@b>", None),
    ],
)
def test_an_id_is_read_without_its_brackets(
    value: str, name: str | None
) -> None:
    assert read_id(value) == name


def test_references_are_all_ids_eldest_first() -> None:
    assert read_references("<a@b>\r\n\t<c@d>,(x)<e@f>") == [
        "a@b",
        "c@d",
        "e@f",
    ]
    assert read_references("a@b c@d") == []
    many = "".join(f"<{n}@x>" for n in range(MOST_REFERENCES + 5))
    found = read_references(many)
    assert (len(found), found[-1]) == (MOST_REFERENCES, "1004@x")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (b"List-Id: Xen <xen-devel.lists.example>", "xen-devel.lists.example"),
        (b"List-Id: plain.example", "plain.example"),
        (b"X-Mailing-List: <Linux@vger.example>", "linux.vger.example"),
        (b"List-Post: <mailto:xen@lists.example>", "xen.lists.example"),
        (b"X-Mailing-List: none", None),
        (b"Subject: x", None),
    ],
)
def test_a_list_has_one_name_however_it_is_told(
    header: bytes, name: str | None
) -> None:
    assert read_list_id(read_head(header + b"\n\n", [])) == name


def test_an_archive_is_named_by_an_address_of_the_web() -> None:
    assert read_archived_at("<https://a.example/b>") == "https://a.example/b"
    assert read_archived_at("<javascript:alert(1)>") is None


@given(st.binary(max_size=60))
def test_base64_of_any_bytes_comes_back_and_broken_one_does_no_harm(
    raw: bytes,
) -> None:
    sent = binascii.b2a_base64(raw)
    assert decode_base64(sent) == raw
    assert decode_base64(sent.strip().rstrip(b"=")) == raw
    assert isinstance(decode_base64(raw), bytes)


def test_an_address_that_python_writes_is_read() -> None:
    made = email.message.EmailMessage()
    made["From"] = Address("Jürgen Groß", "j", "b.example")
    head = read_head(bytes(made), [])
    assert head.get("from") == "Jürgen Groß <j@b.example>"

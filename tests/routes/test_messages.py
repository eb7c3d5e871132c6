"""Mails as pages, and their bytes."""

import gzip
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.db import Database
from app.services import aligning, linking, messages

KLEEN = "200603222105.58912.ak@suse.de"
AMSDEN = "4421C9D4.3050806@vmware.com"
PATCHED = b"""\
From: A B <a.b@secret.example>
To: list@secret.example
Subject: Re: =?utf-8?q?a=40secret=2Eexample?=
Date: Wed, 22 Mar 2006 21:05:58 +0100
Message-ID: <patched@b.example>
In-Reply-To: <missing@b.example>
Content-Type: multipart/mixed; boundary=x

--x
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: base64

QWNrZWQtYnk6IEEgQiA8YS5iQHNlY3JldC5leGFtcGxlPgo=
--x
Content-Type: text/csv; name="t.csv"
Content-Disposition: attachment; filename="t.csv"

a,b@secret.example
--x
Content-Type: application/zip; name="z z.zip"
Content-Disposition: attachment; filename="z z.zip"
Content-Transfer-Encoding: base64

UEsDBA==
--x--
"""


def store(database: Database, *raws: bytes) -> None:
    """Store mails as if they came one after the other."""
    with database.write() as session:
        for raw in raws:
            messages.import_message(session, raw)
    linking.link_waiting(database)


@pytest.fixture
def _mails(database: Database, shared: Path) -> None:
    files = sorted((shared / "mail").iterdir())
    store(database, *(file.read_bytes() for file in files))


@pytest.mark.usefixtures("_mails")
def test_a_mail_shows_its_levels_and_leads_to_its_threads(
    client: TestClient,
) -> None:
    page = client.get(f"/m/{AMSDEN}/").text
    assert "Re: [RFC, PATCH 1/24] i386 Vmi documentation" in page
    assert '<div class="quote quote-2">' in page
    assert '<pre class="attribution">Andi Kleen wrote:</pre>' in page
    assert 'href="/threads/kleen-sti-shadow"' in page
    assert f'href="/m/{KLEEN}/"' in page


@pytest.mark.usefixtures("_mails")
def test_the_tree_says_where_one_is(client: TestClient) -> None:
    page = client.get(f"/m/{AMSDEN}/").text
    assert len(re.findall(r'aria-current="page"><span>', page)) == 1
    assert re.search(rf'href="/m/{AMSDEN}/" aria-current="page"', page)
    assert re.search(r'rel="prev" data-key="p"', page)
    assert re.search(r'rel="next" data-key="n"', page)
    assert re.search(rf'href="/m/{KLEEN}/" data-key="u"', page)
    first = client.get(f"/m/{KLEEN}/").text
    assert "parent missing" in first
    assert "which is not imported" in first
    assert 'data-key="p"' not in first


@pytest.mark.usefixtures("_mails")
def test_a_thread_leads_to_its_mails(client: TestClient) -> None:
    page = client.get("/threads/kleen-sti-shadow").text
    assert f'href="/m/{KLEEN}/"' in page
    assert f'href="/m/{AMSDEN}/"' in page


@pytest.mark.usefixtures("_mails")
def test_a_mail_leads_to_what_it_quotes(
    client: TestClient, database: Database
) -> None:
    assert "Quoted of the document" not in client.get(f"/m/{AMSDEN}/").text
    aligning.align_pending(database, lambda _done, _total: None)
    page = client.get(f"/m/{AMSDEN}/").text
    facts = page.partition("Quoted of the document</h2>")[2]
    links = set(re.findall(r'href="([^"]+)"', facts.partition("</ul>")[0]))
    assert len(links) > 5
    for link in links:
        clause = client.get(link)
        assert clause.status_code == 200, link
        assert f'href="/m/{AMSDEN}/#' in clause.text, link


def test_a_mail_that_is_not_here_is_named(client: TestClient) -> None:
    page = client.get("/threads/kleen-sti-shadow").text
    assert f"<code>{KLEEN}</code>" in page
    for rest in ("", "t/", "T/", "raw", "t.mbox.gz", "t.atom"):
        assert client.get(f"/m/{KLEEN}/{rest}").status_code == 404


def test_a_wrong_id_leads_to_those_like_it_and_to_its_answers(
    client: TestClient, database: Database
) -> None:
    store(database, PATCHED)
    for wrong in ("<patched@b.example>", "PATCHED@b.example", "patched"):
        answer = client.get(f"/m/{wrong}/")
        assert answer.status_code == 404
        assert 'href="/m/patched@b.example/"' in answer.text
    answer = client.get("/m/missing@b.example/")
    assert "these mails answer it" in answer.text
    assert 'href="/m/patched@b.example/"' in answer.text
    assert "or has an id like it" in client.get("/m/%25_%25/").text


@pytest.mark.usefixtures("_mails")
def test_addresses_are_hidden_from_who_is_not_signed_in(
    client: TestClient,
) -> None:
    for address in (f"/m/{AMSDEN}/", f"/m/{AMSDEN}/raw"):
        text = client.get(address).text
        assert "zach@xxxxxxxxxx" in text
        assert "zach@vmware.com" not in text
        assert AMSDEN in text


def test_no_page_or_file_of_a_mail_holds_an_address(
    client: TestClient, database: Database
) -> None:
    store(database, PATCHED)
    seen: dict[str, bytes] = {}
    waiting = ["/m/patched@b.example/"]
    while waiting:
        address = waiting.pop()
        content = seen[address] = client.get(address).content
        links = re.findall(rb'href="(/m/patched[^"?#]*)', content)
        waiting += {link.decode() for link in links} - set(seen)
    assert {address.rpartition("/")[2] for address in seen} >= {
        *("", "raw", "t.mbox.gz", "t.atom"),
        *("reply-by-mail", "reply.eml", "reply.mbox"),
    }
    for address, content in seen.items():
        is_packed = address.endswith(".gz")
        text = gzip.decompress(content) if is_packed else content
        assert b"secret" not in text, address
        assert b"c2VjcmV0" not in text, address


@pytest.mark.usefixtures("_mails")
def test_who_is_signed_in_gets_the_very_bytes(
    signed_in: TestClient, shared: Path
) -> None:
    name = "2006-03-22-amsden-re-kleen-01-24-documentation.eml"
    answer = signed_in.get(f"/m/{AMSDEN}/raw")
    assert answer.content == (shared / "mail" / name).read_bytes()
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "zach@vmware.com" in signed_in.get(f"/m/{AMSDEN}/").text


def test_each_copy_is_listed_with_its_own_bytes(
    signed_in: TestClient, database: Database
) -> None:
    other = b"X-Mailing-List: other\n" + PATCHED
    store(database, PATCHED, other)
    page = signed_in.get("/m/patched@b.example/").text
    links = re.findall(r'href="(/m/[^"]+/deliveries/\w+)"', page)
    assert [signed_in.get(link).content for link in links] == [PATCHED, other]
    wrong = links[0][:-64] + "0" * 64
    assert signed_in.get(wrong).status_code == 404


def test_a_mail_speaks_for_itself_where_an_archives_page_came_first(
    signed_in: TestClient, database: Database
) -> None:
    """Its bytes and attachments are served, and its conversation's are its."""
    page = b"s\n\nFrom: A B\nDate: Wed Mar 22 2006 - 15:05:58 EST\n"
    page += b"Message-ID: <patched@b.example>\n\nAcked-by: A B\n"
    store(database, page, PATCHED)
    folder = "/m/patched@b.example"
    assert signed_in.get(f"{folder}/raw").content == PATCHED
    packed = signed_in.get(f"{folder}/t.mbox.gz").content
    assert PATCHED in gzip.decompress(packed)
    content = signed_in.get(f"{folder}/attachments/2").content
    assert content == b"PK\3\4"


def test_an_attachment_is_saved_and_never_shown(
    signed_in: TestClient, database: Database
) -> None:
    store(database, PATCHED)
    page = signed_in.get("/m/patched@b.example/").text
    links = re.findall(r'href="(/m/[^"]+/attachments/\d+)" download', page)
    answers = [signed_in.get(link) for link in links]
    assert [answer.content for answer in answers] == [
        *(b"a,b@secret.example", b"PK\3\4")
    ]
    for answer in answers:
        assert answer.headers["content-type"] == "application/octet-stream"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert answers[1].headers["content-disposition"] == (
        "attachment; filename*=utf-8''z%20z.zip"
    )
    assert signed_in.get(f"{links[0][:-1]}9").status_code == 404


def test_what_is_no_text_needs_a_name(
    client: TestClient, database: Database
) -> None:
    store(database, PATCHED)
    folder = "/m/patched@b.example/attachments"
    assert client.get(f"{folder}/1").content == b"a,b@xxxxxxxxxxxxxx"
    assert client.get(f"{folder}/2").status_code == 401


def test_what_was_odd_in_a_mail_is_told(
    client: TestClient, database: Database
) -> None:
    store(database, PATCHED, b"From: a\nMessage-ID: <odd@x>\n\nhello\n")
    odd = client.get("/m/odd@x/").text
    assert "<li>no date that can be read</li>" in odd
    assert "How it was read" not in client.get("/m/patched@b.example/").text


def test_trailers_are_listed(client: TestClient, database: Database) -> None:
    store(database, PATCHED)
    page = client.get("/m/patched@b.example/").text
    assert '<span class="label">Acked-by</span> A B &lt;a.b@xxxxx' in page
    assert 'class="stance-ack">acked' in page


def test_an_id_that_is_stored_is_a_link(
    client: TestClient, database: Database
) -> None:
    naming = (
        b"From: a\nMessage-ID: <n@b.example>\n\n"
        b"see <patched@b.example> of <c@b.example>\n"
    )
    store(database, PATCHED, naming)
    page = client.get("/m/n@b.example/").text
    assert (
        '<a href="/m/patched%40b.example/">&lt;patched&#64;b.example&gt;</a>'
        " of &lt;c@xxxxxxxxx&gt;" in page
    )


def test_an_id_with_signs_of_an_address_is_linked_and_found(
    client: TestClient, database: Database
) -> None:
    raw = b"From: a\nMessage-ID: <a/b?c#d@x>\nSubject: <odd>\n\nhi\n"
    store(database, raw)
    page = client.get("/m/a/b%3Fc%23d@x/")
    assert page.status_code == 200
    assert 'href="/m/a/b%3Fc%23d@x/raw"' in page.text
    assert "<h1>&lt;odd&gt;</h1>" in page.text
    assert client.get("/m/a/b%3Fc%23d@x/raw").content == raw


def test_an_id_may_end_as_an_address_of_its_conversation(
    client: TestClient, database: Database
) -> None:
    raw = b"From: a\nMessage-ID: <x/t>\nSubject: odd\n\nhi\n"
    store(database, raw)
    assert "<h1>odd</h1>" in client.get("/m/x/t/").text
    assert client.get("/m/x/T/").status_code == 404

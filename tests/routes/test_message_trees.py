"""Conversations as pages, as an mbox and as a feed."""

import gzip
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from xml.etree import ElementTree as ET

import pytest
from fastapi.testclient import TestClient

from app.db import Database
from app.services import conversation_rows
from app.services.mailbox import split_mboxrd
from tests.routes.test_messages import store

START = datetime(2006, 3, 22, 20, tzinfo=UTC)
ATOM = "{http://www.w3.org/2005/Atom}"


def make_mail(
    name: str, parent: str = "", minutes: int = 0, text: str = "text"
) -> bytes:
    """Return a mail of Ada, or of who is named before a colon."""
    head = {
        "From": f"{name} <{name}@secret.example>",
        "Subject": "Re: the call" if parent else "the call",
        "Date": format_datetime(START + timedelta(minutes=minutes)),
        "Message-ID": f"<{name}@b.example>",
    }
    if parent:
        head["In-Reply-To"] = head["References"] = f"<{parent}@b.example>"
    lines = [f"{key}: {value}" for key, value in head.items()]
    return "\n".join([*lines, "", text, ""]).encode()


@pytest.fixture
def mails(database: Database) -> list[bytes]:
    """Store a conversation whose second mail has a slow clock."""
    found = [
        make_mail("ada"),
        make_mail("ben", "ada", -9, "From ben\n> <ada@b.example>"),
        make_mail("cyd", "ben", 30, "Acked-by: cyd <cyd@secret.example>"),
        make_mail("dan", "ada", 20, "Nacked-by: dan"),
    ]
    store(database, *found)
    return found


def list_names(page: str) -> list[str]:
    """Return whose mails a page shows, in its order."""
    return re.findall(r"data-mail>(\w+)", page)


@pytest.mark.usefixtures("mails")
def test_nested_mails_stand_below_the_ones_they_answer(
    client: TestClient,
) -> None:
    page = client.get("/m/dan@b.example/t/").text
    assert list_names(page) == ["ada", "ben", "cyd", "dan"]
    levels = re.findall(r'class="mail-item level-(\d)"', page)
    assert levels == ["0", "1", "2", "1"]
    assert "secret" not in page
    assert '<a href="/m/ada%40b.example/">&lt;ada&#64;b.example&gt;' in page


@pytest.mark.usefixtures("mails")
def test_flat_mails_stand_by_time_and_after_their_parents(
    client: TestClient,
) -> None:
    page = client.get("/m/dan@b.example/T/").text
    assert list_names(page) == ["ada", "ben", "dan", "cyd"]
    assert 'class="mail-item level-0"' in page
    assert 'class="mail-item level-1"' not in page


@pytest.mark.usefixtures("mails")
def test_what_was_said_of_the_whole_is_summed_up(client: TestClient) -> None:
    for address in ("t/", "T/", ""):
        page = client.get(f"/m/ada@b.example/{address}").text
        stances = re.findall(r'class="stance-(\w+)">', page)
        assert stances == ["nack", "ack"]


@pytest.mark.usefixtures("mails")
def test_a_long_conversation_has_parts(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation_rows, "PART", 3)
    page = client.get("/m/ada@b.example/T/").text
    assert list_names(page) == ["ada", "ben", "dan"]
    (address,) = re.findall(r'href="([^"]*)" rel="next"', page)
    page = client.get(address).text
    assert list_names(page) == ["cyd"]
    assert 'href="/m/ada@b.example/T/?from=0" rel="prev"' in page
    monkeypatch.setattr(conversation_rows, "PART_BYTES", 1)
    page = client.get("/m/ada@b.example/t/?from=1").text
    assert list_names(page) == ["ben"]
    assert list_names(client.get("/m/ada@b.example/t/?from=99").text) == [
        "dan"
    ]


def test_the_mbox_holds_the_bytes_that_were_sent(
    signed_in: TestClient, mails: list[bytes]
) -> None:
    answer = signed_in.get("/m/cyd@b.example/t.mbox.gz")
    assert answer.headers["content-type"] == "application/gzip"
    split = split_mboxrd(gzip.decompress(answer.content))
    assert [mail.raw for mail in split] == mails


@pytest.mark.usefixtures("mails")
def test_the_mbox_of_who_is_not_signed_in_holds_no_address(
    client: TestClient,
) -> None:
    answer = client.get("/m/cyd@b.example/t.mbox.gz")
    text = gzip.decompress(answer.content)
    assert text.count(b"\nMessage-ID: ") == 4
    assert b"secret" not in text


@pytest.mark.usefixtures("mails")
def test_the_mbox_is_read_in_pieces(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = gzip.decompress(client.get("/m/ada@b.example/t.mbox.gz").content)
    monkeypatch.setattr("app.services.message_bytes.SENT_AT_ONCE", 1)
    pieces = client.get("/m/ada@b.example/t.mbox.gz").content
    assert gzip.decompress(pieces) == whole


@pytest.fixture
def entries(client: TestClient, mails: list[bytes]) -> Iterator[ET.Element]:
    """Return the feed's entries."""
    assert mails
    answer = client.get("/m/cyd@b.example/t.atom")
    assert answer.headers["content-type"].startswith("application/atom+xml")
    feed = ET.fromstring(answer.content)  # noqa: S314 - our own
    assert feed.findtext(f"{ATOM}title") == "the call"
    return iter(feed.findall(f"{ATOM}entry"))


def test_the_feed_tells_the_newest_mail_first(
    entries: Iterator[ET.Element],
) -> None:
    told = [
        (
            entry.findtext(f"{ATOM}author/{ATOM}name"),
            entry.findtext(f"{ATOM}id"),
        )
        for entry in entries
    ]
    assert told == [
        (name, f"mid:{name}@b.example")
        for name in ("cyd", "dan", "ada", "ben")
    ]

"""Mails as pages, and their bytes."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.db import Database
from app.routes.messages import mask_raw
from app.services import messages

KLEEN = "200603222105.58912.ak@suse.de"
AMSDEN = "4421C9D4.3050806@vmware.com"


@pytest.fixture
def _mails(database: Database, shared: Path) -> None:
    with database.write() as session:
        for file in sorted((shared / "mail").iterdir()):
            messages.import_message(session, file.read_bytes())


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
def test_a_thread_leads_to_its_mails(client: TestClient) -> None:
    page = client.get("/threads/kleen-sti-shadow").text
    assert f'href="/m/{KLEEN}/"' in page
    assert f'href="/m/{AMSDEN}/"' in page


def test_a_mail_that_is_not_here_is_named(client: TestClient) -> None:
    page = client.get("/threads/kleen-sti-shadow").text
    assert f"<code>{KLEEN}</code>" in page
    assert client.get(f"/m/{KLEEN}/").status_code == 404
    assert client.get(f"/m/{KLEEN}/raw").status_code == 404


@pytest.mark.usefixtures("_mails")
def test_addresses_are_hidden_from_who_is_not_signed_in(
    client: TestClient,
) -> None:
    for address in (f"/m/{AMSDEN}/", f"/m/{AMSDEN}/raw"):
        text = client.get(address).text
        assert "zach@xxxxxxxxxx" in text
        assert "zach@vmware.com" not in text
        assert AMSDEN in text


@pytest.mark.usefixtures("_mails")
def test_who_is_signed_in_gets_the_very_bytes(
    signed_in: TestClient, shared: Path
) -> None:
    name = "2006-03-22-amsden-re-kleen-01-24-documentation.eml"
    answer = signed_in.get(f"/m/{AMSDEN}/raw")
    assert answer.content == (shared / "mail" / name).read_bytes()
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "zach@vmware.com" in signed_in.get(f"/m/{AMSDEN}/").text


def test_an_id_with_signs_of_an_address_is_linked_and_found(
    client: TestClient, database: Database
) -> None:
    raw = b"From: a\nMessage-ID: <a/b?c#d@x>\nSubject: <odd>\n\nhi\n"
    with database.write() as session:
        messages.import_message(session, raw)
    page = client.get("/m/a/b%3Fc%23d@x/")
    assert page.status_code == 200
    assert 'href="/m/a/b%3Fc%23d@x/raw"' in page.text
    assert "<h1>&lt;odd&gt;</h1>" in page.text
    assert client.get("/m/a/b%3Fc%23d@x/raw").content == raw


def test_only_ids_keep_their_hosts_in_the_bytes() -> None:
    raw = (
        b"From: A <a@b.example>\r\nReferences: <1@b.example>\r\n"
        b" <2@b.example>\r\nTo: c@d.example\r\n\r\n\xff e@f.example\r\n"
    )
    assert mask_raw(raw) == (
        b"From: A <a@xxxxxxxxx>\r\nReferences: <1@b.example>\r\n"
        b" <2@b.example>\r\nTo: c@xxxxxxxxx\r\n\r\n\xff e@xxxxxxxxx\r\n"
    )
    assert mask_raw(b"no body a@b.example") == b"no body a@xxxxxxxxx"

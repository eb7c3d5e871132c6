"""The list of conversations, and cutting what is guessed."""

import re
from http import HTTPStatus

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlmodel import col

from app.db import Database
from app.models import Entry, Message, Role
from app.routes.conversations import PAGE_LENGTH
from app.services import linking, reviewers
from tests.factories import make_message, make_token


def store(database: Database, *messages: Message) -> None:
    """Store mails and put them into their conversations."""
    with database.write() as session:
        session.add_all(messages)
    linking.link_waiting(database)


@pytest.fixture
def _guess(database: Database) -> None:
    store(
        database,
        make_message("top/1@x", subject="about a@b.example"),
        make_message("guess/1@x", subject="Re: about a@b.example"),
    )


def make_editor(database: Database) -> dict[str, str]:
    """Return the header that an editor's client sends."""
    with database.write() as session:
        reviewers.add_reviewer(session, "eve", Role.editor)
        return make_token(session, "eve")


def list_links(text: str, rel: str) -> list[str]:
    """Return the addresses of a page's links of a kind."""
    return re.findall(rf'<a href="([^"]+)" rel="{rel}"', text)


def test_without_mail_the_list_says_how_it_comes(client: TestClient) -> None:
    text = client.get("/m/").text
    assert "Nothing was imported yet." in text
    assert "vmi-review import PATH" in text


@pytest.mark.usefixtures("_guess")
def test_a_conversation_is_one_row(client: TestClient) -> None:
    text = client.get("/m/").text
    assert "2 mails in 1 conversation" in text
    assert text.count('class="row message-row"') == 1
    (address,) = re.findall(r'class="row-title" href="([^"]+)"', text)
    assert address == "/m/top/1@x/t/"
    assert client.get(address).status_code == HTTPStatus.OK


@pytest.mark.usefixtures("_guess")
def test_addresses_are_shown_to_who_signed_in_alone(
    signed_in: TestClient,
) -> None:
    assert "about a@b.example" in signed_in.get("/m/").text
    signed_in.cookies.clear()
    assert "a@b.example" not in signed_in.get("/m/").text


def test_a_long_list_goes_on(client: TestClient, database: Database) -> None:
    count = 2 * PAGE_LENGTH + 1
    store(
        database,
        *(make_message(f"{n}@x", subject=f"{n}") for n in range(count)),
    )
    page = client.get("/m/").text
    seen = re.findall(r'href="/m/(\d+)@x/t/"', page)
    assert not list_links(page, "first")
    while following := list_links(page, "next"):
        page = client.get(following[0]).text
        assert list_links(page, "first") == ["/m/"]
        seen += re.findall(r'href="/m/(\d+)@x/t/"', page)
    assert seen == [str(n) for n in reversed(range(count))]
    nothing = client.get("/m/?after=0.1").text
    assert "Nothing is older." in nothing


@pytest.mark.parametrize("after", ["x", "1", "9.x", "9" * 40])
def test_what_is_no_place_in_the_list_is_refused(
    client: TestClient, after: str
) -> None:
    answer = client.get("/m/", params={"after": after})
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "no place in the list" in answer.text


def test_the_list_costs_few_queries(
    client: TestClient, database: Database, statements: list[str]
) -> None:
    store(
        database, *(make_message(f"{n}@x", subject=f"{n}") for n in range(50))
    )
    client.get("/healthz")
    statements.clear()
    client.get("/m/")
    assert len(statements) <= 6, statements


@pytest.mark.usefixtures("_guess")
def test_an_editor_cuts_a_guess_and_joins_it_again(
    client: TestClient, database: Database
) -> None:
    editor = make_editor(database)
    page = client.get("/m/guess/1@x/", headers=editor).text
    assert "by its subject alone" in page
    for act, said, count in (
        ("cut", "An editor cut it off", 2),
        ("join", "by its subject alone", 1),
    ):
        assert f'action="/m/guess/1@x/{act}"' in page
        answer = client.post(
            f"/m/guess/1@x/{act}", headers=editor, follow_redirects=False
        )
        assert answer.status_code == HTTPStatus.SEE_OTHER
        assert answer.headers["location"] == "/m/guess/1@x/"
        page = client.get("/m/guess/1@x/", headers=editor).text
        assert said in page
        assert f"2 mails in {count} conversation" in client.get("/m/").text


@pytest.mark.usefixtures("_guess")
def test_who_is_no_editor_cuts_nothing(
    signed_in: TestClient, database: Database
) -> None:
    """A reviewer may not, a stranger even less; neither sees the button."""
    head = select(func.max(col(Entry.seq)))
    with database.read() as session:
        before = session.scalar(head)
    for status in (HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED):
        assert "by its subject alone" in signed_in.get("/m/guess/1@x/").text
        for act in ("cut", "join"):
            assert f"/{act}" not in signed_in.get("/m/guess/1@x/").text
            answer = signed_in.post(f"/m/guess/1@x/{act}")
            assert answer.status_code == status
        signed_in.cookies.clear()
    with database.read() as session:
        assert session.scalar(head) == before


@pytest.mark.usefixtures("_guess")
def test_what_does_not_fit_is_a_conflict(
    client: TestClient, database: Database
) -> None:
    editor = make_editor(database)
    for address, status in (
        ("/m/top/1@x/cut", HTTPStatus.CONFLICT),
        ("/m/guess/1@x/join", HTTPStatus.CONFLICT),
        ("/m/gone@x/cut", HTTPStatus.NOT_FOUND),
    ):
        assert client.post(address, headers=editor).status_code == status

"""The home page."""

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.db import Database
from app.main import create_app
from app.services.entries import append_entry


def test_home_shows_the_review_at_a_glance(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    text = answer.text
    assert "<h1>Paravirtualization API Version 2.0</h1>" in text
    for words in (
        "88 objections",
        "13 conceded",
        "39 answered",
        "13 disputed",
        "23 open",
        "What blocks",
        "Whose turn",
        "Latest in the log",
        "proposal loaded",
    ):
        assert words in text
    assert text.count('class="map-cell') == 94


def test_the_map_says_in_words_what_it_shows(client: TestClient) -> None:
    text = client.get("/").text
    cell = re.search(
        r'<li class="map-cell[^>]*><a href="[^"]*_EnableInterrupts".*?</li>',
        text,
        re.DOTALL,
    )
    assert cell is not None
    assert ", concern, 8 threads, executable" in cell.group()


@pytest.mark.parametrize(
    ("subject", "data", "href"),
    [
        ("annotation:1", {"thread": "kleen-sti-shadow"}, "/threads/kleen-sti"),
        ("annotation:1", {"message": "1@x"}, "/m/1@x/"),
        ("annotation:1", {"motivation": "editing"}, None),
        ("message:a/b?@x", {"subject": "s"}, "/m/a/b%3F@x/"),
        ("quote:1@x/0", {"message": "1@x", "position": 0}, "/m/1@x/"),
        ("revision:2", {"change": "c"}, "/document/revisions/2/"),
        ("search:open", {"query": "is:open"}, None),
        ("nothing", {}, None),
    ],
)
def test_each_line_of_the_log_is_shown_and_leads_to_what_it_tells_of(
    database: Database,
    client: TestClient,
    subject: str,
    data: dict[str, object],
    href: str | None,
) -> None:
    with database.write() as session:
        append_entry(session, "program", "something.done", subject, data)
    answer = client.get("/")
    assert answer.status_code == 200
    assert "something done" in answer.text
    if href is not None:
        assert f'href="{href}' in answer.text


def test_home_before_a_load_says_what_to_do(
    empty_database: Database, tmp_path: Path
) -> None:
    settings = Settings(
        database_url=empty_database.url,
        data_dir=tmp_path,
        base_url="http://testserver",
    )
    with TestClient(create_app(settings)) as client:
        answer = client.get("/")
    assert answer.status_code == 200
    assert "vmi-review load" in answer.text

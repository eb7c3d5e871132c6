"""The home page."""

import re
from pathlib import Path

from fastapi.testclient import TestClient

from app.config import Settings
from app.db import Database
from app.main import create_app


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


def test_home_before_a_load_says_what_to_do(
    empty_database: Database, tmp_path: Path
) -> None:
    settings = Settings(database_url=empty_database.url, data_dir=tmp_path)
    with TestClient(create_app(settings)) as client:
        answer = client.get("/")
    assert answer.status_code == 200
    assert "vmi-review load" in answer.text

"""Every example of the API's page does what it says, as it is printed."""

import html
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from app.db import Database
from app.main import create_app
from app.models import Role
from app.services import sessions, tokens
from tests import factories
from tests.conftest import SQLiteCopies
from tests.live_server import serve_app

COMMAND = re.compile(
    r'<pre><code class="command">(.*?)</code></pre>', re.DOTALL
)
METHOD = re.compile(r"^curl -fsS(?: -X (\w+))?")
ORDER = ("POST", "GET", "PUT", "PATCH", "DELETE")
NOTE = {
    "@context": "http://www.w3.org/ns/anno.jsonld",
    "type": "Annotation",
    "motivation": "commenting",
    "body": {"type": "TextualBody", "value": "Why?"},
}
# what is made by one command and named by another comes first
FIRST = ("/api/runs", "/api/threads", "/api/decisions")
WAITS = ("/progress",)
"""Of a run that is over there is no progress to read or to stop."""


@pytest.fixture(scope="module")
def review(
    sqlite_copies: SQLiteCopies, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Serve a review with what the examples name; yield shell variables."""
    url = sqlite_copies.make("full")
    database = Database(url)
    with database.write() as session:
        ada = factories.make_visitor(session, "ada", Role.administrator)
        factories.make_visitor(session, "bea")
        token = tokens.create_token(session, "ada").secret
        tokens.create_token(session, "ada")
        sessions.sign_in(session, ada.id, days=1, means="test")
    app = create_app(
        Settings(
            database_url=url,
            data_dir=tmp_path_factory.mktemp("review"),
            limit_writes="",
            limit_reads="",
        )
    )
    with serve_app(app) as address:
        client = httpx.Client(
            base_url=address,
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
        )
        for place, slug, target in (
            ("", "first-note", "/calls/VMI_Halt"),
            ("vmi/", "second-note", "/calls/VMI_Halt"),
            ("", "third-note", "/calls/VMI_Halt"),
            ("", "first-comment", "/threads/kleen-watchdog-nmi"),
        ):
            client.post(
                f"/annotations/{place}",
                json=NOTE | {"target": f"{address}{target}"},
                headers={"Slug": slug},
            ).raise_for_status()
        client.put(
            "/api/threads/kleen-watchdog-nmi/stances/ada",
            json={"stance": "blocking", "text": "Why?"},
        ).raise_for_status()
        client.put("/api/members/bea").raise_for_status()
        client.close()
        yield {"REVIEW": address, "TOKEN": token}
    database.close()
    sqlite_copies.drop(url)


def read_commands(page: str) -> list[str]:
    """Return the commands that a page prints, in an order that can work."""
    commands = [html.unescape(c) for c in COMMAND.findall(page)]

    def get_place(command: str) -> tuple[int, int, int]:
        method = METHOD.match(command)
        assert method, command
        first = command.split("\n", maxsplit=1)[0]
        rank = next(
            (n for n, p in enumerate(FIRST) if f'{p}"' in first), len(FIRST)
        )
        depth = first.count("/") if method[1] == "DELETE" else 0
        return ORDER.index(method[1] or "GET"), rank, -depth

    return sorted(commands, key=get_place)


def test_every_command_of_the_page_does_what_it_says(
    review: dict[str, str], tmp_path: Path
) -> None:
    document = httpx.get(f"{review['REVIEW']}/openapi.json", timeout=60).json()
    commands = read_commands(
        httpx.get(f"{review['REVIEW']}/docs", timeout=60).text
    )
    assert len(commands) == sum(map(len, document["paths"].values()))
    failed = []
    for command in commands:
        is_stream = command.endswith('/events"')
        # a stream does not end by itself
        end = " --max-time 1" if is_stream else ""
        done = subprocess.run(
            ["sh", "-c", f"{command}{end}"],
            env={"PATH": os.environ["PATH"], **review},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        is_over = any(place in command for place in WAITS)
        if is_stream:
            assert (done.returncode, "retry:" in done.stdout) == (28, True)
        elif done.returncode and not (is_over and "404" in done.stderr):
            failed.append(f"{command}\n{done.stdout}{done.stderr}")
    assert failed == [], "\n\n".join(failed)

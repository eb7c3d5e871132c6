"""People of each role who ask one application, and what they do there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi.testclient import TestClient
from httpx2 import Response

from app.db import Database
from app.identity import SESSION_COOKIE
from app.models import Role
from app.services import sessions
from app.services.entries import Line, list_entries
from tests import factories

ROLES: Mapping[str, Role] = {
    "ada": Role.reviewer,
    "bob": Role.reviewer,
    "ed": Role.editor,
    "eve": Role.reader,
}


@dataclass(frozen=True, slots=True)
class Crew:
    """An application, and how ada, bob, ed and eve ask it.

    `ed` is an editor, `eve` a reader; None asks without a name.
    """

    client: TestClient
    database: Database
    tokens: Mapping[str, Mapping[str, str]]
    cookies: Mapping[str, str]

    def ask(
        self,
        name: str | None,
        method: str,
        path: str,
        *,
        sent: object = None,
        **headers: str,
    ) -> Response:
        """Ask as a program does; `If_Match` is the header of that name."""
        known = self.tokens[name] if name else {}
        named = {
            key.replace("_", "-"): value for key, value in headers.items()
        }
        given: dict[str, Any] = {} if sent is None else {"json": sent}
        return self.client.request(
            method, path, headers={**known, **named}, **given
        )

    def browse(
        self,
        name: str,
        path: str,
        typed: Mapping[str, str] | None = None,
        *,
        is_part: bool = False,
    ) -> Response:
        """Ask as a browser does, with a form if something was typed."""
        headers = {
            "Cookie": f"{SESSION_COOKIE}={self.cookies[name]}",
            "Sec-Fetch-Site": "same-origin",
            "Accept": "text/html",
        }
        if is_part:
            headers |= {"HX-Request": "true", "HX-Request-Type": "partial"}
        return self.client.request(
            "GET" if typed is None else "POST",
            path,
            data=typed,
            headers=headers,
            follow_redirects=False,
        )

    def open_thread(self, name: str, title: str) -> str:
        """Open a thread on a call; return its slug."""
        sent = {
            "title": title,
            "kind": "objection",
            "severity": "concern",
            "text": f"There is {title}.",
            "calls": ["VMI_Halt"],
        }
        made = self.ask(name, "POST", "/api/threads", sent=sent)
        slug: str = made.json()["slug"]
        return slug

    def comment(
        self, name: str, slug: str, text: str, parent: str | None = None
    ) -> str:
        """Comment on a thread; return the comment's id."""
        made = self.ask(
            name,
            "POST",
            f"/api/threads/{slug}/comments",
            sent={"text": text, "parent": parent},
        )
        id_: str = made.json()["id"]
        return id_

    def read_log(self) -> list[Line]:
        """Return the lines of the log."""
        with self.database.read() as session:
            return list(list_entries(session))


def gather(client: TestClient, database: Database) -> Crew:
    """Add the people to an application."""
    tokens, cookies = {}, {}
    with database.write() as session:
        for name, role in ROLES.items():
            visitor = factories.make_visitor(session, name, role)
            tokens[name] = factories.make_token(session, name)
            cookies[name] = sessions.sign_in(
                session, visitor.id, days=1, means="test"
            )
    return Crew(client, database, tokens, cookies)

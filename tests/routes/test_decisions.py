"""The decision log in pages, files and JSON; deciding by form and token."""

import json
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.db import Database
from app.identity import SESSION_COOKIE
from app.main import create_app
from app.models import Role, Scope
from app.services import decision_rows, entries, exports, sessions, tokens
from tests import factories

THREAD = "kleen-sti-pairs-belong-in-spec"
FORM = f"/threads/{THREAD}/decisions"
REASON = "The pair is *one* step."


@pytest.fixture
def signed_in(settings: Settings, database: Database) -> Iterator[TestClient]:
    """Return the client of a signed-in reviewer."""
    with database.write() as session:
        ada = factories.make_visitor(session)
        secret = sessions.sign_in(session, ada.id, days=1, means="link")
    with TestClient(
        create_app(settings),
        cookies={SESSION_COOKIE: secret},
        headers={"Sec-Fetch-Site": "same-origin"},
        follow_redirects=False,
    ) as client:
        yield client


@pytest.fixture
def token(database: Database) -> dict[str, str]:
    """Return the header of a reviewer's program."""
    with database.write() as session:
        factories.make_visitor(session, "eve")
        return factories.make_token(session, "eve")


def cite(database: Database) -> int:
    """Put a run forward on the thread."""
    with database.write() as session:
        bob = factories.make_visitor(session, "bob")
        run = factories.make_run(session)
        return factories.make_evidence(session, bob, THREAD, run)


def test_an_empty_log_says_what_to_do(client: TestClient) -> None:
    page = client.get("/decisions/")
    assert page.status_code == 200
    assert "Nothing is decided yet" in page.text


def test_a_reviewer_decides_by_form(
    signed_in: TestClient, database: Database
) -> None:
    piece = cite(database)
    answer = signed_in.post(
        FORM,
        data={
            "disposition": "accepted",
            "reason": REASON,
            "dissent": "Eve: no.",
            "evidence": [str(piece)],
        },
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/threads/{THREAD}#decision"
    for address in ("/decisions/", "/decisions/1"):
        page = signed_in.get(address).text
        assert "Resolved: accepted." in page
        assert "The pair is <em>one</em> step." in page
        assert "Eve: no." in page
        assert "sleeps-with-work" in page


def test_a_refused_form_keeps_all_that_was_typed(
    signed_in: TestClient, database: Database
) -> None:
    piece = cite(database)
    answer = signed_in.post(
        FORM,
        data={
            "disposition": "perhaps",
            "reason": "My <long> reason",
            "dissent": "Eve: no.",
            "evidence": [str(piece)],
        },
    )
    assert answer.status_code == 422
    assert "My &lt;long&gt; reason" in answer.text
    assert "Eve: no." in answer.text
    assert f'value="{piece}" checked' in answer.text
    assert 'id="disposition-error"' in answer.text


def test_a_decision_in_force_is_offered_to_be_superseded(
    signed_in: TestClient,
) -> None:
    sent = {"disposition": "rejected", "reason": "No."}
    assert signed_in.post(FORM, data=sent).status_code == 303
    refused = signed_in.post(FORM, data={**sent, "reason": "Never."})
    assert refused.status_code == 409
    assert "decision 1" in refused.text
    assert "Never." in refused.text
    assert 'name="supersedes" value="1"' in refused.text
    again = signed_in.post(FORM, data={**sent, "supersedes": "1"})
    assert again.status_code == 303
    superseded = signed_in.get("/decisions/?show=superseded").text
    assert 'id="decision-1"' in superseded
    assert 'id="decision-2"' not in superseded


def test_who_is_not_signed_in_decides_nothing(
    client: TestClient, database: Database
) -> None:
    sent = {"disposition": "rejected", "reason": "No."}
    answer = client.post(
        FORM, data=sent, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert answer.status_code == 401
    assert client.get(FORM).status_code == 401
    with database.read() as session:
        assert decision_rows.list_decisions(session) == []


def test_another_site_decides_nothing(signed_in: TestClient) -> None:
    sent = {"disposition": "rejected", "reason": "No."}
    answer = signed_in.post(
        FORM, data=sent, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 403


def test_a_readers_token_decides_nothing(
    client: TestClient, database: Database
) -> None:
    with database.write() as session:
        factories.make_visitor(session, "rea", Role.reader)
        header = factories.make_token(session, "rea")
    sent = {"thread": THREAD, "disposition": "rejected", "reason": "No."}
    answer = client.post("/api/decisions", json=sent, headers=header)
    assert answer.status_code == 403


def test_a_program_decides_by_token(
    client: TestClient, token: dict[str, str], database: Database
) -> None:
    sent = {
        "thread": THREAD,
        "disposition": "partly",
        "reason": REASON,
        "evidence": [cite(database)],
    }
    answer = client.post("/api/decisions", json=sent, headers=token)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == "/api/decisions/1"
    stored = client.get("/api/decisions/1").json()
    assert stored == answer.json()
    assert stored["evidence"][0]["answer"] == "sometimes"
    (line,) = client.get(f"/api/log?after={stored['log']['seq'] - 1}").json()[
        "items"
    ]
    assert line["hash"] == stored["log"]["hash"]


@pytest.mark.parametrize(
    ("change", "status", "pointer"),
    [
        ({"thread": "no-such"}, 404, None),
        ({"supersedes": 4}, 409, None),
        ({"disposition": "perhaps"}, 422, "/disposition"),
        ({"reason": " "}, 422, "/reason"),
        ({"reason": "\ud800"}, 422, "/reason"),
        ({"reason": "a\0b"}, 422, "/reason"),
        ({"evidence": [99]}, 422, "/evidence/0"),
        ({"evidence": [2**31]}, 422, "/evidence/0"),
        ({"other": 1}, 422, "/other"),
    ],
)
def test_a_bad_decision_is_refused_with_its_place(
    client: TestClient,
    token: dict[str, str],
    change: dict[str, object],
    status: int,
    pointer: str | None,
) -> None:
    sent = {"thread": THREAD, "disposition": "rejected", "reason": "No."}
    answer = client.post(
        "/api/decisions",
        content=json.dumps({**sent, **change}),
        headers={**token, "Content-Type": "application/json"},
    )
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    if pointer is not None:
        assert answer.json()["errors"][0]["pointer"] == pointer


def test_decisions_are_paged_and_filtered(
    client: TestClient, token: dict[str, str]
) -> None:
    slugs = [THREAD, "kleen-rdtsc-userspace", "kleen-watchdog-nmi"]
    for slug in slugs:
        sent = {"thread": slug, "disposition": "rejected", "reason": "No."}
        client.post("/api/decisions", json=sent, headers=token)
    first = client.get("/api/decisions?limit=2")
    assert [d["number"] for d in first.json()["items"]] == [1, 2]
    rest = client.get(first.links["next"]["url"])
    assert [d["number"] for d in rest.json()["items"]] == [3]
    assert "next" not in rest.links
    found = client.get(f"/api/decisions?thread={slugs[1]}").json()["items"]
    assert [d["number"] for d in found] == [2]


@pytest.mark.parametrize("name", list(exports.FORMATS))
def test_an_export_is_what_the_service_writes(
    client: TestClient,
    token: dict[str, str],
    database: Database,
    name: str,
) -> None:
    sent = {"thread": THREAD, "disposition": "rejected", "reason": "No."}
    client.post("/api/decisions", json=sent, headers=token)
    answer = client.get(f"/decisions.{name}")
    assert answer.status_code == 200
    with database.read() as session:
        base_url = "http://testserver"
        assert answer.content == exports.export_decisions(
            session, name, base_url
        )


def test_unknown_exports_and_decisions_are_refused(
    client: TestClient,
) -> None:
    assert client.get("/decisions.pdf").status_code == 422
    assert client.get("/decisions/99").status_code == 404
    assert client.get("/decisions/0").status_code == 404
    assert client.get("/decisions/first").status_code == 404
    assert client.get("/api/decisions/0").status_code == 422
    assert client.get("/api/decisions/99").status_code == 404


def test_the_log_is_read_by_number(client: TestClient) -> None:
    answer = client.get("/api/log?limit=1")
    (line,) = answer.json()["items"]
    assert line["seq"] == 1
    assert line["previous"] == entries.GENESIS
    assert client.get("/api/log?after=1000000").json() == {"items": []}


def test_what_the_log_tells_of_accounts_is_for_administrators(
    client: TestClient, database: Database
) -> None:
    """To others a line says no more than its place in the chain."""
    with database.write() as session:
        factories.make_visitor(session, "ada")
        factories.make_visitor(session, "root", Role.administrator)
        last = entries.get_head(session)
        keys = {
            (name, scope): tokens.create_token(
                session, name, scope=scope
            ).secret
            for name, scope in (
                ("ada", Scope.admin),
                ("root", Scope.edit),
                ("root", Scope.admin),
            )
        }
    path = f"/api/log?after={last.seq - 1}&limit=1"
    withheld = {
        "seq": last.seq,
        **dict.fromkeys(("id", "at", "actor", "type", "subject", "data")),
    }
    for who in (None, ("ada", Scope.admin), ("root", Scope.edit)):
        headers = {"Authorization": f"Bearer {keys[who]}"} if who else {}
        (line,) = client.get(path, headers=headers).json()["items"]
        assert line.pop("previous")
        assert line.pop("hash") == last.hash
        assert line == withheld
    headers = {"Authorization": f"Bearer {keys['root', Scope.admin]}"}
    (line,) = client.get(path, headers=headers).json()["items"]
    assert line["type"] == "reviewer.added"
    assert entries.compute_hash(entries.Line(**line)) == line["hash"]


def test_the_health_tells_the_head(client: TestClient) -> None:
    answer = client.get("/healthz").json()
    assert answer["status"] == "ok"
    assert answer["head"] >= 1

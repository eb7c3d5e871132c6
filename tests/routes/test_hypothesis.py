"""The API that clients of Hypothesis speak."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlmodel import col

from app.config import Settings
from app.db import Database
from app.identity import SESSION_COOKIE
from app.main import create_app
from app.models import Role, SignIn
from app.services import (
    access,
    annotation_changes,
    entries,
    reviewers,
    sessions,
)
from tests.conftest import PostgresCopies, SQLiteCopies
from tests.factories import make_token, make_visitor

BASE = "http://testserver"
DOCUMENT = f"{BASE}/document/"
QUOTE = "A one-shot alarm disarms itself when it fires."
BEARER_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
VERSION = "application/vnd.hypothesis.v1+json"

Json = dict[str, Any]


@pytest.fixture(scope="module")
def filled(sqlite_copies: SQLiteCopies) -> Iterator[Database]:
    """Return a database with the bundled corpus, for the whole module."""
    database = Database(sqlite_copies.make("full"))
    yield database
    database.close()
    sqlite_copies.drop(database.url)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that looks like the client's."""
    build = tmp_path_factory.mktemp("client") / "build"
    build.mkdir()
    (build / "boot.js").write_text("// the client's\n")
    (build.parent / "package.json").write_text("{}")
    return build.parent


@pytest.fixture(scope="module")
def site(
    filled: Database, package: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    """Return a client of an application that offers Hypothesis."""
    settings = Settings(
        database_url=filled.url,
        data_dir=tmp_path_factory.mktemp("data"),
        base_url=BASE,
        hypothesis_client=package,
    )
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture(scope="module")
def tokens(filled: Database) -> Mapping[str, Mapping[str, str]]:
    """Return the headers of two reviewers, an editor and a reader."""
    roles = {
        "ada": Role.reviewer,
        "bob": Role.reviewer,
        "eve": Role.editor,
        "ron": Role.reader,
    }
    with filled.write() as session:
        for name, role in roles.items():
            make_visitor(session, name, role)
        return {name: make_token(session, name) for name in roles}


@pytest.fixture(scope="module")
def ada(tokens: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
    """Return the header that the reviewer `ada` sends."""
    return tokens["ada"]


@pytest.fixture
def cookie(filled: Database, site: TestClient) -> Iterator[str]:
    """Sign `ada` in as in a browser; return the session's secret."""
    with filled.write() as session:
        reader = sessions.Origin(agent="test")
        account = _find_id(filled, "ada")
        secret = sessions.sign_in(
            session, account, days=1, means="test", origin=reader
        )
    site.cookies.set(SESSION_COOKIE, secret, domain="testserver.local")
    yield secret
    site.cookies.clear()


def _find_id(database: Database, name: str) -> int:
    from app.services import reviewers

    with database.read() as session:
        return reviewers.require_account(session, name).id


def make_payload(text: str = "What if?", **parts: Any) -> Json:
    """Return an annotation as the client sends it."""
    return {
        "uri": DOCUMENT,
        "text": text,
        "tags": [],
        "group": "__world__",
        "permissions": {"read": ["group:__world__"]},
        "target": [{"source": DOCUMENT, "selector": make_selectors()}],
        "document": {"title": "ignored"},
        "created": "2001-01-01T00:00:00Z",
        "user": "acct:somebody@else",
        **parts,
    }


def make_selectors(exact: str = QUOTE) -> list[Json]:
    """Return how the client names a passage."""
    return [
        {
            "type": "RangeSelector",
            "startContainer": "/main[1]/p[1]",
            "startOffset": 3,
            "endContainer": "/main[1]/p[1]",
            "endOffset": 3 + len(exact),
        },
        {
            "type": "TextPositionSelector",
            "start": 9000,
            "end": 9000 + len(exact),
        },
        {
            "type": "TextQuoteSelector",
            "exact": exact,
            "prefix": "",
            "suffix": "",
        },
    ]


def create(site: TestClient, who: Mapping[str, str], **parts: Any) -> Json:
    """Post an annotation; return what was answered."""
    answer = site.post(
        "/h/api/annotations", headers=who, json=make_payload(**parts)
    )
    assert answer.status_code == 200, answer.text
    made: Json = answer.json()
    return made


def search(site: TestClient, **asked: Any) -> Json:
    """Return what a search finds."""
    answer = site.get("/h/api/search", params=asked)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def list_ids(found: Json) -> list[str]:
    """Return the ids of a page."""
    return [row["id"] for row in found["rows"]]


def test_every_link_of_the_index_has_a_method_and_an_address(
    site: TestClient,
) -> None:
    links = site.get("/h/api/").json()["links"]
    assert links["annotation"]["update"] == {
        "method": "PATCH",
        "url": f"{BASE}/h/api/annotations/:id",
        "desc": "PATCH annotations/:id",
    }
    assert links["profile"]["read"]["url"] == f"{BASE}/h/api/profile"
    assert links["profile"]["groups"]["read"]["url"].endswith("/groups")
    pages = site.get("/h/api/links").json()
    assert pages["oauth.authorize"] == f"{BASE}/sign-in"
    assert "websocket" not in pages


def test_an_annotation_is_stored_by_its_writer(
    site: TestClient, ada: Mapping[str, str]
) -> None:
    """Who wrote it, and when, is not for the client to say."""
    made = create(
        site, ada, text="Who arms it again?", tags=["timer", "timer"]
    )
    assert made["user"] == "acct:ada@testserver"
    assert made["user_info"] == {"display_name": "ada"}
    assert made["created"] > "2026"
    assert made["tags"] == ["timer"]
    assert made["uri"] == DOCUMENT
    assert made["target"] == [
        {"source": DOCUMENT, "selector": make_selectors()}
    ]
    assert made["document"] == {
        "title": ["Paravirtualization API Version 2.0"]
    }
    assert made["permissions"]["delete"] == ["acct:ada@testserver"]
    assert "references" not in made
    assert made["links"] == {
        "html": f"{BASE}/annotations/{made['id']}",
        "incontext": f"{DOCUMENT}#annotations:{made['id']}",
        "json": f"{BASE}/h/api/annotations/{made['id']}",
    }
    assert made == site.get(f"/h/api/annotations/{made['id']}").json()


def test_the_same_annotation_has_a_w3c_form(
    site: TestClient, ada: Mapping[str, str]
) -> None:
    made = create(site, ada, text="Why?", tags=["timer"])
    answer = site.get(f"/h/api/annotations/{made['id']}.jsonld")
    assert answer.headers["content-type"].startswith("application/ld+json")
    document = answer.json()
    assert document["id"] == f"{BASE}/annotations/{made['id']}"
    assert document["motivation"] == "commenting"
    assert [body["purpose"] for body in document["body"]] == [
        "commenting",
        "tagging",
    ]
    selectors = document["target"]["selector"]
    assert selectors[0]["startSelector"]["type"] == "XPathSelector"
    assert selectors[2]["exact"] == QUOTE
    same = site.get(document["id"].removeprefix(BASE))
    assert same.json()["target"] == document["target"]


def test_it_stands_in_the_margin_of_the_document_at_once(
    site: TestClient, ada: Mapping[str, str]
) -> None:
    create(site, ada, text="Seen in the margin of both.")
    for path in ("/document/", "/document/alarms"):
        assert "Seen in the margin of both." in site.get(path).text, path


def test_a_reply_names_all_that_it_answers(
    site: TestClient, ada: Mapping[str, str]
) -> None:
    first = create(site, ada)
    second = create(site, ada, references=[first["id"]], target=[])
    third = create(
        site,
        ada,
        references=[first["id"], second["id"]],
        target=[{"source": DOCUMENT}],
    )
    assert third["references"] == [first["id"], second["id"]]
    assert third["uri"] == DOCUMENT
    assert third["target"] == [{"source": DOCUMENT}]
    found = search(site, references=first["id"], order="asc")
    assert list_ids(found) == [second["id"], third["id"]]


def test_a_reply_outlives_what_it_answers(
    site: TestClient, ada: Mapping[str, str]
) -> None:
    """The client shows it below a message that is gone."""
    first = create(site, ada)
    reply = create(site, ada, references=[first["id"]])
    site.delete(f"/h/api/annotations/{first['id']}", headers=ada)
    left = site.get(f"/h/api/annotations/{reply['id']}").json()
    assert left["references"] == [first["id"]]
    assert left["uri"] == DOCUMENT
    found = search(site, uri=DOCUMENT, limit=200)
    assert reply["id"] in list_ids(found)
    assert first["id"] not in list_ids(found)


def test_words_and_tags_change_and_the_rest_stays(
    site: TestClient, ada: Mapping[str, str]
) -> None:
    made = create(site, ada, tags=["old"])
    path = f"/h/api/annotations/{made['id']}"
    sent = {**made, "text": "Other words.", "tags": ["new"]}
    changed = site.patch(path, headers=ada, json=sent).json()
    assert (changed["text"], changed["tags"]) == ("Other words.", ["new"])
    assert changed["target"] == made["target"]
    assert changed["updated"] > changed["created"] == made["created"]
    only = site.patch(path, headers=ada, json={"tags": []}).json()
    assert (only["text"], only["tags"]) == ("Other words.", [])
    assert (
        site.put(path, headers=ada, json={"text": "PUT too"}).json()["text"]
        == "PUT too"
    )


def test_replies_are_found_on_a_page_and_of_one_at_once(
    site: TestClient, ada: Mapping[str, str]
) -> None:
    first = create(site, ada)
    reply = create(site, ada, references=[first["id"]])
    for uri, ids in ((DOCUMENT, [reply["id"]]), (f"{BASE}/calls/", [])):
        found = search(site, uri=uri, references=first["id"])
        assert list_ids(found) == ids


def test_keys_that_nobody_knows_are_kept(
    site: TestClient, ada: Mapping[str, str]
) -> None:
    """Those of the server change nothing, nor do the client's own."""
    kept = {"confidence": {"of": ["me", 3]}, "source_tool": "a tool"}
    made = create(site, ada, **kept, hidden=True, **{"$tag": "t1"})
    assert made["hidden"] is False
    assert "$tag" not in made
    path = f"/h/api/annotations/{made['id']}"
    sent = {**made, "text": "Other words.", "confidence": None}
    changed = site.patch(path, headers=ada, json=sent).json()
    expected = {**kept, "confidence": None}
    assert {key: changed[key] for key in kept} == expected
    document = site.get(f"{path}.jsonld").json()
    assert document["review:extra"] == expected
    assert document["@context"][1] == f"{BASE}/ns/review.jsonld"


def test_an_editor_deletes_anothers_and_says_why(
    site: TestClient,
    ada: Mapping[str, str],
    tokens: Mapping[str, Mapping[str, str]],
) -> None:
    path = f"/h/api/annotations/{create(site, ada)['id']}"
    assert site.delete(path, headers=tokens["bob"]).status_code == 403
    refused = site.delete(path, headers=tokens["eve"])
    assert refused.status_code == 400
    assert "says why" in refused.json()["reason"]
    done = site.delete(f"{path}?reason=spam", headers=tokens["eve"])
    assert done.status_code == 200
    assert site.get(path).status_code in {404, 410}


def test_another_passage_moves_it(
    site: TestClient, ada: Mapping[str, str]
) -> None:
    made = create(site, ada, text="Moves about.")
    target = [{"source": DOCUMENT, "selector": make_selectors("GetPteVal")}]
    moved = site.patch(
        f"/h/api/annotations/{made['id']}",
        headers=ada,
        json={"target": target},
    ).json()
    assert moved["target"] == target
    assert moved["text"] == "Moves about."
    assert "Moves about." not in site.get("/document/alarms").text


def test_a_deleted_one_is_gone(
    site: TestClient, ada: Mapping[str, str]
) -> None:
    made = create(site, ada)
    path = f"/h/api/annotations/{made['id']}"
    assert site.delete(path, headers=ada).json() == {
        "id": made["id"],
        "deleted": True,
    }
    for answer in (
        site.get(path),
        site.get(f"{path}.jsonld"),
        site.delete(path, headers=ada),
        site.patch(path, headers=ada, json={"text": "again"}),
    ):
        assert answer.status_code == 410
        assert answer.json()["status"] == "failure"


@pytest.mark.parametrize("who", ["bob", "eve"])
def test_nobody_changes_what_another_wrote(
    site: TestClient, tokens: Mapping[str, Mapping[str, str]], who: str
) -> None:
    """An editor deletes elsewhere, where a reason can be given."""
    made = create(site, tokens["ada"])
    path = f"/h/api/annotations/{made['id']}"
    changed = site.patch(path, headers=tokens[who], json={"text": "mine"})
    assert changed.status_code == 403
    deleted = site.delete(path, headers=tokens[who])
    assert deleted.status_code in {400, 403}
    assert deleted.json()["status"] == "failure"
    assert site.get(path).json() == made


def test_a_reader_writes_nothing(
    site: TestClient, tokens: Mapping[str, Mapping[str, str]]
) -> None:
    refused = site.post(
        "/h/api/annotations", headers=tokens["ron"], json=make_payload()
    )
    assert refused.status_code == 403
    nobody = site.post("/h/api/annotations", json=make_payload())
    assert nobody.status_code == 401
    assert nobody.json() == {
        "status": "failure",
        "reason": "sign in to do this",
    }


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"permissions": {"read": ["acct:ada@testserver"]}}, "private"),
        ({"group": "secret"}, "no such group"),
        ({"uri": None, "target": None}, "/uri"),
        ({"uri": "x" * 2001}, "/uri"),
        ({"text": "x" * 40_001}, "/text"),
        ({"text": "\0"}, "/text"),
        ({"text": 4}, "/text"),
        ({"tags": [" "]}, "/tags/0"),
        ({"tags": ["x"] * 51}, "/tags"),
        ({"target": [{}, {}]}, "/target"),
        ({"target": [{"selector": [{}] * 11}]}, "/target/0/selector"),
        ({"target": [{"selector": [{"type": "x"}]}]}, "/target/0/selector/0"),
        ({"references": "x"}, "/references"),
    ],
)
def test_what_is_not_understood_is_a_bad_request(
    site: TestClient, ada: Mapping[str, str], parts: Json, reason: str
) -> None:
    """What was meant to be private is never published instead."""
    before = search(site, limit=0)["total"]
    answer = site.post(
        "/h/api/annotations", headers=ada, json=make_payload(**parts)
    )
    assert answer.status_code == 400
    assert answer.json()["status"] == "failure"
    assert reason in answer.json()["reason"]
    assert search(site, limit=0)["total"] == before


def test_a_reply_to_nothing_is_refused(
    site: TestClient, ada: Mapping[str, str]
) -> None:
    answer = site.post(
        "/h/api/annotations",
        headers=ada,
        json=make_payload(references=["nobody-said-this"]),
    )
    assert answer.status_code == 404
    assert answer.json()["status"] == "failure"


def test_the_profile_tells_who_asks(
    site: TestClient, ada: Mapping[str, str]
) -> None:
    nobody = site.get("/h/api/profile")
    assert nobody.json()["userid"] is None
    known = site.get("/h/api/profile", headers=ada)
    assert known.json()["userid"] == "acct:ada@testserver"
    assert known.headers["cache-control"] == "no-store"


def test_there_is_one_group(site: TestClient) -> None:
    (group,) = site.get("/h/api/groups").json()
    assert group["id"] == "__world__"
    assert site.get("/h/api/profile/groups").json() == [group]
    assert site.get("/h/api/groups/__world__").json() == group
    assert site.get("/h/api/groups/other").status_code == 404


@pytest.mark.parametrize(
    ("accept", "type_"),
    [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        (VERSION, VERSION),
        (f"{VERSION}, application/json;q=0.5", VERSION),
    ],
)
def test_an_answer_names_its_version(
    site: TestClient, accept: str, type_: str
) -> None:
    answer = site.get("/h/api/", headers={"Accept": accept})
    assert answer.headers["content-type"].partition(";")[0] == type_
    assert answer.headers["hypothesis-media-type"] == VERSION
    assert "Accept" in answer.headers["vary"]


@pytest.mark.parametrize(
    "accept", ["application/vnd.hypothesis.v9+json", "text/turtle"]
)
def test_another_version_is_not_acceptable(
    site: TestClient, accept: str
) -> None:
    answer = site.get("/h/api/search", headers={"Accept": accept})
    assert answer.status_code == 406
    assert VERSION in answer.json()["reason"]


def exchange(site: TestClient, **sent: str) -> Any:
    """Ask for a token."""
    return site.post("/h/api/token", data=sent, headers=SAME_ORIGIN)


def get_grant(site: TestClient) -> Any:
    """Return the grant that the page's script is given."""
    answer = site.get("/h/config", headers=SAME_ORIGIN)
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()["services"][0]["grantToken"]


@pytest.mark.usefixtures("cookie")
def test_a_grant_becomes_a_token_to_annotate_with(site: TestClient) -> None:
    answer = exchange(site, grant_type=BEARER_GRANT, assertion=get_grant(site))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert (told["token_type"], told["scope"]) == ("Bearer", "annotate")
    site.cookies.clear()
    bearer = {"Authorization": f"Bearer {told['access_token']}"}
    assert create(site, bearer)["user"] == "acct:ada@testserver"
    renewed = exchange(
        site, grant_type="refresh_token", refresh_token=told["refresh_token"]
    )
    assert renewed.status_code == 200


def test_such_a_token_is_good_nowhere_else(
    site: TestClient, cookie: str
) -> None:
    grant = get_grant(site)
    token = exchange(site, grant_type=BEARER_GRANT, assertion=grant).json()
    site.cookies.clear()
    bearer = {"Authorization": f"Bearer {token['access_token']}"}
    assert site.get("/api/threads", headers=bearer).status_code == 401
    for text in (grant, token["refresh_token"], cookie):
        wrong = {"Authorization": f"Bearer {text}"}
        answer = site.get("/h/api/profile", headers=wrong)
        assert answer.status_code == 401, text


def test_it_ends_with_the_session(
    site: TestClient, filled: Database, cookie: str
) -> None:
    grant = get_grant(site)
    told = exchange(site, grant_type=BEARER_GRANT, assertion=grant).json()
    with filled.write() as session:
        sessions.sign_out(session, cookie)
    site.cookies.clear()
    bearer = {"Authorization": f"Bearer {told['access_token']}"}
    assert site.get("/h/api/profile", headers=bearer).status_code == 401
    for sent in (
        {"grant_type": BEARER_GRANT, "assertion": grant},
        {
            "grant_type": "refresh_token",
            "refresh_token": told["refresh_token"],
        },
    ):
        refused = exchange(site, **sent)
        assert refused.status_code == 400
        assert refused.json()["error"] == "invalid_grant"
        assert refused.json()["status"] == "failure"


def test_it_is_nobody_else_s_who_signs_in_next(
    site: TestClient, filled: Database, cookie: str
) -> None:
    """A database may give the number of a session that ended to another."""
    grant = get_grant(site)
    told = exchange(site, grant_type=BEARER_GRANT, assertion=grant).json()
    site.cookies.clear()
    with filled.write() as session:
        former = access.find_access(session, cookie=cookie).session_id
        sessions.sign_out(session, cookie)
        eve = reviewers.find_account(session, "eve")
        assert eve is not None
        secret = sessions.sign_in(session, eve.id, days=1, means="test")
        session.execute(
            update(SignIn)
            .where(col(SignIn.digest) == reviewers.compute_digest(secret))
            .values(id=former)
        )
    bearer = {"Authorization": f"Bearer {told['access_token']}"}
    assert site.get("/h/api/profile", headers=bearer).status_code == 401
    sent = {"refresh_token": told["refresh_token"]}
    renewed = exchange(site, grant_type="refresh_token", **sent)
    assert renewed.status_code == 400


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ({}, "unsupported_grant_type"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": BEARER_GRANT}, "invalid_grant"),
        ({"grant_type": BEARER_GRANT, "assertion": "x.y.z"}, "invalid_grant"),
    ],
)
def test_a_bad_grant_is_refused_as_oauth_refuses(
    site: TestClient, sent: dict[str, str], error: str
) -> None:
    answer = exchange(site, **sent)
    assert answer.status_code == 400
    assert answer.json()["error"] == error


def test_only_who_may_write_gets_a_grant(
    site: TestClient, ada: Mapping[str, str]
) -> None:
    """Neither a stranger nor a token, whose holder has one already."""
    assert get_grant(site) is None
    answer = site.get("/h/config", headers={**ada, **SAME_ORIGIN})
    assert answer.json()["services"][0]["grantToken"] is None


def test_the_page_starts_the_client_and_holds_no_secret(
    site: TestClient, cookie: str
) -> None:
    """The page is kept for long; the grant in it would not be good."""
    page = site.get("/document/").text
    assert 'data-config="/h/config"' in page
    assert "grantToken" not in page
    assert cookie not in page


def test_the_sidebar_stands_in_our_frames_only(site: TestClient) -> None:
    """Its policy is its own: it runs no script of another site either."""
    answer = site.get("/h/app.html")
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'self'" in policy
    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert f'src="{BASE}/h/client/build/boot.js"' in answer.text
    page = site.get("/document/").headers
    assert "frame-ancestors 'none'" in page["content-security-policy"]


def test_of_the_package_only_the_build_is_served(site: TestClient) -> None:
    assert site.get("/h/client/build/boot.js").status_code == 200
    for path in (
        "package.json",
        "build/../package.json",
        "build/%2e%2e/package.json",
    ):
        assert site.get(f"/h/client/{path}").status_code == 404, path


def test_without_the_setting_there_is_no_client(client: TestClient) -> None:
    """The API is there all the same, for other clients."""
    for path in ("/h/app.html", "/h/config", "/h/client/build/boot.js"):
        assert client.get(path).status_code == 404, path
    assert "hypothesis" not in client.get("/document/").text.lower()
    assert client.get("/h/api/").status_code == 200


def test_of_two_changes_at_once_both_are_kept(
    postgres_copies: PostgresCopies, tmp_path: Path
) -> None:
    """What is not named stays as it is by then; SQLite has one writer."""
    database = Database(postgres_copies.make("full"))
    with database.write() as session:
        ada = make_visitor(session)
        headers = make_token(session)
    settings = Settings(
        database_url=database.url, data_dir=tmp_path, base_url=BASE
    )
    with (
        TestClient(create_app(settings), headers=headers) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        made = client.post("/h/api/annotations", json=make_payload())
        name = made.json()["id"]
        path = f"/h/api/annotations/{name}"
        with database.write() as session:
            entries.take_turn(session)
            late = pool.submit(client.patch, path, json={"tags": ["late"]})
            while not is_awaited(database):
                time.sleep(0.01)
            annotation_changes.replace_text(session, ada, name, "Other words.")
        changed = late.result().json()
    assert (changed["text"], changed["tags"]) == ("Other words.", ["late"])
    database.close()
    postgres_copies.drop(database.url)


def is_awaited(database: Database) -> bool:
    """Tell whether somebody waits for their turn to change it."""
    wanted = "SELECT 1 FROM pg_locks WHERE locktype='advisory' AND NOT granted"
    with database.read() as session:
        found = session.connection().exec_driver_sql(wanted)
        return found.first() is not None

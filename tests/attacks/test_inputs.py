"""Attacks by what is sent: paths, queries, fields, bombs and slow bodies."""

import gzip
import json
import time
from collections.abc import Callable, Iterator

import anyio
import pytest
from starlette.types import Message, Scope

from app.guard import BODY_LIMIT
from app.models import Role
from app.services import accounts
from tests.attacks.conftest import Target

THREAD = "/api/threads/kleen-sti-shadow"
PATHS = (
    *("/static/../app/config.py", "/static/%2e%2e/app/config.py"),
    *("/static/..%2fapp%2fconfig.py", "/static/....//app/config.py"),
    *("/static//etc/passwd", "/static/%5c..%5capp%5cconfig.py"),
    *("/static/../../../../etc/passwd", "/static/vendor/../../pyproject.toml"),
    *("/h/client/build/../../package.json", "/calls/..%2f..%2fetc%2fpasswd"),
    *("/document/../../etc/passwd", "/m/..%2f..%2fetc/passwd/raw"),
    *("/whatif/..%2f..%2fpyproject", "/runs/..%2f..%2fdata%2fsecret.key"),
    *("/decisions.%2e%2e%2fkey", "/api/bulk/..%2f..%2fsecret.key"),
    *("/annotations/..%2f..%2fsecret.key", "/problems/..%2fsecret.key"),
)
SQL = (
    *("' OR '1'='1", "'; DROP TABLE entry; --", '" OR ""="', "1 OR 1=1"),
    *("') UNION SELECT name, password_hash FROM reviewer --", "%' --"),
    *("\\'; SELECT 1", "1; ATTACH DATABASE '/tmp/x' AS x", "0x27", "${1}"),
)
FTS = (
    *('"', '"a', "a NEAR(", "a NEAR b", "*", "^", "a AND", "NOT", "OR OR"),
    *("search_text : x", "{a b} : c", "rank : x", "a* b*", "(((((", ")"),
    *("-", "--", "- -a", 's:"', "from:'", "d:..", "a:b:c:d", "col:*", "+"),
)
OWNED = {
    "id": "mine",
    "slug": "mine",
    "author": "root",
    "reviewer": "root",
    "reviewer_id": 1,
    "role": "administrator",
    "state": "resolved",
    "created_at": "1999-01-01T00:00:00Z",
    "is_private": True,
}
NAMES = ("ada", "bob", "eve", "rita", "root")


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_out_of_its_folder(target: Target, path: str) -> None:
    answer = target.client.get(
        f"http://testserver{path}", follow_redirects=False
    )
    assert answer.status_code in {307, 400, 404, 405, 422}
    for word in ("root:x:", "BaseSettings", "[project]", '"dependencies"'):
        assert word not in answer.text
    key = target.app.state.secret_key
    assert key not in answer.content


@pytest.mark.parametrize("text", SQL + FTS)
def test_no_search_is_a_command_to_the_database(
    target: Target, text: str
) -> None:
    before = target.count_entries()
    answer = target.client.get("/api/search", params={"q": text})
    assert answer.status_code in {200, 422}
    assert "password" not in answer.text
    for path in ("/api/threads", "/api/runs", "/h/api/search"):
        answer = target.client.get(
            path,
            params={
                **dict.fromkeys(("q", "any", "user", "tag", "uri"), text),
                **dict.fromkeys(("state", "reviewer", "search_after"), text),
            },
        )
        assert answer.status_code in {200, 400, 404, 422}, path
        assert "sqlite" not in answer.text.lower()
    assert target.count_entries() == before


@pytest.mark.parametrize("text", SQL)
def test_no_cursor_or_name_is_a_command_to_the_database(
    target: Target, text: str
) -> None:
    for path in (
        f"/api/threads?after={text}&limit={text}",
        f"/api/log?after={text}",
        f"/events?since={text}&thread={text}",
        f"/annotations/?page={text}&iris={text}",
        f"/annotations/{text.replace('/', '')}",
        f"/calls/{text.replace('/', '')}",
        f"/accounts/@{text.replace('/', '')}",
    ):
        answer = target.send("root", "GET", path.replace("#", ""))
        assert answer.status_code in {200, 400, 404, 422}, path
        assert "sqlite" not in answer.text.lower()


def test_no_field_of_the_service_is_taken_from_outside(
    target: Target,
) -> None:
    """Who sends what only we may set is refused, or it counts for nothing."""
    fields = [
        ("POST", "/api/threads", {"title": "t", "text": "t"}),
        ("POST", f"{THREAD}/comments", {"text": "t"}),
        ("PUT", f"{THREAD}/stances/ada", {"stance": "working"}),
        ("PATCH", "/api/account", {"display_name": "Ada"}),
        ("POST", "/api/account/tokens", {"name": "t", "scope": "read"}),
    ]
    for method, path, body in fields:
        for name, value in OWNED.items():
            answer = target.send(
                "ada", method, path, json={**body, name: value}
            )
            assert answer.status_code == 422, (path, name)
    with target.database.read() as session:
        assert accounts.get_account(session, "ada").role == Role.reviewer


def test_no_form_gives_a_role(target: Target) -> None:
    answer = target.submit(
        "ada",
        "/account/name",
        {"display_name": "Ada", "role": "administrator", "id": "1"},
    )
    assert answer.status_code in {303, 422}
    with target.database.read() as session:
        account = accounts.get_account(session, "ada")
    assert account.role == Role.reviewer


def test_an_annotation_is_by_whoever_sent_it(target: Target) -> None:
    answer = target.send(
        "ada",
        "POST",
        "/annotations/",
        json={
            "@context": "http://www.w3.org/ns/anno.jsonld",
            "id": "http://testserver/annotations/chosen",
            "type": "Annotation",
            "creator": {"id": "http://testserver/reviewers/root"},
            "created": "1999-01-01T00:00:00Z",
            "body": {"type": "TextualBody", "value": "mine"},
            "target": "http://testserver/document/",
        },
        headers={"Content-Type": "application/ld+json"},
    )
    assert answer.status_code == 201
    assert not answer.headers["location"].endswith("/chosen")
    path = answer.headers["location"].removeprefix("http://testserver")
    other = target.send("bob", "DELETE", path)
    assert other.status_code == 403
    assert target.send("ada", "DELETE", path).status_code == 204


@pytest.mark.parametrize("kind", ["comment", "annotation", "hypothesis"])
def test_nobody_changes_what_is_another_s(target: Target, kind: str) -> None:
    made: Callable[[], str] = {
        "comment": lambda: _make_comment(target),
        "annotation": lambda: _make_annotation(target),
        "hypothesis": lambda: _make_h_annotation(target),
    }[kind]
    path = made()
    before = target.count_entries()
    change = {"text": "another's"}
    for method in ("PATCH", "PUT", "DELETE"):
        answer = target.send("bob", method, path, json=change)
        assert answer.status_code in {400, 403, 404, 405, 415}, method
    assert target.count_entries() == before
    assert "another's" not in target.client.get(path).text


def _make_comment(target: Target) -> str:
    answer = target.send(
        "ada", "POST", f"{THREAD}/comments", json={"text": "mine"}
    )
    return str(answer.headers["location"])


def _make_annotation(target: Target) -> str:
    answer = target.send(
        "ada",
        "POST",
        "/annotations/",
        json={
            "@context": "http://www.w3.org/ns/anno.jsonld",
            "type": "Annotation",
            "body": {"type": "TextualBody", "value": "mine"},
            "target": "http://testserver/document/",
        },
        headers={"Content-Type": "application/ld+json"},
    )
    return str(answer.headers["location"]).removeprefix("http://testserver")


def _make_h_annotation(target: Target) -> str:
    answer = target.send(
        "ada",
        "POST",
        "/h/api/annotations",
        json={"uri": "http://testserver/document/", "text": "mine"},
    )
    return f"/h/api/annotations/{answer.json()['id']}"


def test_nobody_sees_another_s_tokens_and_sessions(target: Target) -> None:
    for number in range(1, 12):
        for path in (
            f"/account/tokens/{number}/revoke",
            f"/account/sessions/{number}/end",
        ):
            target.submit("rita", path, {})
    for name in NAMES:
        if name != "rita":
            answer = target.send(name, "GET", "/account/")
            assert answer.status_code == 200, name


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "deflate, gzip"},
        {"Content-Encoding": "br"},
        {"Content-Encoding": "GZIP"},
    ],
)
def test_no_packed_body_is_unpacked(
    target: Target, headers: dict[str, str]
) -> None:
    bomb = gzip.compress(b"0" * 5_000_000)
    answer = target.send(
        "ada", "POST", f"{THREAD}/comments", content=bomb, headers=headers
    )
    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "identity"


def test_an_archive_that_unpacks_without_end_is_cut_off(
    target: Target,
) -> None:
    bomb = gzip.compress(b"From a\n" + b"0" * 300_000_000, 1)
    answer = target.client.post(
        "/import/",
        files={"files": ("bomb.mbox.gz", bomb)},
        headers=target.cookies["eve"],
    )
    assert answer.status_code in {413, 422}


@pytest.mark.parametrize(
    "path",
    [f"{THREAD}/comments", "/annotations/", "/h/api/annotations", "/api/runs"],
)
@pytest.mark.parametrize(
    "nested",
    [
        lambda n: b"[" * n + b"]" * n,
        lambda n: b'{"a":' * n + b"1" + b"}" * n,
        lambda n: b'{"text":' * n,
        lambda n: b"[" * n,
    ],
)
def test_no_depth_of_json_breaks_the_program(
    target: Target, path: str, nested: Callable[[int], bytes]
) -> None:
    kind = "application/ld+json" if "anno" in path else "application/json"
    answer = target.send(
        "ada",
        "POST",
        path,
        content=nested(100_000),
        headers={"Content-Type": kind},
    )
    assert answer.status_code in {400, 413, 422}


@pytest.mark.parametrize(
    "text",
    [
        *("> " * 15_000, "- " * 15_000, "[" * 30_000, "![" * 15_000),
        *("*" * 30_000, "**a " * 9_000, "`" * 30_000, "<" * 30_000),
        *("[a](" * 9_000, "\t" * 30_000, "1. " * 12_000, "_a_" * 12_000),
        *("&" * 30_000, "~~" * 15_000, "|-" * 15_000, "\\" * 30_000),
        *("[a]: b\n" * 5_000, "http://a." * 4_000, "a@" * 15_000),
    ],
    ids=lambda text: text[:5].encode().hex(),
)
def test_no_markdown_costs_more_than_its_length(
    target: Target, text: str
) -> None:
    """A hostile text is answered in the time of a plain one, some times."""
    # to the next thousand, so that a length is timed once for all
    least = _time_plain(target, len(text) // 1000 * 1000)
    assert _time_comment(target, text) < 25 * least + 0.3


_PLAIN: dict[int, float] = {}


def _time_plain(target: Target, length: int) -> float:
    if length not in _PLAIN:
        plain = ("word and another. " * length)[:length]
        _PLAIN[length] = min(_time_comment(target, plain) for _ in range(2))
    return _PLAIN[length]


def _time_comment(target: Target, text: str) -> float:
    started = time.process_time()
    answer = target.send(
        "ada", "POST", f"{THREAD}/comments", json={"text": text}
    )
    assert answer.status_code in {201, 422}
    return time.process_time() - started


@pytest.mark.parametrize(
    "query",
    [
        *("a" * 900 + "!", "a*" * 450, '"a ' * 300, "(" * 900, "-a " * 300),
        *("a OR " * 180, "from:" * 180, "d:2006" * 150, " " * 900, "é" * 450),
    ],
    ids=lambda text: text[:5].encode().hex(),
)
def test_no_search_costs_more_than_its_length(
    target: Target, query: str
) -> None:
    def ask(q: str) -> float:
        started = time.process_time()
        answer = target.client.get("/api/search", params={"q": q})
        assert answer.status_code in {200, 422}
        return time.process_time() - started

    plain = "interrupt hypervisor kernel memory page table "
    least = min(ask((plain * 20)[: len(query)]) for _ in range(2))
    assert ask(query) < 25 * least + 0.3


@pytest.mark.parametrize(
    "header",
    [
        ("Accept", "a/b;q=0.1," * 2000),
        ("Accept", "," * 8000),
        ("Prefer", 'return=representation;include="' + "x " * 4000),
        ("If-None-Match", '"a",' * 2500),
        ("If-None-Match", "W/" * 4000),
        ("Cookie", "a=b;" * 2500),
        ("Accept-Encoding", "gzip;q=" * 1500),
        ("Authorization", "Bearer " + " " * 8000 + "x"),
        ("X-Forwarded-For", "1.1.1.1," * 1200),
        ("Range", "bytes=" + "0-1," * 2000),
    ],
    ids=lambda header: header[1][:6].encode().hex(),
)
@pytest.mark.parametrize("path", ["/threads/", "/annotations/"])
def test_no_header_costs_more_than_its_length(
    target: Target, path: str, header: tuple[str, str]
) -> None:
    def ask(value: str) -> float:
        started = time.process_time()
        target.client.get(path, headers={header[0]: value})
        return time.process_time() - started

    least = min(ask("x" * len(header[1])) for _ in range(2))
    assert ask(header[1]) < 25 * least + 0.3


def test_a_long_body_is_refused_where_it_is_sent(target: Target) -> None:
    before = target.count_entries()
    for path in ("/api/threads", "/annotations/", "/account/name"):
        answer = target.send(
            "ada", "POST", path, content=b" " * (BODY_LIMIT + 1)
        )
        assert answer.status_code == 413

    def pour() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * (BODY_LIMIT // 32)

    answer = target.send("ada", "POST", "/api/threads", content=pour())
    assert answer.status_code == 413
    assert target.count_entries() == before


def test_many_fields_and_files_are_refused(target: Target) -> None:
    answer = target.submit(
        "ada", "/threads/", {f"field{n}": "x" for n in range(5000)}
    )
    assert answer.status_code in {400, 413, 422}
    answer = target.client.post(
        "/threads/",
        files=[("files", (f"{n}", b"x")) for n in range(200)],
        headers=target.cookies["ada"],
    )
    assert answer.status_code in {400, 413, 422}


@pytest.mark.parametrize(
    "path", ["/api/threads", "/threads/", "/annotations/"]
)
def test_a_slow_body_is_given_up(target: Target, path: str) -> None:
    """A body that drips is refused, and the writers' door stays open."""
    answers = target.client.portal
    assert answers is not None
    sent: list[Message] = []

    async def drip() -> None:
        async def receive() -> Message:
            await anyio.sleep(0.2)
            return {"type": "http.request", "body": b" ", "more_body": True}

        async def send(message: Message) -> None:
            sent.append(message)

        await target.app(_make_scope(target, path), receive, send)

    started = time.monotonic()
    answers.call(drip)
    assert time.monotonic() - started < 30
    assert sent[0]["status"] == 408
    quick = target.send(
        "ada", "POST", f"{THREAD}/comments", json={"text": "quick"}
    )
    assert quick.status_code == 201


def _make_scope(target: Target, path: str) -> Scope:
    kind = "application/ld+json" if "anno" in path else "application/json"
    if path == "/threads/":
        kind = "application/x-www-form-urlencoded"
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [
            (b"host", b"testserver"),
            (b"content-type", kind.encode()),
            *(
                (name.lower().encode(), value.encode())
                for name, value in target.headers["ada"].items()
            ),
        ],
        "scheme": "http",
        "server": ("testserver", 80),
        "client": ("127.0.0.1", 5000),
        "root_path": "",
        "http_version": "1.1",
    }


def test_no_secret_stands_in_the_log(
    target: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "a-very-" + "secret-word"
    for path in (f"/sign-in/{secret}", f"/invitations/{secret}"):
        target.client.get(path)
        target.client.post(path, headers={"Sec-Fetch-Site": "same-origin"})
    target.client.post(
        "/sign-in",
        data={"name": "ada", "password": secret},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    target.client.get("/", headers={"Authorization": f"Bearer {secret}"})
    target.client.get("/", headers={"Cookie": f"vmi_review_session={secret}"})
    told = capsys.readouterr()
    assert secret not in told.out + told.err
    entries = target.send("root", "GET", "/api/log?limit=500").text
    assert secret not in entries
    assert target.app.state.secret_key.hex() not in told.out + entries
    for header in target.headers.values():
        assert header["Authorization"].split()[1] not in entries


def test_an_answer_in_json_is_no_page(target: Target) -> None:
    """JSON that repeats what was sent is never taken for HTML."""
    script = "<script>alert(1)</script>"
    for path in ("/api/search", "/api/threads", "/h/api/search"):
        answer = target.client.get(
            path,
            params={"q": script, "limit": script},
            headers={"Accept": "text/html"},
        )
        kind = answer.headers["content-type"]
        if "html" in kind:
            assert script not in answer.text
        else:
            assert json.loads(answer.text) is not None

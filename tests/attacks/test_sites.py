"""Attacks by other sites: forged requests, hosts, headers and redirects."""

from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from app.identity import SESSION_COOKIE
from app.main import create_app
from app.models import Role
from app.services import reviewers
from tests.attacks.conftest import Target
from tests.attacks.payloads import SHORT

THREAD = "/threads/kleen-sti-shadow"
WRITES = (
    ("POST", f"{THREAD}/replies"),
    ("POST", "/api/threads"),
    ("PATCH", "/api/threads/kleen-sti-shadow"),
    ("PUT", "/api/threads/kleen-sti-shadow/stances/ada"),
    ("DELETE", "/api/threads/kleen-sti-shadow/stances/ada"),
    ("POST", "/annotations/"),
    ("POST", "/h/api/annotations"),
    ("POST", "/sign-in"),
    ("POST", "/sign-out"),
    ("POST", "/account/tokens"),
    ("POST", "/accounts/members/close"),
    ("POST", "/import/"),
)
FOREIGN: tuple[dict[str, str], ...] = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "nonsense"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://testserver.evil.example"},
    {"Origin": "http://["},
    {},
)
PLACES = (
    *("//evil.example", "https://evil.example", "/\\evil.example"),
    *("\\\\evil.example", "/\t/evil.example", "///evil.example"),
    *("javascript:alert(1)", "/%0d%0aSet-Cookie:a=b", "/\r\nX: y"),
    *("http:evil.example", "//evil.example/%2f..", "/.//evil.example"),
)


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_no_cookie_writes_from_another_site(
    target: Target, method: str, path: str
) -> None:
    before = target.count_entries()
    cookie = {"Cookie": target.cookies["root"]["Cookie"]}
    for headers in FOREIGN:
        answer = target.client.request(
            method, path, headers={**cookie, **headers}, json={}
        )
        assert answer.status_code == 403, headers
        assert "another site" in answer.text
    assert target.count_entries() == before


@pytest.mark.parametrize("path", ["/annotations/", "/h/api/annotations"])
def test_another_site_writes_by_token_alone(target: Target, path: str) -> None:
    foreign = {
        "Sec-Fetch-Site": "cross-site",
        "Origin": "https://tool.example",
        "Content-Type": "application/ld+json",
    }
    answer = target.send("ada", "POST", path, headers=foreign, content=b"{}")
    assert answer.status_code in {400, 415, 422}
    # a bad token is none, whatever cookie comes with it
    foreign["Cookie"] = target.cookies["root"]["Cookie"]
    sent = [(name.encode(), value.encode()) for name, value in foreign.items()]
    for token in (
        *(b"Bearer", b"Bearer ", b"Basic YTpi", b"Bearer none"),
        *(b"Bearer \xa0", b"Bearer \x85", b"Bearer a\xa0"),
    ):
        answer = target.client.post(
            path, headers=[*sent, (b"Authorization", token)], content=b"{}"
        )
        assert answer.status_code in {401, 403}, token


def test_a_token_goes_over_the_cookie_that_comes_with_it(
    target: Target,
) -> None:
    headers = {**target.cookies["root"], **target.headers["rita"]}
    answer = target.client.post(f"{THREAD}/replies", headers=headers)
    assert answer.status_code == 403
    assert target.client.get("/accounts/", headers=headers).status_code == 403


def test_a_page_of_another_site_may_not_read_with_cookies(
    target: Target,
) -> None:
    for path in ("/annotations/", "/h/api/search", "/api/threads", "/"):
        answer = target.client.get(
            path,
            headers={
                **target.cookies["ada"],
                "Origin": "https://evil.example",
            },
        )
        allowed = answer.headers.get("access-control-allow-origin")
        assert allowed in {None, "*"}
        assert "access-control-allow-credentials" not in answer.headers
        if not path.startswith(("/annotations/", "/h/")):
            assert allowed is None


@pytest.mark.parametrize(
    "host",
    ["evil.example", "testserver.evil.example", "", "testserver@evil.example"],
)
def test_another_host_is_not_served(target: Target, host: str) -> None:
    for path in ("/", "/api/threads", "/annotations/", "/static/app.css"):
        answer = target.client.get(path, headers={"Host": host})
        assert answer.status_code == 400
        assert "evil" not in answer.text


def test_two_hosts_are_not_served(target: Target) -> None:
    hosts = [("Host", "testserver"), ("Host", "evil.example")]
    assert target.client.get("/", headers=hosts).status_code == 400


@pytest.mark.parametrize("host", ["testserver", "TESTSERVER:80", "localhost"])
def test_our_own_hosts_are_served(target: Target, host: str) -> None:
    answer = target.client.get("/healthz", headers={"Host": host})
    assert answer.status_code == 200
    answer = target.client.get("/api/calls", headers={"Host": host})
    assert answer.status_code == 200


def test_no_address_of_an_answer_comes_from_a_forwarded_host(
    target: Target,
) -> None:
    for path in ("/annotations/", "/threads/", "/api/threads?limit=1"):
        answer = target.client.get(
            path,
            headers={
                "X-Forwarded-Host": "evil.example",
                "Forwarded": "host=evil.example",
                "X-Original-URL": "/accounts/",
            },
        )
        assert answer.status_code == 200
        assert "evil.example" not in answer.text + str(answer.headers)


@pytest.mark.parametrize("place", PLACES)
def test_the_form_to_sign_in_leads_nowhere_else(
    target: Target, place: str
) -> None:
    page = target.client.get("/sign-in", params={"next": place})
    assert page.status_code in {200, 422}
    assert 'value="//' not in page.text
    assert 'value="http' not in page.text


# a password costs a sixth of a second each
@pytest.mark.parametrize("place", PLACES[:5])
def test_signing_in_leads_nowhere_else(target: Target, place: str) -> None:
    client = target.client
    passwords = target.app.state.passwords
    with target.database.write() as session:
        if reviewers.find_account(session, "paul") is None:
            reviewers.add_reviewer(
                session,
                "paul",
                Role.reader,
                password_hash=passwords.hash("a good password"),
            )
    answer = client.post(
        "/sign-in",
        data={"name": "paul", "password": "a good password", "next": place},
        headers={"Sec-Fetch-Site": "same-origin"},
        follow_redirects=False,
    )
    client.cookies.clear()
    assert answer.status_code in {303, 422}
    led = answer.headers.get("location", "/")
    assert led.startswith("/")
    assert not led.startswith(("//", "/\\"))
    assert "evil.example" not in led.partition("/")[0]


@pytest.mark.parametrize(
    "path",
    [
        "/threads//evil.example",
        "//evil.example/threads",
        "//evil.example",
        "/threads/\\evil.example/..",
        "/document//evil.example/",
        "/annotations//evil.example",
    ],
)
def test_no_slash_leads_to_another_host(target: Target, path: str) -> None:
    answer = target.client.get(
        f"http://testserver{path}", follow_redirects=False
    )
    led = answer.headers.get("location", "http://testserver/")
    assert led.startswith(("http://testserver", "/"))
    assert not led.startswith("//")


@pytest.mark.parametrize("name", ["X-Injected", "Set-Cookie"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "%0d%0a", "\u560d\u560a"])
def test_no_header_is_injected(target: Target, name: str, end: str) -> None:
    text = f"x{end}{name}: 1"
    for path, params in (
        ("/search", {"q": text}),
        ("/sign-in", {"next": f"/{text}"}),
        ("/api/threads", {"limit": text}),
        (f"/m/{quote(text)}/t.mbox.gz", {}),
        (f"/threads/{quote(text)}.eml", {}),
        ("/runs/x", {"platform": text}),
    ):
        answer = target.client.get(path, params=params, follow_redirects=False)
        assert name not in answer.headers
    answer = target.client.get("/", headers={"X-Request-ID": "a b"})
    assert answer.headers["x-request-id"] != "a b"


def test_no_stored_name_injects_a_header(target: Target) -> None:
    for slug in ('a"\r\nX-Injected: 1', "a%0d%0aX-Injected:1"):
        answer = target.client.post(
            "/annotations/",
            content=b"{}",
            headers={
                **target.headers["ada"],
                "Content-Type": "application/ld+json",
                "Slug": slug.replace("\r\n", ""),
            },
        )
        assert "x-injected" not in answer.headers


def test_a_session_that_was_planted_is_not_the_one_signed_in(
    target: Target,
) -> None:
    planted = "planted-by-somebody-else"
    with target.database.write() as session:
        link = reviewers.create_link(session, "rita", hours=1)
    client = TestClient(target.app)
    answer = client.post(
        f"/sign-in/{link}",
        headers={
            "Cookie": f"{SESSION_COOKIE}={planted}",
            "Sec-Fetch-Site": "same-origin",
        },
        follow_redirects=False,
    )
    assert answer.status_code == 303
    secret = answer.cookies[SESSION_COOKIE]
    assert secret != planted
    told = answer.headers["set-cookie"]
    assert "HttpOnly" in told
    assert "samesite=lax" in told.lower()
    home = client.get(
        "/account/", headers={"Cookie": f"{SESSION_COOKIE}={planted}"}
    )
    assert home.status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        *("/sign-in/a-secret", "/sign-in/a-secret/", "/sign-in/a/b"),
        *("/invitations/a-secret", "/invitations/a/b", "/invitations/a/oidc"),
        *(
            "/oidc/callback?code=a&state=b",
            "/oidc/callback?code=" + "a" * 5000,
        ),
    ],
)
def test_no_answer_at_a_secret_address_tells_it(
    target: Target, path: str
) -> None:
    for method in ("GET", "POST", "PUT"):
        answer = target.client.request(method, path, follow_redirects=False)
        assert answer.headers["referrer-policy"] == "strict-origin", method
        assert answer.headers["cache-control"] == "no-store", method


def test_a_session_ends_when_another_begins_in_its_place(
    target: Target,
) -> None:
    client = TestClient(target.app)
    client.headers["Sec-Fetch-Site"] = "same-origin"
    secrets: list[str] = []
    for _ in range(2):
        with target.database.write() as session:
            link = reviewers.create_link(session, "rita", hours=1)
        cookie = (
            {"Cookie": f"{SESSION_COOKIE}={secrets[-1]}"} if (secrets) else {}
        )
        answer = client.post(
            f"/sign-in/{link}", headers=cookie, follow_redirects=False
        )
        client.cookies.clear()
        secrets.append(answer.cookies[SESSION_COOKIE])
    first, second = (
        client.get("/account/", headers={"Cookie": f"{SESSION_COOKIE}={one}"})
        for one in secrets
    )
    assert (first.status_code, second.status_code) == (401, 200)


def test_over_https_the_cookie_is_of_this_host_alone(target: Target) -> None:
    settings = target.app.state.settings.model_copy(
        update={"secure_cookies": True}
    )
    with target.database.write() as session:
        link = reviewers.create_link(session, "rita", hours=1)
    app = create_app(settings)
    client = TestClient(app, base_url="https://testserver")
    answer = client.post(
        f"/sign-in/{link}",
        headers={"Sec-Fetch-Site": "same-origin"},
        follow_redirects=False,
    )
    told = answer.headers["set-cookie"]
    name, _, rest = told.partition("=")
    assert name == f"__Host-{SESSION_COOKIE}"
    assert "Secure" in rest
    assert "Path=/" in rest
    assert "domain" not in rest.lower()
    secret = rest.partition(";")[0]
    # the name without the mark could be planted by another host
    for cookie, status in (
        (f"{SESSION_COOKIE}={secret}", 401),
        (f"{name}={secret}", 200),
    ):
        answer = client.get("/account/", headers={"Cookie": cookie})
        assert answer.status_code == status
    app.state.database.close()


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/api/threads", "/nowhere", "/api/nowhere", "/static/app.css"),
        *("/static/none", "/annotations/", "/annotations/none", "/sign-in"),
        *("/h/api/search", "/search.atom?q=halt", "/decisions.csv", "/docs"),
        *("/openapi.json", "/healthz", "/threads/kleen-sti-shadow.eml"),
        *("/document.md", f"/search?q={SHORT[0]}", "/x%00y", "/ns/review"),
    ],
)
def test_every_kind_of_answer_says_what_browsers_may_do(
    target: Target, path: str
) -> None:
    headers = target.client.get(path, follow_redirects=False).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "object-src 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    # where a secret stands in the address, nothing of it is told
    assert headers["referrer-policy"] in {"same-origin", "strict-origin"}
    assert "server" not in headers
    assert "x-powered-by" not in headers

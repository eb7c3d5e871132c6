"""What a hostile or an impatient visitor sends is refused, never a failure."""

from http import HTTPStatus
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient

LONG = "a" * 10_000
# numbers beyond what a column, a signed word or a float holds
NUMBERS = ("-1", "0", "2147483648", "9223372036854775808", "9" * 30, "1e9")
ADDRESSES = (
    f"/threads/?call={LONG}",
    f"/threads/?reviewer={LONG}",
    "/threads/?kind=%ff&kind=b",
    "/threads/?a[]=1&=&&",
    f"/calls/?group={LONG}",
    f"/calls/{LONG}",
    "/calls/%00",
    "/calls/%ff%fe",
    "/calls/..%2f..%2fetc%2fpasswd",
    "/static/..%2fapp%2fmain.py",
    "/static/%00",
    f"/document/{LONG}",
    f"/whatif/?call={LONG}",
    f"/whatif/{LONG}",
    f"/whatif/kleen-sti-shadow?translation={LONG}",
    "/whatif/kleen-sti-shadow?step=%F9",
    "/whatif/kleen-sti-shadow?outcome=nothing&variant=none",
    f"/runs/{LONG}",
    "/whatif/new?scenario=nothing",
    f"/threads/kleen-sti-shadow?reply={LONG}",
    "/threads/kleen-sti-shadow?reply=%00",
    f"/m/{LONG}/",
    "/m/x%2Fy/",
    f"/sign-in/{LONG}",
    "/decisions.exe",
    f"/api/threads?call={LONG}",
    f"/api/calls?after={LONG}",
    "/api/threads?after=%ff",
    *(f"/decisions/{number}" for number in NUMBERS),
    *(f"/decisions/?after={number}" for number in NUMBERS),
    *(f"/threads/?page={number}" for number in NUMBERS),
    *(f"/whatif/kleen-sti-shadow?step={number}" for number in NUMBERS),
    *(f"/api/decisions/{number}" for number in NUMBERS),
    *(f"/api/log?after={number}" for number in NUMBERS),
    *(f"/api/log?limit={number}" for number in NUMBERS),
    *(f"/api/calls?after={number}" for number in NUMBERS),
)
BODIES = (
    b"",
    b"null",
    b"[]",
    b"{bad",
    b"\xff\xfe{\x00",
    b'{"scenario": "\xff"}',
    b'{"scenario": "\\u0000"}',
    b'{"scenario_text": "a\\ud800"}',
    b'{"scenario_text": "a\\u0000"}',
    b'{"scenario": "kleen-sti-shadow", "limits": {"states": 1e999}}',
    b'{"scenario": "kleen-sti-shadow", "limits": {"states": NaN}}',
    b'{"scenario": "kleen-sti-shadow", "platforms": [""]}',
    b'{"scenario": "kleen-sti-shadow", "policies": {"": ""}}',
    b'{"scenario": ' + b"9" * 50_000 + b"}",
    b'{"scenario_text": "' + b"[" * 20_000 + b'"}',
    b'{"scenario_text": "x = ' + b"[" * 20_000 + b'"}',
    b'{"scenario_text": "' + b"a." * 20_000 + b'a = 1"}',
    b'{"scenario_text": "x = ' + b"9" * 30_000 + b'"}',
    b"[" * 100_000,
)
WRITES = (
    "/threads/",
    "/threads/kleen-sti-shadow/replies",
    "/threads/kleen-sti-shadow/evidence",
    "/threads/kleen-sti-shadow/decisions",
    "/runs/",
    "/sign-in",
)
FIELDS: tuple[dict[str, str], ...] = (
    {},
    {"title": LONG, "text": "\0", "kind": "\ud800", "severity": ""},
    {"parent": LONG, "text": "x"},
    {"run": "0" * 64, "platform": "x", "outcome": "y", "expected": "always"},
    {
        "disposition": "accepted",
        "reason": "x",
        "evidence": "9" * 30,
        "supersedes": "9" * 30,
    },
    {"evidence": "2147483648", "disposition": "x", "reason": "\0"},
    {"name": LONG, "password": LONG, "next": "//evil.example"},
)


def test_no_address_makes_the_server_fail(client: TestClient) -> None:
    """Each is found or refused, on both engines."""
    for address in ADDRESSES:
        answer = client.get(address)
        assert answer.status_code < 500, address


def test_no_body_makes_the_server_fail(client: TestClient) -> None:
    """A question that cannot be read is refused as what it is."""
    for body in BODIES:
        answer = client.post(
            "/api/runs",
            content=body,
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code in {
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.NOT_FOUND,
            HTTPStatus.UNPROCESSABLE_ENTITY,
        }, body[:60]


@pytest.mark.parametrize("address", WRITES)
def test_no_form_makes_the_server_fail(
    signed_in: TestClient, address: str
) -> None:
    """What a form sends is refused field by field, or as a whole."""
    for fields in FIELDS:
        answer = signed_in.post(
            address,
            content=urlencode(fields, errors="surrogatepass"),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        assert 400 <= answer.status_code < 500, fields


@pytest.mark.parametrize("address", ["/calls/", "/threads/", "/api/calls"])
def test_other_methods_are_refused(client: TestClient, address: str) -> None:
    """A page tells which methods it has."""
    for method in ("PUT", "DELETE", "PATCH", "TRACE"):
        answer = client.request(method, address)
        assert answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED
        assert "GET" in answer.headers["Allow"]

"""Who may write: nobody without a name, and no mere reader."""

import pytest
from fastapi.testclient import TestClient

from app.db import Database
from app.errors import SignInError
from app.identity import SESSION_COOKIE, require_visitor
from app.models import Role, Scope
from app.services.reviewers import Visitor
from tests.factories import make_token, make_visitor


def test_writing_needs_a_name() -> None:
    with pytest.raises(SignInError):
        require_visitor(None)
    ada = Visitor(2, "ada", "Ada", Role.reviewer)
    assert require_visitor(ada) is ada


@pytest.mark.parametrize(
    ("scope", "most"),
    [
        (Scope.read, Role.reader),
        (Scope.annotate, Role.reviewer),
        (Scope.edit, Role.editor),
        (Scope.admin, Role.administrator),
    ],
)
def test_a_token_may_no_more_than_its_scope(scope: Scope, most: Role) -> None:
    bob = Visitor(3, "bob", "Bob", Role.administrator, scope, 1)
    roles = list(Role)
    assert [role for role in roles if bob.may(role)] == (
        roles[: roles.index(most) + 1]
    )


def test_a_token_goes_over_a_cookie(
    signed_in: TestClient, database: Database
) -> None:
    with database.write() as session:
        make_visitor(session, "bob")
        header = make_token(session, "bob")
    page = signed_in.get("/threads/", headers=header).text
    assert "bob<i>, reviewer</i>" in page
    assert "ada<i>, reviewer</i>" in signed_in.get("/threads/").text


@pytest.mark.parametrize("value", ["Basic YTpi", "Bearer", "nonsense"])
def test_another_scheme_is_no_token(client: TestClient, value: str) -> None:
    answer = client.get("/threads/", headers={"Authorization": value})
    assert answer.status_code == 200
    assert "Sign in" in answer.text


def test_a_cookie_that_is_no_text_is_nobody(client: TestClient) -> None:
    sent = f"{SESSION_COOKIE}=\xff\xfe".encode("latin-1")
    answer = client.get("/threads/", headers=[(b"cookie", sent)])
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"text=%00", "application/x-www-form-urlencoded"),
        (b"text=%ff%fe%00", "application/x-www-form-urlencoded"),
        (b"&".join([b"a=b"] * 5000), "application/x-www-form-urlencoded"),
        (b"{}", "application/json"),
        (b"\xff\xff", "text/plain"),
        (b"--b\r\nbroken", "multipart/form-data; boundary=b"),
        (b"broken", "multipart/form-data"),
        (
            (
                b'--b\r\nContent-Disposition: form-data; name="text"; '
                b'filename="f"\r\n\r\nx\r\n--b--\r\n'
            ),
            "multipart/form-data; boundary=b",
        ),
    ],
)
def test_a_form_that_is_none_is_refused(
    signed_in: TestClient, content: bytes, kind: str
) -> None:
    answer = signed_in.post(
        "/threads/kleen-sti-shadow/replies",
        content=content,
        headers={"Content-Type": kind},
    )
    assert answer.status_code in {400, 422}

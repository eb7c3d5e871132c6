"""Stances for programs: one each, and one's own."""

import pytest

from tests.routes.crew import Crew

LATE = '"of-yesterday"'


def _address(slug: str, name: str = "") -> str:
    return f"/api/threads/{slug}/stances" + (f"/{name}" if name else "")


def test_a_stance_is_taken_changed_and_withdrawn(crew: Crew) -> None:
    slug = crew.open_thread("ada", "a stance")
    address = _address(slug, "bob")
    sent = {"stance": "blocking", "text": "It is **open**."}
    first = crew.ask("bob", "PUT", address, sent=sent)
    assert first.status_code == 201
    assert first.headers["location"] == address
    assert crew.ask(None, "GET", address).json() == first.json()
    second = crew.ask(
        "bob",
        "PUT",
        address,
        sent={"stance": "satisfied"},
        If_Match=first.headers["etag"],
    )
    assert second.status_code == 200
    assert second.json()["stance"] == "satisfied"
    assert second.json()["post"] == first.json()["post"]
    assert second.json()["version"] == 2
    late = crew.ask("bob", "PUT", address, sent=sent, If_Match=LATE)
    assert late.status_code == 412
    assert late.json()["draft"] == sent["text"]
    other = crew.ask("bob", "PUT", address, sent=sent, If_None_Match="*")
    assert other.status_code == 412
    items = crew.ask(None, "GET", _address(slug)).json()["items"]
    assert items == [second.json()]
    assert crew.ask("bob", "DELETE", address).status_code == 204
    assert crew.ask(None, "GET", address).status_code == 404
    assert crew.ask(None, "GET", _address(slug)).json()["items"] == []
    types = [
        line.type
        for line in crew.read_log()
        if line.subject == f"thread:{slug}"
    ]
    assert types[-3:] == ["stance.taken", "stance.taken", "stance.withdrawn"]


def test_who_blocks_says_why(crew: Crew) -> None:
    slug = crew.open_thread("ada", "why it blocks")
    for text in ("", " \n"):
        answer = crew.ask(
            "bob",
            "PUT",
            _address(slug, "bob"),
            sent={"stance": "blocking", "text": text},
        )
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/text"
    assert crew.ask(None, "GET", _address(slug)).json()["items"] == []


@pytest.mark.parametrize(
    ("name", "sent", "status"),
    [
        (None, {"stance": "satisfied"}, 401),
        ("eve", {"stance": "satisfied"}, 403),
        ("ed", {"stance": "satisfied"}, 403),
        ("bob", {"stance": "angry"}, 422),
        ("bob", {"stance": "satisfied", "reviewer": "ed"}, 422),
        ("bob", {}, 422),
    ],
)
def test_a_stance_that_is_refused_changes_nothing(
    crew: Crew, name: str | None, sent: dict[str, str], status: int
) -> None:
    slug = crew.open_thread("ada", f"refused {name} {sent}")
    head = crew.read_log()[-1]
    answer = crew.ask(name, "PUT", _address(slug, "bob"), sent=sent)
    assert answer.status_code == status
    assert crew.read_log()[-1] == head


def test_an_editor_withdraws_another_stance_with_a_reason(crew: Crew) -> None:
    slug = crew.open_thread("ada", "override")
    address = _address(slug, "bob")
    sent = {"stance": "blocking", "text": "No."}
    crew.ask("bob", "PUT", address, sent=sent)
    assert crew.ask("ada", "DELETE", address).status_code == 403
    assert crew.ask("ed", "DELETE", address).status_code == 422
    gone = crew.ask("ed", "DELETE", f"{address}?reason=left+the+review")
    assert gone.status_code == 204
    line = crew.read_log()[-1]
    assert line.type == "stance.withdrawn"
    assert line.data["reason"] == "left the review"
    assert line.data["reviewer"] == "bob"


def test_what_is_not_there_is_not_found(crew: Crew) -> None:
    sent = {"stance": "satisfied"}
    for method, body in (("GET", None), ("PUT", sent), ("DELETE", None)):
        address = _address("none", "bob")
        answer = crew.ask("bob", method, address, sent=body)
        assert answer.status_code == 404
    assert crew.ask(None, "GET", _address("none")).status_code == 404

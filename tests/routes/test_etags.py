"""Tags tell versions apart, and guard a change from being made blindly."""

from types import SimpleNamespace

import pytest
from fastapi import Request, Response
from pydantic import BaseModel

from app.errors import MalformedError, MissingConditionError, PreconditionError
from app.routes import etags


class Note(BaseModel):
    """Something that is changed."""

    text: str


NOW = Note(text="now")
TAG = etags.make_tag(NOW)
OLD = etags.make_tag(Note(text="before"))


def make_request(*, is_required: bool = False, **headers: str) -> Request:
    """Return a request with these headers."""
    state = SimpleNamespace(
        settings=SimpleNamespace(require_if_match=is_required)
    )
    raw = [
        (name.replace("_", "-").encode(), value.encode())
        for name, value in headers.items()
    ]
    return Request(
        {
            "type": "http",
            "method": "PATCH",
            "path": "/api/notes/1",
            "query_string": b"a=b",
            "server": ("testserver", 80),
            "scheme": "http",
            "headers": raw,
            "app": SimpleNamespace(state=state),
        }
    )


def test_a_tag_is_strong_and_follows_the_content() -> None:
    assert TAG.startswith('"')
    assert TAG != OLD
    assert etags.make_tag(Note(text="now")) == TAG


@pytest.mark.parametrize(
    "sent",
    [TAG, "*", f'"other", {TAG}', etags.pack_tag(TAG.encode()).decode()],
    ids=["same", "any", "one of two", "as packed"],
)
def test_a_change_made_from_what_is_there_passes(sent: str) -> None:
    etags.require_match(make_request(if_match=sent), NOW)


@pytest.mark.parametrize("sent", [OLD, f"W/{TAG}", '""', f"{OLD} , W/{TAG}"])
def test_a_change_made_from_something_else_hands_its_draft_back(
    sent: str,
) -> None:
    with pytest.raises(PreconditionError) as raised:
        etags.require_match(make_request(if_match=sent), NOW, draft="mine")
    assert raised.value.draft == "mine"
    assert raised.value.tag == TAG


@pytest.mark.parametrize("sent", [TAG.strip('"'), "", '"' * 3, f"{TAG}, *"])
def test_what_is_no_tag_is_told_so(sent: str) -> None:
    with pytest.raises(MalformedError, match="If-Match: expected"):
        etags.require_match(make_request(if_match=sent), NOW)


def test_nothing_matches_what_is_not_there() -> None:
    with pytest.raises(PreconditionError, match="nothing to change"):
        etags.require_match(make_request(if_match="*"), None)


def test_what_is_to_be_made_may_ask_that_nothing_is_there() -> None:
    request = make_request(if_none_match="*")
    etags.require_match(request, None)
    with pytest.raises(PreconditionError, match="there is one already"):
        etags.require_match(request, NOW)


def test_a_version_must_be_named_only_where_the_setting_says_so() -> None:
    etags.require_match(make_request(), NOW)
    etags.require_match(make_request(is_required=True), None)
    with pytest.raises(MissingConditionError, match=TAG):
        etags.require_match(make_request(is_required=True), NOW)


def test_an_answer_bears_its_tag_and_its_address() -> None:
    response = Response()
    answered = etags.answer_tagged(make_request(), response, NOW)
    assert answered is NOW
    assert response.headers["ETag"] == TAG
    assert '</api/notes/1?a=b>; rel="self"' in response.headers["Link"]


@pytest.mark.parametrize("tags", [b'"t"', b'"a", "t"', b'W/"t"', b"*"])
def test_a_tag_is_known_in_any_list(tags: bytes) -> None:
    assert etags.is_known(b'"t"', tags)
    assert not etags.is_known(b'"t"', b'"a", W/"b"')

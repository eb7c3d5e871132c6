"""Entity tags: which version was read, and which one may be changed.

A tag is strong: the hash of what is answered. The same answer packed by gzip
is another representation, with `-gz` at the end of its tag; whoever read that
one may name it in `If-Match` as well. `ConditionMiddleware` answers 304, so a
route only sets the tag.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import TypeVar

from fastapi import Request, Response
from pydantic import BaseModel

from app.errors import MalformedError, MissingConditionError, PreconditionError
from app.routes.paging import link_self

TAG_LENGTH = 24
PACKED = "-gz"
ANY = "*"
TAG = r'(?:W/)?"[!#-~]*"'
TAGS = re.compile(rf"\*|{TAG}(?:[ \t]*,[ \t]*{TAG})*")

Answer = TypeVar("Answer", bound=BaseModel)


def make_tag(model: BaseModel) -> str:
    """Return the strong tag of what is answered as JSON."""
    return hash_content(model.model_dump_json(by_alias=True).encode())


def hash_content(content: bytes) -> str:
    """Return the strong tag of an answer's bytes."""
    return f'"{hashlib.sha256(content).hexdigest()[:TAG_LENGTH]}"'


def answer_tagged(
    request: Request, response: Response, model: Answer
) -> Answer:
    """Give the answer its tag and its own address; return it."""
    response.headers["ETag"] = make_tag(model)
    link_self(request, response)
    return model


def require_match(
    request: Request, current: BaseModel | None, draft: str = ""
) -> None:
    """Refuse a change that was made from another version than `current`.

    `current` is what is there now, None if nothing is. `draft` is the text
    that was sent: the refusal hands it back.
    """
    require_tag(request, make_tag(current) if current else None, draft)


def require_tag(request: Request, tag: str | None, draft: str = "") -> None:
    """Refuse a change that was made from another version than `tag`'s."""
    match = _read_tags(request, "If-Match")
    none_match = _read_tags(request, "If-None-Match")
    if match is None and none_match is None:
        if tag is not None and request.app.state.settings.require_if_match:
            raise MissingConditionError(
                f"send If-Match with the version this is made from; "
                f"now it is {tag}"
            )
        return
    if match is not None and not is_match(tag, match):
        told = f"now it is {tag}" if tag else "there is nothing to change"
        raise PreconditionError(
            f"this was made from another version: {told}",
            draft=draft,
            tag=tag or "",
        )
    if none_match is not None and tag and is_match(tag, none_match):
        raise PreconditionError(
            f"there is one already: {tag}", draft=draft, tag=tag
        )


def _read_tags(request: Request, name: str) -> str | None:
    tags = request.headers.get(name)
    if tags is not None and not TAGS.fullmatch(tags):
        raise MalformedError(
            f'{name}: expected tags as "abc", parted by commas, or *'
        )
    return tags


def is_match(tag: str | None, wanted: str) -> bool:
    """Tell whether `If-Match` names this tag (RFC 9110, 13.1.1)."""
    if tag is None:
        return False
    return wanted.strip() == ANY or tag in {
        name.replace(f'{PACKED}"', '"') for name in _split(wanted)
    }


def is_known(tag: bytes, tags: bytes) -> bool:
    """Tell whether `If-None-Match` names this tag (RFC 9110, 13.1.2)."""
    known = {part.strip().removeprefix(b"W/") for part in tags.split(b",")}
    return tag in known or known == {b"*"}


def pack_tag(tag: bytes) -> bytes:
    """Return the tag of the same answer packed by gzip."""
    return tag[:-1] + PACKED.encode() + b'"'


def _split(tags: str) -> Sequence[str]:
    return [part.strip() for part in tags.split(",")]

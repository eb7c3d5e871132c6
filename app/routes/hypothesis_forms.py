"""What a Hypothesis client sends and how it is answered: JSON of its kind."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from app.dependencies import SessionDep
from app.errors import Fault, InvalidError, UnacceptableError
from app.forms import LINE_LENGTH, FilledLine, Text
from app.routes.accept import choose_type
from app.routes.annotation_forms import get_base
from app.services import hypothesis_search, proposals
from app.services.hypothesis import GROUP, Draft, Site, require_shared
from app.services.hypothesis_search import Order, Sort

VERSION_TYPE = "application/vnd.hypothesis.v1+json"
JSON_TYPE = "application/json"
URI_LENGTH = 2000
ID_LENGTH = 120
TAGS = 50
SELECTORS = 10
DEEPEST = 100
URIS = 20
MOST = 200
FARTHEST = 9800
MILLISECONDS = 1000
SAID_HERE = frozenset(
    {"id", "created", "updated", "user", "user_info", "document", "links"}
    | {"flagged", "hidden", "moderation", "moderation_status", "actions"}
    | {"mentions"}
)
"""Keys that clients send back as they got them, with `$` those of their own.

They change nothing."""

Uri = Annotated[str, Field(min_length=1, max_length=URI_LENGTH)]


class TargetIn(BaseModel):
    """What is spoken of: a page, and where on it."""

    source: str = Field(default="", max_length=URI_LENGTH)
    selector: list[dict[str, Any]] | None = Field(
        default=None, max_length=SELECTORS
    )


class PermissionsIn(BaseModel):
    """Who may do what, of which only reading can be chosen."""

    read: list[str] | None = Field(default=None, max_length=DEEPEST)


class AnnotationIn(BaseModel):
    """An annotation as the client sends it.

    What only the server says of it is left out, and keys that nobody here
    knows are kept.
    """

    model_config = ConfigDict(extra="allow")

    uri: Uri | None = None
    text: Text | None = None
    tags: list[FilledLine] | None = Field(default=None, max_length=TAGS)
    target: list[TargetIn] | None = Field(default=None, max_length=1)
    references: list[str] = Field(default_factory=list, max_length=DEEPEST)
    group: str = GROUP
    permissions: PermissionsIn | None = None

    def make_draft(self) -> Draft:
        """Return what of it is stored.

        Raises
        ------
        InvalidError
            When it was meant for a group that is not here, or for nobody.
        """
        require_shared(
            self.permissions.read if self.permissions else None, self.group
        )
        target = self.target[0] if self.target else None
        return Draft(
            uri=self.uri or (target.source if target else ""),
            text=self.text,
            tags=None if self.tags is None else list(dict.fromkeys(self.tags)),
            selectors=target.selector or [] if target else None,
            parent=self.references[-1] if self.references else None,
            extra={
                key: value
                for key, value in (self.model_extra or {}).items()
                if key not in SAID_HERE and not key.startswith("$")
            },
        )


class SearchIn(BaseModel):
    """What is searched for, as the address says it; unknown keys count not.

    `url` is another name of `uri`, `tags` of `tag`.
    """

    limit: int = Field(default=20, ge=0, le=MOST)
    offset: int = Field(default=0, ge=0, le=FARTHEST)
    sort: Sort = Sort.updated
    order: Order = Order.desc
    search_after: str | None = Field(default=None, max_length=LINE_LENGTH)
    uri: list[Uri] = Field(default_factory=list, max_length=URIS)
    url: list[Uri] = Field(default_factory=list, max_length=URIS)
    wildcard_uri: list[Uri] = Field(default_factory=list, max_length=URIS)
    user: str | None = Field(default=None, max_length=LINE_LENGTH)
    group: str | None = Field(default=None, max_length=LINE_LENGTH)
    tag: list[FilledLine] = Field(default_factory=list, max_length=TAGS)
    tags: list[FilledLine] = Field(default_factory=list, max_length=TAGS)
    any: str | None = Field(default=None, max_length=LINE_LENGTH)
    quote: str | None = Field(default=None, max_length=LINE_LENGTH)
    text: str | None = Field(default=None, max_length=LINE_LENGTH)
    references: str | None = Field(default=None, max_length=ID_LENGTH)
    separate: bool = Field(default=False, alias="_separate_replies")

    def make_query(self) -> hypothesis_search.Query:
        """Return what to look for."""
        return hypothesis_search.Query(
            limit=self.limit,
            offset=self.offset,
            sort=self.sort,
            order=self.order,
            after=read_after(self.sort, self.search_after),
            uris=[*self.uri, *self.url],
            patterns=self.wildcard_uri,
            user=self.user,
            group=self.group,
            tags=[*self.tag, *self.tags],
            any=self.any,
            quote=self.quote,
            text=self.text,
            references=self.references,
        )


def read_after(sort: Sort, value: str | None) -> datetime | str | None:
    """Return where a list goes on: a time (text or milliseconds), or words.

    Raises
    ------
    InvalidError
        When a list by time shall go on at something else.
    """
    if value is None or sort not in {Sort.created, Sort.updated}:
        return value
    try:
        if value.isascii() and value.isdigit():
            return datetime.fromtimestamp(int(value) / MILLISECONDS, UTC)
        # a plus that was not escaped in the address came as a blank
        at = datetime.fromisoformat(value.replace(" ", "+"))
        # a time that no calendar has in UTC is refused here as well
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidError(
            "search_after was not understood",
            Fault("/search_after", "expected a time, as 2026-11-22T09:58:00Z"),
        ) from None


def get_site(request: Request, session: SessionDep) -> Site:
    """Return where this review is served."""
    proposal = proposals.find_proposal(session)
    return Site(
        base=get_base(request),
        title=proposal.title if proposal else "",
        is_read_here=request.app.state.settings.hypothesis_client is not None,
    )


SiteDep = Annotated[Site, Depends(get_site)]


def choose_media_type(request: Request) -> str:
    """Return the media type that is wanted.

    Raises
    ------
    UnacceptableError
        When it is none of ours, as that of another version.
    """
    chosen = choose_type(
        request.headers.get("accept"), (JSON_TYPE, VERSION_TYPE)
    )
    if chosen is None:
        raise UnacceptableError(VERSION_TYPE, JSON_TYPE)
    return chosen


MediaTypeDep = Annotated[str, Depends(choose_media_type)]


def answer(
    media_type: str,
    content: Mapping[str, Any] | Sequence[Any],
    *,
    status: int = 200,
) -> Response:
    """Answer in JSON that names its version, whatever it was asked for as."""
    return JSONResponse(
        content,
        status_code=status,
        media_type=media_type,
        headers={"Hypothesis-Media-Type": VERSION_TYPE, "Vary": "Accept"},
    )

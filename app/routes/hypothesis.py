"""The API that clients of Hypothesis speak: annotations, search, who asks.

Refusals are `{"status": "failure", "reason": …}` here and nowhere else. Left
out: the WebSocket (the client asks again by itself when it is loaded), flags
and hidden annotations (editors delete, and say why), other groups than that
of the review.
"""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy.orm import Session

from app.dependencies import SessionDep
from app.errors import Fault, InvalidError, NotFoundError
from app.identity import CurrentReviewer, SignedIn
from app.routes.comments_api import Reason
from app.routes.hypothesis_answers import (
    FOUND,
    LISTED,
    NAMED,
    OBJECT,
    SHOWN,
    describe,
)
from app.routes.hypothesis_forms import (
    ID_LENGTH,
    AnnotationIn,
    MediaTypeDep,
    SearchIn,
    SiteDep,
    answer,
)
from app.services import annotation_changes
from app.services.annotation_rows import (
    AnnotationRow,
    absolutize,
    get_annotation,
)
from app.services.entries import take_turn
from app.services.hypothesis import (
    GROUP,
    READERS,
    Document,
    Draft,
    Site,
    change_document,
    write_document,
    write_target,
)
from app.services.hypothesis_context import present_all
from app.services.hypothesis_search import search
from app.services.hypothesis_texts import Texts

api = APIRouter(prefix="/h/api", tags=["hypothesis"])

LINKED = "application/ld+json"
ROUTES = {
    "annotation": {
        "create": ("POST", "annotations"),
        "read": ("GET", "annotations/:id"),
        "update": ("PATCH", "annotations/:id"),
        "delete": ("DELETE", "annotations/:id"),
    },
    "group": {"read": ("GET", "groups/:id")},
    "groups": {"read": ("GET", "groups")},
    "profile": {"read": ("GET", "profile")},
    "search": ("GET", "search"),
    "links": ("GET", "links"),
}
GROUPS_OF_PROFILE = {"read": ("GET", "profile/groups")}
PAGES = {
    "account.settings": "/account/",
    "groups.new": "/",
    "oauth.authorize": "/sign-in",
    "oauth.revoke": "/account/",
    "search.tag": "/h/api/search?tag=:tag",
    "signup": "/sign-in",
    "user": "/h/api/search?user=:user",
}

Name = Annotated[str, Path(max_length=ID_LENGTH)]


@api.get("/", summary="Where everything is", **NAMED)
def list_h_routes(media_type: MediaTypeDep, site: SiteDep) -> Response:
    """Tell by name where everything is."""

    def complete(tree: Any) -> Any:  # noqa: ANN401 - a tree of any depth
        if isinstance(tree, dict):
            return {name: complete(below) for name, below in tree.items()}
        method, path = tree
        return {
            "method": method,
            "url": f"{site.base}/h/api/{path}",
            "desc": f"{method} {path}",
        }

    links = complete(ROUTES)
    links["profile"]["groups"] = complete(GROUPS_OF_PROFILE)
    return answer(media_type, {"message": "Annotations", "links": links})


@api.get("/links", summary="Pages for people", **NAMED)
def list_h_links(media_type: MediaTypeDep, site: SiteDep) -> Response:
    """Tell where pages for people are."""
    pages = {name: f"{site.base}{path}" for name, path in PAGES.items()}
    return answer(media_type, pages)


@api.get("/search", summary="Find annotations", **FOUND)
def search_h_annotations(
    media_type: MediaTypeDep,
    site: SiteDep,
    session: SessionDep,
    asked: Annotated[SearchIn, Query()],
) -> Response:
    """Find annotations; replies too, apart from the others if so wanted."""
    found = search(session, asked.make_query(), site)
    rows = present_all(session, found.rows, site)
    content: dict[str, Any] = {"rows": rows, "total": found.total}
    if asked.separate:
        content["rows"] = [r for r in rows if "references" not in r]
        content["replies"] = [r for r in rows if "references" in r]
    return answer(media_type, content)


@api.post("/annotations", summary="Annotate, or reply", **SHOWN)
def create_h_annotation(
    media_type: MediaTypeDep,
    site: SiteDep,
    session: SessionDep,
    visitor: SignedIn,
    sent: AnnotationIn,
) -> Response:
    """Store what a client sent."""
    draft = sent.make_draft()
    if not draft.uri:
        raise InvalidError(
            "it speaks of nothing", Fault("/uri", "expected an address")
        )
    parent = None
    if draft.parent is not None:
        parent = get_annotation(session, draft.parent)
    row = annotation_changes.create_annotation(
        session,
        visitor,
        write_document(
            draft,
            parent=parent,
            site=site,
            before=Texts(session).find_before(draft.selectors or ()),
        ),
    )
    return answer(media_type, _present(session, row, site))


@api.get(
    "/annotations/{name}.jsonld",
    summary="One as the W3C has it",
    **describe(LINKED, OBJECT),
)
def show_h_document(
    session: SessionDep, site: SiteDep, name: Name
) -> Response:
    """Answer with the W3C form."""
    row = get_annotation(session, name)
    return answer(LINKED, absolutize(row.document, site.base))


@api.get("/annotations/{name}", summary="One annotation", **SHOWN)
def read_h_annotation(
    media_type: MediaTypeDep, site: SiteDep, session: SessionDep, name: Name
) -> Response:
    """Answer with one annotation."""
    row = get_annotation(session, name)
    return answer(media_type, _present(session, row, site))


@api.put("/annotations/{name}", include_in_schema=False)
@api.patch("/annotations/{name}", summary="Change one", **SHOWN)
def update_h_annotation(  # noqa: PLR0913 - each is a part of the request
    media_type: MediaTypeDep,
    site: SiteDep,
    session: SessionDep,
    visitor: SignedIn,
    *,
    name: Name,
    sent: AnnotationIn,
) -> Response:
    """Change words, tags or place; what is not named stays, by PUT too."""
    draft = sent.make_draft()
    # what is not named stays as it is by then
    take_turn(session)
    row = get_annotation(session, name)
    row = annotation_changes.replace_annotation(
        session,
        visitor,
        name,
        change_document(row, draft, _find_target(session, row, draft, site)),
    )
    return answer(media_type, _present(session, row, site))


def _find_target(
    session: Session, row: AnnotationRow, draft: Draft, site: Site
) -> object:
    """Return what is spoken of now, None if that stays as it was.

    The client sends all that it was told: only another passage than it was
    told is a change.
    """
    told = _present(session, row, site)
    was = told["target"][0].get("selector", [])
    if not draft.selectors or "references" in told or draft.selectors == was:
        return None
    before = Texts(session).find_before(draft.selectors)
    moved = replace(draft, uri=draft.uri or told["uri"])
    return write_target(moved, parent=None, site=site, before=before)


@api.delete("/annotations/{name}", summary="Delete one", **NAMED)
def delete_h_annotation(
    media_type: MediaTypeDep,
    session: SessionDep,
    visitor: SignedIn,
    *,
    name: Name,
    reason: Reason = "",
) -> Response:
    """Delete what one wrote; an editor deletes others' words and says why."""
    annotation_changes.delete_annotation(session, visitor, name, reason=reason)
    return answer(media_type, {"id": name, "deleted": True})


@api.get("/profile", summary="Who asks", **NAMED)
def read_h_profile(
    media_type: MediaTypeDep, site: SiteDep, visitor: CurrentReviewer
) -> Response:
    """Tell who asks."""
    response = answer(
        media_type,
        {
            "userid": site.make_user(visitor.name) if visitor else None,
            "authority": site.authority,
            "user_info": {
                "display_name": visitor.display_name if visitor else None
            },
            "features": {"client_display_names": True},
            "preferences": {},
        },
    )
    response.headers["Cache-Control"] = "no-store"
    return response


@api.get("/profile/groups", summary="One's groups", **LISTED)
def list_h_profile_groups(media_type: MediaTypeDep, site: SiteDep) -> Response:
    """Name the groups of who asks: the one of the review."""
    return answer(media_type, [_make_group(site)])


@api.get("/groups", summary="All groups", **LISTED)
def list_h_groups(media_type: MediaTypeDep, site: SiteDep) -> Response:
    """Name all groups: the one of the review."""
    return answer(media_type, [_make_group(site)])


@api.get("/groups/{name}", summary="A group", **NAMED)
def read_h_group(
    media_type: MediaTypeDep, site: SiteDep, name: Name
) -> Response:
    """Answer with one group."""
    group = _make_group(site)
    if name not in {group["id"], group["groupid"]}:
        raise NotFoundError("group", name)
    return answer(media_type, group)


def _make_group(site: Site) -> Document:
    return {
        "id": GROUP,
        "groupid": f"{READERS}@{site.authority}",
        "name": "The review",
        "organization": None,
        "links": {"html": f"{site.base}/"},
        "scoped": False,
        "scopes": {"enforced": False, "uri_patterns": []},
        "public": True,
        "type": "open",
    }


def _present(session: Session, row: AnnotationRow, site: Site) -> Document:
    return present_all(session, [row], site)[0]

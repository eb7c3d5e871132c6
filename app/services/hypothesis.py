"""Annotations as the Hypothesis API tells of them, made from ours and back.

A document of ours is W3C JSON-LD; this is the mapping alone. Which ones are
asked for is the matter of `hypothesis_search`, selectors of
`hypothesis_selectors`, and writing goes through `annotation_changes`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urldefrag, urlsplit

from app.errors import Fault, InvalidError
from app.models import Motivation
from app.services.annotation_documents import MARKDOWN, replace_words
from app.services.annotation_model import OURS
from app.services.annotation_rows import AnnotationRow, make_path
from app.services.annotation_values import list_values
from app.services.annotations import CONTEXT
from app.services.hypothesis_selectors import read_selectors, write_selectors
from app.services.sections import make_slug

GROUP = "__world__"
READERS = f"group:{GROUP}"
DOCUMENT = "/document/"
MAIL = "mail+"
"""Starts the name of who wrote by mail; no account can be called so."""

EXTRA = "review:extra"
"""Key of a document under which a client's own keys stand."""

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where the review is served, and what it is about.

    `base` has no slash at its end. `is_read_here` tells whether our pages
    load the client, so that a link can lead into it.
    """

    base: str
    title: str
    is_read_here: bool = False

    @property
    def authority(self) -> str:
        """Return what stands behind the `@` of an account."""
        return urlsplit(self.base).hostname or "localhost"

    def make_user(self, name: str) -> str:
        """Return an account's name as Hypothesis writes it."""
        return f"acct:{name}@{self.authority}"

    def make_address(self, source: str) -> str:
        """Return the whole address of a source of ours, or of another's."""
        is_ours = source.startswith("/") and not source.startswith("//")
        return f"{self.base}{source}" if is_ours else source

    def make_source(self, uri: str) -> str:
        """Return a page's address as a document of ours names it."""
        whole = urldefrag(uri)[0]
        if whole == self.base:
            return "/"
        is_ours = whole.startswith(f"{self.base}/")
        rest = whole[len(self.base) :]
        return rest if is_ours and not rest.startswith("//") else whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a client sent; None of a part says that it stays as it is.

    `extra` is what it said by keys of its own.
    """

    uri: str = ""
    text: str | None = None
    tags: Sequence[str] | None = None
    selectors: Sequence[Mapping[str, Any]] | None = None
    parent: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is known of an annotation beside its row.

    Parameters
    ----------
    chain
        The ids of those it answers, the first of the conversation first.
    root
        The first of them; None if it answers nothing.
    before
        The text that ends where its passage begins, as far as that counts.
    starts
        Where each section begins, by its anchor.
    """

    chain: Sequence[str] = ()
    root: AnnotationRow | None = None
    tags: Sequence[str] = ()
    before: str = ""
    starts: Mapping[str, int]


def require_shared(read: Sequence[str] | None, group: str) -> None:
    """Refuse what was meant to be read by its writer alone.

    Here all that is said can be read by whoever may read the review; to
    publish what was meant to be private would be worse than to refuse it.
    """
    if group != GROUP:
        raise InvalidError(
            "no such group", Fault("/group", f"expected {GROUP}")
        )
    if read is not None and READERS not in read:
        raise InvalidError(
            "nothing here is private: share it with the group, or keep it",
            Fault("/permissions/read", f"expected {READERS}"),
        )


def write_document(
    draft: Draft, *, parent: AnnotationRow | None, site: Site, before: str
) -> dict[str, Any]:
    """Return a new W3C document for what a client sent."""
    text, tags = draft.text or "", draft.tags or ()
    motivation = Motivation.commenting
    if parent is not None:
        motivation = Motivation.replying
    elif not text.strip() and not tags:
        motivation = Motivation.highlighting
    made = _with_bodies(
        {
            "@context": CONTEXT,
            "type": "Annotation",
            "motivation": motivation.value,
            "target": write_target(
                draft, parent=parent, site=site, before=before
            ),
        },
        [*_make_texts(text, motivation), *map(_make_tag, tags)],
    )
    return _with_extra(made, draft.extra)


def write_target(
    draft: Draft, *, parent: AnnotationRow | None, site: Site, before: str
) -> object:
    """Return what a client's annotation speaks of, as W3C writes it."""
    if parent is not None:
        return make_path(parent)
    source = site.make_source(draft.uri)
    if not draft.selectors:
        return source
    return {
        "type": "SpecificResource",
        "source": source,
        "selector": read_selectors(draft.selectors, before),
    }


def change_document(
    row: AnnotationRow, draft: Draft, target: object = None
) -> dict[str, Any]:
    """Return a document with other words and tags; all else stays."""
    made = dict(row.document)
    if draft.text is not None and draft.text != row.text:
        made = replace_words(made, draft.text)
    if draft.tags is not None:
        bodies = [b for b in list_values(made.get("body")) if not _is_tag(b)]
        made = _with_bodies(made, [*bodies, *map(_make_tag, draft.tags)])
    if target is not None:
        made["target"] = target
    return _with_extra(made, draft.extra)


def _with_extra(
    document: dict[str, Any], extra: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a document that keeps what a client said by its own keys."""
    if not extra:
        return document
    contexts = list_values(document["@context"])
    if OURS not in contexts:
        contexts = [*contexts, OURS]
    kept = {**_get_extra(document), **extra}
    return {**document, "@context": contexts, EXTRA: kept}


def _get_extra(document: Document) -> Mapping[str, Any]:
    extra = document.get(EXTRA)
    return extra if isinstance(extra, Mapping) else {}


def _with_bodies(
    document: dict[str, Any], bodies: Sequence[object]
) -> dict[str, Any]:
    document.pop("body", None)
    if bodies:
        document["body"] = bodies[0] if len(bodies) == 1 else list(bodies)
    return document


def _make_texts(text: str, motivation: Motivation) -> list[Document]:
    if not text.strip():
        return []
    return [
        {
            "type": "TextualBody",
            "value": text,
            "format": MARKDOWN,
            "purpose": motivation.value,
        }
    ]


def _make_tag(tag: str) -> Document:
    return {"type": "TextualBody", "value": tag, "purpose": "tagging"}


def _is_tag(body: object) -> bool:
    return isinstance(body, Mapping) and body.get("purpose") == "tagging"


def present(row: AnnotationRow, context: Context, site: Site) -> Document:
    """Return an annotation as the Hypothesis API shows it."""
    user = get_user(row, site)
    root = context.root or row
    source = find_source(root)
    made: dict[str, Any] = {
        **_get_extra(row.document),
        "id": row.id,
        "created": format_time(row.created_at),
        "updated": format_time(get_updated(row)),
        "user": user,
        "user_info": {"display_name": row.author or None},
        "uri": site.make_address(source),
        "text": row.text,
        "tags": list(context.tags),
        "group": GROUP,
        "permissions": {
            "read": [READERS],
            "admin": [user],
            "update": [user],
            "delete": [user],
        },
        "target": [_present_target(row, source, context, site)],
        "document": {"title": [site.title] if site.title else []},
        "links": _make_links(row, source, site),
        "flagged": False,
        "hidden": False,
    }
    if context.chain:
        made["references"] = list(context.chain)
    return made


def get_user(row: AnnotationRow, site: Site) -> str:
    """Return who wrote it: an account, or somebody who sent a mail."""
    return site.make_user(row.reviewer or f"{MAIL}{make_slug(row.author)}")


def get_updated(row: AnnotationRow) -> datetime:
    """Return when an annotation was changed last."""
    return row.modified_at or row.created_at


def format_time(at: datetime) -> str:
    """Return a time to the microsecond, by which a list is continued."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def find_source(row: AnnotationRow) -> str:
    """Return the page that an annotation speaks of, first the document.

    Of a deleted one the index alone still knows it.
    """
    targets = list_values(row.document.get("target"))
    sources = [get_source(one) for one in targets]
    ours = (s for s in sources if s.startswith(DOCUMENT))
    return next(ours, next(filter(None, sources), row.source))


def get_source(target: object) -> str:
    """Return the IRI of a target, of whatever shape it is."""
    if isinstance(target, Mapping):
        target = target.get("source", target.get("id"))
        return (
            get_source(target)
            if isinstance(target, Mapping)
            else (target if isinstance(target, str) else "")
        )
    return target if isinstance(target, str) else ""


def _present_target(
    row: AnnotationRow, source: str, context: Context, site: Site
) -> Document:
    made: dict[str, Any] = {"source": site.make_address(source)}
    if context.chain:
        return made
    for target in list_values(row.document.get("target")):
        if isinstance(target, Mapping) and get_source(target) == source:
            selectors = write_selectors(
                target.get("selector"), context.before, context.starts
            )
            if selectors:
                made["selector"] = selectors
            break
    return made


def _make_links(row: AnnotationRow, source: str, site: Site) -> Document:
    html = site.make_address(make_path(row))
    in_context = html
    if site.is_read_here and source.startswith(DOCUMENT):
        # whichever address of the text was meant: the client runs at this one
        in_context = f"{site.base}{DOCUMENT}#annotations:{row.id}"
    return {
        "html": html,
        "incontext": in_context,
        "json": f"{site.base}/h/api/annotations/{row.id}",
    }

